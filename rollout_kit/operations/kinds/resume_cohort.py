"""Take back the intent to drain a cohort: its workers get tasks again."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
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
    LeavingArguments,
    ResumeCohortArguments,
    undo_operation,
)
from rollout_kit.operations.cohort_change import selection_of, silent, touched, unknown
from rollout_kit.operations.liveness import DRAINING
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue


class ResumeCohort:
    kind = "resume_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        cohort = _arguments(op).cohort
        return read_queue(cohort.queue, readers, now_s, (cohort,))

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        cohort = _arguments(op).cohort
        blocked = silent(observation, cohort, "drain_intent") or unknown(observation, cohort)
        if blocked:
            return blocked
        if observation.cohort(cohort, "drain_intent") == DRAINING:
            return Change(
                kind=ChangeKind.UPDATE,
                sentence=f"resume {cohort.label}",
                details=touched(situation, cohort),
                estimate_s=1.0,
            )
        return Change(kind=ChangeKind.NO_OP, sentence=f"{cohort.label} is not draining")

    def touches(self, op: Operation) -> tuple[str, ...]:
        args = _arguments(op)
        intent = cohort_fact(args.cohort, "drain_intent")
        return (intent, *selection_of((args.cohort, *args.others)))

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        return observation.with_facts(
            {cohort_fact(_arguments(op).cohort, "drain_intent"): "active"}
        )

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:  # noqa: ARG002
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        writers.engine.resume(_arguments(op).cohort)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        cohort = _arguments(op).cohort
        if history[-1].observation.cohort(cohort, "drain_intent") == "active":
            return Done(sentence=f"{cohort.label} is not draining")
        return Waiting(retry_after_s=pace(ctx), progress=f"{cohort.label} still shows as draining")

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """Drained again; without rules 7 and 9 only in so far as those let it pass."""
        args = _arguments(op)
        if before.get(cohort_fact(args.cohort, "drain_intent")) != DRAINING:
            return Keep(reason=f"{args.cohort.label} was not draining before")
        drain = LeavingArguments(
            cohort=args.cohort, others=args.others, rules=args.rules, ours=True
        )
        return Undo(retire=(undo_operation(op, "drain_cohort", drain, "it was draining before"),))


def _arguments(op: Operation) -> ResumeCohortArguments:
    return codec.from_json(ResumeCohortArguments, op.arguments)
