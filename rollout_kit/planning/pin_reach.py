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
from rollout_kit.operations.pins import serves, takes
from rollout_kit.planning.api import Problem, World
from rollout_kit.planning.cohort_operations import lives, release_of
from rollout_kit.planning.scope import cohort_in, queue_of


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
        for queue in _queues(cohort, world):
            if any(c.queue == queue and serves(world.scope, c, cohort.build_id) for c in own):
                continue
            served = _served(queue, cohort, world)
            if served:
                continue
            entry = release_of(queue, world)
            if entry is not None and _brings(queue, cohort, world):
                missing[queue] = entry
            elif served is None:
                notes.append(
                    f"whether {cohort.build_id} is served on {queue.task_queue}: not judged"
                )
            else:
                problems.append(_unserved(queue, cohort))
    return Reach(
        missing=tuple(missing.values()),
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _queues(cohort: CohortRef, world: World) -> Iterator[QueueRef]:
    """Every queue with workers that the pin can get to, its own first."""
    yield cohort.queue
    everywhere = Capability.MARKER_ROUTING in world.capabilities
    found = dict.fromkeys(other.queue for other in world.observation.cohorts())
    for queue in found:
        if queue == cohort.queue or not _has_workers(queue, world):
            continue
        independent = queue in world.scope.independent_queues
        if everywhere or (queue.namespace == cohort.namespace and not independent):
            yield queue


def _has_workers(queue: QueueRef, world: World) -> bool:
    cohorts = world.observation.cohorts_of(queue.namespace, queue.task_queue)
    return any(lives(cohort, world) for cohort in cohorts)


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
