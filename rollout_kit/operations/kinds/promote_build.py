"""Select a build: all new starts of its queue go to it. Only where the server has a selector."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Keep,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.cohort_acts import (
    AwaitCohortArguments,
    PromoteBuildArguments,
    Strength,
    undo_operation,
)
from rollout_kit.operations.cohort_change import selection_of, silent, touched, unknown
from rollout_kit.operations.liveness import DRAINING, conflicting, shown, started
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue
from rollout_kit.operations.starts import selected_on


class PromoteBuild:
    kind = "promote_build"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        cohort = _arguments(op).cohort
        return read_queue(cohort.queue, readers, now_s, (cohort,))

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        cohort = _arguments(op).cohort
        blocked = silent(observation, cohort, "selected", "drain_intent") or unknown(
            observation, cohort
        )
        if blocked:
            return blocked
        if observation.cohort(cohort, "selected") is True:
            sentence = f"{cohort.label} gets the new starts"
            return Change(kind=ChangeKind.NO_OP, sentence=sentence)
        refused = _refused(observation, cohort)
        if refused:
            return refused
        before = selected_on(observation, cohort.queue)
        instead = f" instead of {before.label}" if before else ""
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"give all new starts on {cohort.task_queue} to {cohort.label}{instead}",
            details=touched(situation, cohort),
            estimate_s=2.0,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        args = _arguments(op)
        return selection_of((args.cohort, *args.others))

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return (cohort_fact(_arguments(op).cohort, "drain_intent"),)

    def expect(self, op: Operation, observation: Observation) -> Observation:
        cohort = _arguments(op).cohort
        others = observation.cohorts_of(cohort.namespace, cohort.task_queue)
        known = [c for c in others if isinstance(observation.cohort(c, "selected"), bool)]
        facts = {cohort_fact(other, "selected"): other == cohort for other in (*known, cohort)}
        return observation.with_facts(facts)

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Rule 15: whoever gets the work, forward or back, is *started* before it gets any."""
        args = _arguments(op)
        conflict = conflicting(seen.situation, args.cohort)
        if conflict and not ctx.undoing:
            return conflict
        if started((seen,), args.cohort, args.n):
            return Done()
        progress = (
            f"{args.cohort.label} has to be started before it gets new starts:"
            f" {shown(seen.situation, args.cohort)}, wanted {args.n}"
        )
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        writers.engine.promote(_arguments(op).cohort)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        cohort = _arguments(op).cohort
        if history[-1].observation.cohort(cohort, "selected") is True:
            return Done(sentence=f"{cohort.label} gets the new starts")
        selected = selected_on(history[-1].observation, cohort.queue)
        shown_now = selected.label if selected else "no build"
        progress = f"{shown_now} is selected on {cohort.task_queue}, not {cohort.label}"
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """Select what was selected before, once it is there. Nothing was: then it may stay selected.

        Rule 12: never by the server's own rollback, which would burn the build id for ever.
        """
        args = _arguments(op)
        previous = selected_on(Observation(facts=before), args.cohort.queue)
        if previous is None or previous == args.cohort:
            queue = args.cohort.task_queue
            return Keep(reason=f"no build was selected on {queue}: {args.cohort.label} stays so")
        there = AwaitCohortArguments(cohort=previous, strength=Strength.STARTED)
        others = tuple(c for c in (args.cohort, *args.others) if c != previous)
        back = PromoteBuildArguments(cohort=previous, others=others)
        return Undo(
            restore=(
                undo_operation(op, "await_cohort", there, "it gets the new starts back"),
                undo_operation(op, "promote_build", back, f"{previous.label} was selected before"),
            )
        )


def _refused(observation: Observation, cohort: CohortRef) -> Change | None:
    """What the server would answer with a conflict, said before it is asked."""
    if observation.cohort(cohort, "rolled_back") is True:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=f"{cohort.label} was rolled back on the server, which burns a build id for ever",
            hint="ship the code under a new build id",
        )
    if observation.cohort(cohort, "drain_intent") == DRAINING:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=f"{cohort.label} is draining: its workers would get none of the new starts",
            hint="resume it first",
        )
    return None


def _arguments(op: Operation) -> PromoteBuildArguments:
    return codec.from_json(PromoteBuildArguments, op.arguments)
