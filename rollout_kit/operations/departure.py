"""When a cohort may go, and when it has gone: quiesced, without leases, retired. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.model.duration import span
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.situation import OpenRun, Situation
from rollout_kit.operations.api import Seen
from rollout_kit.operations.liveness import DRAINING, FORWARD, Proof, shown
from rollout_kit.operations.pins import (
    Declared,
    UnservedMarker,
    pinned_runs,
    serves,
    takes,
    unserved_markers,
)
from rollout_kit.operations.queues import NAMESPACES, RUNS
from rollout_kit.operations.starts import new_starts, successors, takers, why_no_successor

DEFAULT_POLL_TIMEOUT_S = 30.0
"""The servers' own default, for one that does not show its figure."""
EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Needing:
    """Open runs that need a cohort, as far as one look could tell."""

    runs: tuple[OpenRun, ...]
    complete: bool  # every run of the scope and every pin was read
    why_incomplete: str = ""

    @property
    def workflow_ids(self) -> tuple[str, ...]:
        return tuple(run.workflow_id for run in self.runs)

    @property
    def text(self) -> str:
        """`3 open runs (a, b, c)`, "at least" where not all was read."""
        count = f"{len(self.runs)} open run{'' if len(self.runs) == 1 else 's'}"
        shown = ", ".join(self.workflow_ids[:EXAMPLES])
        more = ", …" if len(self.runs) > EXAMPLES else ""
        listed = f" ({shown}{more})" if self.runs else ""
        return f"{'' if self.complete else 'at least '}{count}{listed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiescence:
    """Whether a cohort is quiesced; `reason` says what is still missing."""

    holds: bool
    reason: str
    needing: Needing


def needing(
    history: Sequence[Seen], declared: Declared, cohort: CohortRef, proof: Proof = FORWARD
) -> Needing:
    """Rule 9: open runs pinned to this build that no other *proved* cohort serves, whatever their queue.

    "Other" is another build: the same build on a further queue leaves by the same rollout. What runs
    elsewhere sends its activities here, so it has to be served on its own queue and on this one.

    Args:
        history: looks, oldest first; the last one is judged, the others show who worked lately.
        proof: how surely the other cohort has to be alive.
    """
    seen = history[-1]
    runs = [
        run
        for listing in seen.situation.open_runs.values()
        for run in listing.runs
        if run.described
        and run.pin == cohort.build_id
        and _concerns(declared, cohort, run)
        and not _served_otherwise(history, declared, cohort, run, proof)
    ]
    why = _why_incomplete(seen.situation, cohort)
    return Needing(runs=tuple(runs), complete=not why, why_incomplete=why)


def quiesced(
    history: Sequence[Seen], declared: Declared, cohort: CohortRef, proof: Proof = FORWARD
) -> Quiescence:
    """Two complete listings, one poll timeout apart, and nothing in between that needs the cohort."""
    last = needing(history, declared, cohort, proof)
    if last.runs:
        reason = f"{last.text} pinned to {cohort.label} and served by no other proved cohort"
        again = continuing(history, cohort)
        if again:
            reason += f"; {', '.join(again)} continues as new, will not quiesce"
        return Quiescence(holds=False, reason=reason, needing=last)
    if not last.complete:
        reason = f"cannot be proved yet: {last.why_incomplete}"
        return Quiescence(holds=False, reason=reason, needing=last)
    apart_s = poll_timeout_s(history[-1].situation, cohort.queue)
    began_s = _listing_began_s(history[-1])
    for number in range(len(history) - 2, -1, -1):
        seen = history[number]
        earlier = needing(history[: number + 1], declared, cohort, proof)
        if earlier.runs:
            break
        if earlier.complete and began_s - _listing_ended_s(seen) >= apart_s:
            return Quiescence(holds=True, reason=f"no open run needs {cohort.label}", needing=last)
    reason = f"no open run needs it; a second look {span(apart_s)} after the first will prove it"
    return Quiescence(holds=False, reason=reason, needing=last)


def continuing(history: Sequence[Seen], cohort: CohortRef) -> tuple[str, ...]:
    """Workflows whose successors kept the pin: the same id, a new run, since we began to watch."""
    first, last = (_runs_by_workflow(seen, cohort) for seen in (history[0], history[-1]))
    return tuple(
        workflow for workflow, run in last.items() if workflow in first and first[workflow] != run
    )


def leases_held(seen: Seen, declared: Declared, cohort: CohortRef) -> str:
    """What keeps it from being without leases; "" when it is.

    A list that was cut off proves nothing by itself: then all slots free, or no open run that it
    could work on, says it.
    """
    numbers = seen.situation.cohort(cohort)
    if numbers.leases is None:
        return f"the leases of {cohort.label} could not be read"
    if numbers.leases.at_least > 0:
        return f"{cohort.label} holds {numbers.leases.text} leases"
    if numbers.leases.complete or numbers.free_slots is True:
        return ""
    if _nothing_to_work_on(seen, declared, cohort):
        return ""
    return f"the list of leases was cut off: {cohort.label} may hold one that it does not show"


def retired(history: Sequence[Seen], cohort: CohortRef) -> str:
    """Rule 8, its last part: what keeps "gone" from being proved; "" when it is.

    Stale is neither dead nor drained: the processes have to be gone by the driver's count, and active
    and draining zero in every sample over a window no heartbeat can hide in.
    """
    last = history[-1]
    numbers = last.situation.cohort(cohort)
    if last.observation.cohort(cohort, "drain_intent") != DRAINING:
        return f"no intent to drain {cohort.label} is recorded"
    if numbers.processes is None:
        return f"nothing can count the processes of {cohort.label}"
    if numbers.processes > 0:
        return f"{numbers.processes} processes of {cohort.label} still run"
    window_s = gone_window_s(last.situation, cohort.queue)
    quiet_since_s: float | None = None
    for seen in reversed(history):
        counted = seen.situation.cohort(cohort)
        if counted.active is None or counted.draining is None:
            continue
        if counted.active + counted.draining > 0:
            break
        quiet_since_s = seen.at_s
    if numbers.active is None or quiet_since_s is None:
        found = "not counted" if numbers.active is None else f"{numbers.active} active"
        return f"{cohort.label}: {found}, {numbers.draining} draining registrations"
    if last.at_s - quiet_since_s < window_s:
        return (
            f"no registration of {cohort.label} lives since {span(last.at_s - quiet_since_s)};"
            f" proved after {span(window_s)}"
        )
    return ""


def not_the_last(
    history: Sequence[Seen],
    declared: Declared,
    cohort: CohortRef,
    proof: Proof = FORWARD,
) -> str:
    """Rule 7: why taking this cohort away would leave the queue without work done; "" when it would not.

    The cohorts that get all new starts have to be alive: *proved*, in an undo *started*.
    """
    seen = history[-1]
    if not successors(seen.observation, declared, cohort):
        return why_no_successor(seen.observation, declared, cohort)
    for pin in new_starts(seen.observation, cohort.queue).pins:
        others = takers(seen.observation, declared, cohort, pin)
        if not others:
            continue  # a start that nobody took, this cohort neither: `successors` has judged that
        if any(proof.of(history, other) for other in others):
            continue
        names = ", ".join(f"{o.label} ({shown(seen.situation, o)})" for o in others)
        return f"what would be left for new starts is not {proof.text}: {names}"
    return ""


def markers_lost(seen: Seen, declared: Declared, cohort: CohortRef) -> tuple[UnservedMarker, ...]:
    """Rule 19, judged beforehand: markers that it serves and, once it is gone, nobody would.

    A draining cohort counts as serving: its heartbeats still answer for the marker.
    """
    after = unserved_markers(seen.observation, seen.situation, declared, without=cohort)
    return tuple(item for item in after if serves(declared, cohort, item.marker))


def left_to_nobody(lost: tuple[UnservedMarker, ...]) -> str:
    who = ", ".join(f"{item.holder} ({item.marker})" for item in lost)
    return f"nobody else serves what these pin new runs to: {who}"


def poll_timeout_s(situation: Situation, queue: QueueRef) -> float:
    shown = situation.queue(queue).poll_timeout_s
    return DEFAULT_POLL_TIMEOUT_S if shown is None else shown


def gone_window_s(situation: Situation, queue: QueueRef) -> float:
    """How long counts must stay zero: two heartbeats, or the stale limit and one long poll."""
    numbers = situation.queue(queue)
    stale_s = 60.0 if numbers.stale_after_s is None else numbers.stale_after_s
    beats_s = 2 * (numbers.heartbeat_interval_s or 0.0)
    return max(beats_s, stale_s + poll_timeout_s(situation, queue))


def _concerns(declared: Declared, cohort: CohortRef, run: OpenRun) -> bool:
    """An independent queue stands alone: its runs concern nobody else, and others' do not concern it."""
    queue = QueueRef(namespace=run.namespace, task_queue=run.task_queue)
    if queue == cohort.queue:
        return True
    return cohort.queue not in declared.independent_queues and (
        queue not in declared.independent_queues
    )


def _served_otherwise(
    history: Sequence[Seen],
    declared: Declared,
    cohort: CohortRef,
    run: OpenRun,
    proof: Proof,
) -> bool:
    observation = history[-1].observation
    queues = {QueueRef(namespace=run.namespace, task_queue=run.task_queue), cohort.queue}
    return all(
        any(
            other.build_id != cohort.build_id
            and takes(observation, declared, other, run.pin)
            and proof.of(history, other)
            for other in observation.cohorts_of(queue.namespace, queue.task_queue)
        )
        for queue in queues
    )


def _runs_by_workflow(seen: Seen, cohort: CohortRef) -> dict[str, str]:
    return {run.workflow_id: run.run_id for run in pinned_runs(seen.situation, cohort.build_id)}


def _why_incomplete(situation: Situation, cohort: CohortRef) -> str:
    missing = [
        f"{key}: {why}"
        for key, why in situation.unread.items()
        if key == NAMESPACES or key.startswith(RUNS)
    ]
    if cohort.namespace not in situation.open_runs:
        missing.append(f"the open runs of {cohort.namespace} were not listed")
    missing += [
        listing.progress for listing in situation.open_runs.values() if not listing.complete
    ]
    return "; ".join(missing)


def _nothing_to_work_on(seen: Seen, declared: Declared, cohort: CohortRef) -> bool:
    if _why_incomplete(seen.situation, cohort):
        return False
    return not any(
        run.pin in (cohort.build_id, None)
        for listing in seen.situation.open_runs.values()
        for run in listing.runs
        if _concerns(declared, cohort, run)
    )


def _listing_began_s(seen: Seen) -> float:
    return min(listing.started_at_s for listing in seen.situation.open_runs.values())


def _listing_ended_s(seen: Seen) -> float:
    return max(listing.listed_at_s for listing in seen.situation.open_runs.values())
