"""Record the intent to drain a cohort. Where drain refuses polls it takes effect there and then."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.capability import Capability
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Keep,
    Operation,
    PinnedRuns,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.cohort_acts import LeavingArguments, back_to_work, freezing
from rollout_kit.operations.cohort_change import (
    kept,
    never_came,
    selection_of,
    silent,
    touched,
    unknown,
)
from rollout_kit.operations.departure import (
    left_to_nobody,
    markers_lost,
    needing,
    not_the_last,
)
from rollout_kit.operations.liveness import DRAINING
from rollout_kit.operations.pace import pace
from rollout_kit.operations.pins import refused_polls
from rollout_kit.operations.queues import read_leaving
from rollout_kit.operations.starts import why_no_successor


class DrainCohort:
    kind = "drain_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return read_leaving(_arguments(op).cohort, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        """Rule 7 as far as facts go: without another cohort for the new starts it is refused."""
        args = _arguments(op)
        cohort = args.cohort
        blocked = silent(observation, cohort, "drain_intent", "selected")
        if blocked is None and not args.ours:
            blocked = unknown(observation, cohort)
        if blocked:
            return blocked
        if observation.cohort(cohort, "drain_intent") == DRAINING:
            return Change(kind=ChangeKind.NO_OP, sentence=f"{cohort.label} is draining")
        keeping = never_came(args, observation) or kept(args, observation, situation)
        if keeping:
            return Change(kind=ChangeKind.NO_OP, sentence=keeping)
        alone = why_no_successor(observation, args.rules, cohort)
        if alone:
            return Change(
                kind=ChangeKind.BLOCKED,
                sentence=f"{cohort.label} would be drained with nobody in its place: {alone}",
                hint="first give the new starts to a cohort that lives (`worker-canary`, `promote`)",
            )
        gate = observation.can(Capability.DRAIN_REFUSES_POLLS)
        effect = "" if gate else " (a label on this server: stopping its processes is the drain)"
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"drain {cohort.label}{effect}",
            details=touched(situation, cohort),
            estimate_s=1.0,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        args = _arguments(op)
        intent = cohort_fact(args.cohort, "drain_intent")
        return (intent, *selection_of((args.cohort, *args.others)))

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return tuple(
            cohort_fact(other, attribute)
            for other in _arguments(op).others
            for attribute in ("drain_intent", "replicas")
        )

    def expect(self, op: Operation, observation: Observation) -> Observation:
        return observation.with_facts(
            {cohort_fact(_arguments(op).cohort, "drain_intent"): DRAINING}
        )

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Rules 7, 9 and 19, on numbers, just before the write."""
        args = _arguments(op)
        proof = args.proof(ctx)
        last = not_the_last((seen,), args.rules, args.cohort, proof)
        if last:
            return Waiting(retry_after_s=pace(ctx), progress=last)
        lost = markers_lost(seen, args.rules, args.cohort)
        if lost:
            return Waiting(retry_after_s=pace(ctx), progress=left_to_nobody(lost))
        if freezing(op, ctx) or args.pinned_runs is PinnedRuns.STRAND:
            return Done()
        open_runs = needing((seen,), args.rules, args.cohort, proof)
        if open_runs.runs:
            progress = f"{open_runs.text} pinned to {args.cohort.label}, served by nobody else"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        if not open_runs.complete:
            return Waiting(retry_after_s=pace(ctx), progress=open_runs.why_incomplete)
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        writers.engine.drain(_arguments(op).cohort)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Took effect: the rows are draining where polls are refused; else the intent is recorded."""
        args = _arguments(op)
        cohort, seen = args.cohort, history[-1]
        if seen.observation.cohort(cohort, "drain_intent") != DRAINING:
            keeping = never_came(args, seen.observation)
            keeping = keeping or kept(args, seen.observation, seen.situation)
            if keeping:
                return Done(sentence=keeping)
            progress = f"the intent to drain {cohort.label} is not recorded yet"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        if not refused_polls(seen.observation, cohort):
            return Done(sentence=f"the intent to drain {cohort.label} is recorded")
        active = seen.situation.cohort(cohort).active
        if active == 0:
            return Done(sentence=f"no worker of {cohort.label} gets new tasks")
        count = "an unknown number of" if active is None else str(active)
        progress = f"{count} workers of {cohort.label} still show as active"
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """Start it as it was, resume it, wait until it is there: in this order, all in the first pass."""
        args = _arguments(op)
        if before.get(cohort_fact(args.cohort, "drain_intent")) == DRAINING:
            return Keep(reason=f"{args.cohort.label} was draining before")
        return Undo(restore=back_to_work(op, args, before))


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
