"""Which cohort serves which pin, and what nobody serves. Pure, over an observation and its situation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from urllib.parse import unquote

from rollout_kit.model.capability import Capability
from rollout_kit.model.execution_plan import Scope, ServedPin
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import (
    SCHEDULER_MARKER,
    SCHEDULER_RUNNING,
    Absent,
    Observation,
)
from rollout_kit.model.situation import OpenRun, Situation
from rollout_kit.operations.api import Seen
from rollout_kit.operations.liveness import DRAINING, started
from rollout_kit.operations.queues import queue_fact

ANY = "*"


class Routing(StrEnum):
    """What gives a new run its pin."""

    SELECTOR = "selector"  # the build that is selected on its queue
    MARKER = "marker"  # the marker of the process that started it


class Declared(Protocol):
    """What the plan says of pins; a scope, or the part of it that an operation carries."""

    @property
    def serves(self) -> tuple[ServedPin, ...]: ...

    @property
    def independent_queues(self) -> tuple[QueueRef, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRules:
    """The part of a scope that an operation needs to judge pins without its plan."""

    serves: tuple[ServedPin, ...] = ()
    independent_queues: tuple[QueueRef, ...] = ()

    @staticmethod
    def of(scope: Scope) -> PinRules:
        return PinRules(serves=scope.serves, independent_queues=scope.independent_queues)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedPin:
    """Open runs of a queue, or ready tasks on it, that wait for a build nobody runs there."""

    pin: str | None
    queue: QueueRef
    runs: tuple[str, ...]  # workflow ids
    ready_tasks: int = 0

    @property
    def build(self) -> str:
        return "(unversioned)" if self.pin is None else self.pin

    @property
    def label(self) -> str:
        """Names pin and queue, the same in every look."""
        return f"{self.queue.namespace}/{self.queue.task_queue}@{self.build}"

    @property
    def count(self) -> int:
        return len(self.runs) + self.ready_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class UnservedMarker:
    """A marker that a process carries, or a selected build, without a started cohort for it."""

    holder: str  # "node api-1", "scheduler", "selection of orders"
    marker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the open runs was read, and what could not be measured at all."""

    described: int
    listed: int
    complete: bool
    unmeasured: tuple[str, ...]

    @property
    def text(self) -> str:
        """`k of n`, as partial counts are marked."""
        return f"{self.described} of {self.listed} open runs read"


def routing(observation: Observation) -> Routing | None:
    """What this server was seen to route by; None: neither was seen."""
    if observation.can(Capability.PROMOTE):
        return Routing.SELECTOR
    if observation.can(Capability.MARKER_ROUTING):
        return Routing.MARKER
    return None


def serves(declared: Declared, cohort: CohortRef, pin: str | None) -> bool:
    """Whether the cohort's code may run what is pinned to `pin`: the same build, or declared so."""
    if cohort.build_id == pin:
        return True
    return any(
        entry.cohort == cohort and (ANY in entry.serves or pin in entry.serves)
        for entry in declared.serves
    )


def takes(observation: Observation, declared: Declared, cohort: CohortRef, pin: str | None) -> bool:
    """Whether the server would hand the cohort work of this pin.

    A selector hands unpinned runs to anybody; marker routing hands their activities to unversioned
    workers alone. Where drain refuses polls a draining cohort gets nothing.
    """
    if refused_polls(observation, cohort):
        return False
    if pin is None and routing(observation) is Routing.SELECTOR:
        return True
    return serves(declared, cohort, pin)


def refused_polls(observation: Observation, cohort: CohortRef) -> bool:
    return (
        observation.can(Capability.DRAIN_REFUSES_POLLS)
        and observation.cohort(cohort, "drain_intent") == DRAINING
    )


def served(
    seen: Seen,
    declared: Declared,
    queue: QueueRef,
    pin: str | None,
    *,
    without: CohortRef | None = None,
) -> bool | None:
    """Whether a started cohort of this queue takes the pin; None: it could not be measured."""
    if seen.observation.get(queue_fact(queue)) is not True:
        return None
    there = [
        started((seen,), cohort)
        for cohort in seen.observation.cohorts_of(queue.namespace, queue.task_queue)
        if cohort != without and takes(seen.observation, declared, cohort, pin)
    ]
    if any(there):
        return True
    return None if None in there else False


def unserved(
    observation: Observation, situation: Situation, scope: Declared
) -> tuple[UnservedPin, ...]:
    """What is certainly unserved, judged on what was read: see `coverage` for the rest."""
    seen = Seen(observation=observation, situation=situation, at_s=0.0)
    found = [
        UnservedPin(pin=pin, queue=queue, runs=tuple(run.workflow_id for run in runs))
        for (queue, pin), runs in _by_pin(situation).items()
        if served(seen, scope, queue, pin) is False
    ]
    return (*found, *_waiting_elsewhere(seen, scope, found))


def coverage(observation: Observation, situation: Situation, scope: Declared) -> Coverage:
    """What `unserved` was judged on."""
    seen = Seen(observation=observation, situation=situation, at_s=0.0)
    runs = [run for listing in situation.open_runs.values() for run in listing.runs]
    unmeasured = [
        f"{queue.namespace}/{queue.task_queue}: whether {pin or '(unversioned)'} is served"
        for queue, pin in _by_pin(situation)
        if served(seen, scope, queue, pin) is None
    ]
    unread = [f"{key}: {why}" for key, why in situation.unread.items() if key.startswith("runs/")]
    return Coverage(
        described=sum(1 for run in runs if run.described),
        listed=len(runs),
        complete=all(listing.complete for listing in situation.open_runs.values()) and not unread,
        unmeasured=(*unmeasured, *unread),
    )


def unserved_markers(
    observation: Observation,
    situation: Situation,
    scope: Declared,
    *,
    without: CohortRef | None = None,
) -> tuple[UnservedMarker, ...]:
    """Rule 19: markers of nodes and scheduler, and selected builds, that no started cohort serves.

    Args:
        without: judge as if this cohort were gone already.
    """
    return _markers(observation, situation, scope, without, wanted=False)


def unmeasured_markers(
    observation: Observation, situation: Situation, scope: Declared
) -> tuple[UnservedMarker, ...]:
    """Markers of which nobody can say whether a started cohort serves them."""
    return _markers(observation, situation, scope, None, wanted=None)


def carried_markers(observation: Observation) -> Iterator[tuple[str, str | Absent | None]]:
    """Every process that pins new runs, with its marker: (`node api-1`, marker)."""
    for fact, value in observation.facts.items():
        if fact.endswith("/marker") and fact.startswith("node/"):
            yield f"node {unquote(fact.split('/')[1])}", _marker(value)
        elif fact == SCHEDULER_MARKER and observation.get(SCHEDULER_RUNNING) is not False:
            yield "scheduler", _marker(value)


def pinned_runs(situation: Situation, build_id: str | None) -> tuple[OpenRun, ...]:
    """Open runs known to be pinned to this build, on any queue."""
    return tuple(
        run
        for listing in situation.open_runs.values()
        for run in listing.runs
        if run.described and run.pin == build_id
    )


def _marker(value: object) -> str | Absent | None:
    return value if isinstance(value, str | Absent) and value != "" else None


def _by_pin(situation: Situation) -> dict[tuple[QueueRef, str | None], list[OpenRun]]:
    found: dict[tuple[QueueRef, str | None], list[OpenRun]] = {}
    for listing in situation.open_runs.values():
        for run in listing.runs:
            if run.described:
                queue = QueueRef(namespace=run.namespace, task_queue=run.task_queue)
                found.setdefault((queue, run.pin), []).append(run)
    return found


def _waiting_elsewhere(
    seen: Seen, scope: Declared, found: list[UnservedPin]
) -> Iterator[UnservedPin]:
    """Ready tasks on queues where no pin in use is served: activities carry pins onto other queues.

    A queue names no pin of its ready tasks, so they count only where every pin of the namespace's
    runs is unserved there; a run of the queue itself that is unserved has been counted already.
    """
    counted = {(item.queue, item.pin) for item in found}
    for queue in _queues(seen.observation):
        numbers = seen.situation.queue(queue)
        ready = (numbers.ready_workflow_tasks or 0) + (numbers.ready_activity_tasks or 0)
        listing = seen.situation.open_runs.get(queue.namespace)
        if not ready or listing is None or not listing.complete:
            continue
        pins = sorted({run.pin for run in listing.runs}, key=str)
        if not pins or any(served(seen, scope, queue, pin) is not False for pin in pins):
            continue
        if not any((queue, pin) in counted for pin in pins):
            yield UnservedPin(pin=pins[0], queue=queue, runs=(), ready_tasks=ready)


def _queues(observation: Observation) -> tuple[QueueRef, ...]:
    return tuple(dict.fromkeys(cohort.queue for cohort in observation.cohorts()))


def _markers(
    observation: Observation,
    situation: Situation,
    scope: Declared,
    without: CohortRef | None,
    *,
    wanted: bool | None,
) -> tuple[UnservedMarker, ...]:
    seen = Seen(observation=observation, situation=situation, at_s=0.0)
    found = []
    for holder, marker in carried_markers(observation):
        if isinstance(marker, str):
            there = {served(seen, scope, q, marker, without=without) for q in _queues(observation)}
            standing = True if True in there else (None if None in there else False)
            if standing is wanted:
                found.append(UnservedMarker(holder=holder, marker=marker))
    for cohort in observation.cohorts():
        build = cohort.build_id
        if observation.cohort(cohort, "selected") is not True or build is None:
            continue
        if served(seen, scope, cohort.queue, build, without=without) is wanted:
            holder = f"selection of {cohort.task_queue}"
            found.append(UnservedMarker(holder=holder, marker=build))
    return tuple(found)
