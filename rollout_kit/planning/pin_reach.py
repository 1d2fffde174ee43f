"""Where a build's pin can get to, and who has to serve it there before the build gets any start.

A run's activities and children carry its pin onto other queues: under a selector within the namespace,
less its independent queues; under marker routing everywhere, for every start gets the marker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout_kit.document.plan import WorkerRelease
from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import Absent
from rollout_kit.operations.pins import serves, takes
from rollout_kit.operations.queues import queue_fact
from rollout_kit.operations.survey import QUEUES
from rollout_kit.planning.api import Problem, World
from rollout_kit.planning.cohort_operations import lives, release_of
from rollout_kit.planning.scope import cohort_in, queue_of

UNMEASURED = "unmeasured-queues"
"""The name under `target.accept`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What has to be brought up beside the step's own cohorts, and what nobody would serve."""

    missing: tuple[WorkerRelease, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def reach(builds: tuple[CohortRef, ...], own: tuple[CohortRef, ...], world: World) -> Reach:
    """Judge every queue that the pins of these cohorts can get to.

    Args:
        builds: the cohorts that are about to get starts.
        own: cohorts that the step itself brings up before.
    """
    missing: dict[QueueRef, WorkerRelease] = {}
    problems: list[Problem] = []
    notes: list[str] = []
    for cohort in builds:
        problems += _unlisted(cohort, world)
        for queue in _queues(cohort, world):
            if any(c.queue == queue and serves(world.scope, c, cohort.build_id) for c in own):
                continue
            served = _served(queue, cohort, world)
            if served:
                continue
            entry = release_of(queue, world)
            if entry is not None and _brings(queue, cohort, world):
                missing[queue] = entry
            elif served is False and (queue == cohort.queue or _has_workers(queue, world)):
                problems.append(_unserved(queue, cohort))
            elif queue == cohort.queue or _waits_for_the_driver(queue, world):
                # Its own queue is looked at once more before it gets the starts.
                notes.append(
                    f"whether {cohort.build_id} is served on {queue.task_queue}:"
                    " not read, judged at apply"
                )
            else:
                problems.append(_unmeasured(queue, cohort))
    return Reach(
        missing=tuple(missing.values()),
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _queues(cohort: CohortRef, world: World) -> Iterator[QueueRef]:
    """Every queue that the pin can get to, its own first; not those that are known to be empty."""
    yield cohort.queue
    everywhere = Capability.MARKER_ROUTING in world.capabilities
    found = dict.fromkeys(other.queue for other in world.observation.cohorts())
    for queue in dict.fromkeys((*found, *world.scope.queues)):
        if queue == cohort.queue or _has_workers(queue, world) is False:
            continue
        independent = queue in world.scope.independent_queues
        if everywhere or (queue.namespace == cohort.namespace and not independent):
            yield queue


def _has_workers(queue: QueueRef, world: World) -> bool | None:
    """Rule 14: None, and not False, where it was not measured."""
    cohorts = world.observation.cohorts_of(queue.namespace, queue.task_queue)
    there = [lives(cohort, world) for cohort in cohorts]
    if any(there):
        return True
    unread = isinstance(world.observation.get(queue_fact(queue)), Absent)
    return None if unread or None in there else False


def _waits_for_the_driver(queue: QueueRef, world: World) -> bool:
    """Whether it is only the driver that did not answer in this session; `apply` needs it anyway."""
    if world.document.infra is None or world.observation.get(queue_fact(queue)) is not True:
        return False
    cohorts = world.observation.cohorts_of(queue.namespace, queue.task_queue)
    unknown = [cohort for cohort in cohorts if lives(cohort, world) is None]
    return all(isinstance(world.observation.cohort(c, "replicas"), Absent) for c in unknown)


def _served(queue: QueueRef, cohort: CohortRef, world: World) -> bool | None:
    """Whether a cohort of this queue takes the pin by then; None: nobody can say whether it lives."""
    there = [
        lives(other, world)
        for other in world.observation.cohorts_of(queue.namespace, queue.task_queue)
        if takes(world.observation, world.scope, other, cohort.build_id)
    ]
    if any(there):
        return True
    return None if None in there else False


def _brings(queue: QueueRef, cohort: CohortRef, world: World) -> bool:
    """Whether the release brings a cohort to this queue that serves the pin."""
    entry = release_of(queue, world)
    if entry is None:
        return False
    return serves(world.scope, cohort_in(queue_of(entry), entry.to), cohort.build_id)


def _unlisted(cohort: CohortRef, world: World) -> Iterator[Problem]:
    """Namespaces that the pin can get to and whose queues nobody could list."""
    everywhere = Capability.MARKER_ROUTING in world.capabilities
    for key, reason in world.situation.unread.items():
        namespace = key.removeprefix(QUEUES)
        if not key.startswith(QUEUES) or not (everywhere or namespace == cohort.namespace):
            continue
        yield Problem(
            summary="Queues of a namespace cannot be listed",
            detail=f"{namespace}: {reason}. Runs of {cohort.label} carry its pin to every queue"
            " there, and whether somebody serves it on them cannot be told.",
            hint="give a credential that may list them, and run this again; or accept it under"
            f" target.accept.{UNMEASURED}",
            rule=14,
            accept=UNMEASURED,
        )


def _unmeasured(queue: QueueRef, cohort: CohortRef) -> Problem:
    where = f"{queue.task_queue} in namespace {queue.namespace}"
    return Problem(
        summary="Whether the new build is served on another queue cannot be told",
        detail=f"How many workers {where} has was not measured (stale workers are neither there nor"
        f" gone, and nobody counts their processes), and none that is known to be there serves"
        f" {cohort.build_id}: activities and children of runs that {cohort.label} starts may carry"
        " its pin there, and would wait for ever.",
        hint=f"add {queue.task_queue} to release.workers with to: {cohort.build_id}; one without"
        " workers, or that such runs never reach, is accepted under"
        f" target.accept.{UNMEASURED}",
        rule=14,
        accept=UNMEASURED,
    )


def _unserved(queue: QueueRef, cohort: CohortRef) -> Problem:
    where = f"{queue.task_queue} in namespace {queue.namespace}"
    return Problem(
        summary="Nobody would serve the new build on another queue",
        detail=f"{where} has workers, and none of them serves {cohort.build_id}. Activities and"
        f" children of runs that {cohort.label} starts carry its pin there, and would wait for ever.",
        hint=f"add {queue.task_queue} to release.workers with to: {cohort.build_id}, or with a build"
        " that `serves` it; a queue that such runs never reach belongs to"
        " release.independent_queues (where a selector routes)",
    )
