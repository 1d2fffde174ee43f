"""Who gets a queue's new starts, and whether somebody else does once a cohort is gone. Pure; facts only."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import Absent, Observation
from rollout_kit.operations.pins import Declared, Routing, carried_markers, routing, takes
from rollout_kit.operations.queues import queue_fact


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStarts:
    """The pins that new runs of a queue get. `unknown`: what could not be read to say so."""

    pins: tuple[str | None, ...]
    unknown: tuple[str, ...] = ()


def new_starts(observation: Observation, queue: QueueRef) -> NewStarts:
    """By selection, or by the markers of everything that starts runs."""
    match routing(observation):
        case Routing.SELECTOR:
            selected = selected_on(observation, queue)
            if selected is not None:
                return NewStarts(pins=(selected.build_id,))
            return NewStarts(pins=(), unknown=(f"no build is selected on {queue.task_queue}",))
        case Routing.MARKER:
            pins: dict[str | None, None] = {}
            unknown = []
            for holder, marker in carried_markers(observation):
                if isinstance(marker, Absent):
                    unknown.append(f"the marker of {holder} was not read")
                else:
                    pins[marker] = None
            return NewStarts(pins=tuple(pins), unknown=tuple(unknown))
        case None:
            return NewStarts(pins=(), unknown=("how this server routes new starts was not seen",))


def selected_on(observation: Observation, queue: QueueRef) -> CohortRef | None:
    """The cohort that a selector gives this queue's new starts; None: none, or no selector."""
    for cohort in observation.cohorts_of(queue.namespace, queue.task_queue):
        if observation.cohort(cohort, "selected") is True:
            return cohort
    return None


def successors(
    observation: Observation, declared: Declared, cohort: CohortRef
) -> tuple[CohortRef, ...]:
    """The other cohorts of its queue that take all of the queue's new starts; () when they do not.

    Life is desired replicas here: a cohort that the driver is to run at zero takes nothing.
    """
    starts = new_starts(observation, cohort.queue)
    if starts.unknown or not starts.pins:
        return ()
    if routing(observation) is Routing.SELECTOR and starts.pins == (cohort.build_id,):
        return ()
    found: dict[CohortRef, None] = {}
    for pin in _concerning(observation, declared, cohort, starts):
        others = takers(observation, declared, cohort, pin)
        if not others:
            return ()
        found.update(dict.fromkeys(others))
    return tuple(found)


def why_no_successor(observation: Observation, declared: Declared, cohort: CohortRef) -> str:
    """The sentence for what keeps `successors` empty; "" when it is not."""
    if successors(observation, declared, cohort):
        return ""
    starts = new_starts(observation, cohort.queue)
    if starts.unknown:
        return "; ".join(starts.unknown)
    if routing(observation) is Routing.SELECTOR and starts.pins == (cohort.build_id,):
        return f"{cohort.label} itself is selected for the queue's new starts"
    for pin in _concerning(observation, declared, cohort, starts):
        if not takers(observation, declared, cohort, pin):
            holders = [h for h, marker in carried_markers(observation) if marker == pin]
            whose = f" (marker of {', '.join(holders)})" if holders else ""
            build = "without a pin" if pin is None else f"pinned to {pin}"
            return f"new starts {build}{whose} have no other cohort on {cohort.task_queue}"
    return f"nothing starts runs on {cohort.task_queue}"


def known(observation: Observation, cohort: CohortRef) -> bool | None:
    """Rule 10: whether the server has this cohort; None: its queue was not read.

    The server would accept an unknown queue or build and keep a phantom row for ever.
    """
    intent = observation.cohort(cohort, "drain_intent")
    if isinstance(intent, str):
        return True
    return False if observation.get(queue_fact(cohort.queue)) is True else None


def takers(
    observation: Observation, declared: Declared, leaving: CohortRef, pin: str | None
) -> tuple[CohortRef, ...]:
    """The other cohorts of its queue that take this pin and are meant to live."""
    return tuple(
        other
        for other in observation.cohorts_of(leaving.namespace, leaving.task_queue)
        if other != leaving
        and takes(observation, declared, other, pin)
        and observation.cohort(other, "replicas") != 0
        and isinstance(observation.cohort(other, "drain_intent"), str)
    )


def _concerning(
    observation: Observation, declared: Declared, cohort: CohortRef, starts: NewStarts
) -> tuple[str | None, ...]:
    """The pins that somebody else has to take. Unpinned starts that it never took are not among them."""
    took_unpinned = takes(observation, declared, cohort, None)
    return tuple(pin for pin in starts.pins if pin is not None or took_unpinned)
