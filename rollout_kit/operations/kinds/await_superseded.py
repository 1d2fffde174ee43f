"""Ask whether another cohort gets *all* new starts, before one is taken away."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Absent, Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Failed,
    LeftRunning,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.operations.departure import needing
from rollout_kit.operations.pace import pace
from rollout_kit.operations.pins import carried_markers
from rollout_kit.operations.queues import queue_fact, read_leaving
from rollout_kit.operations.starts import successors, why_no_successor


class AwaitSuperseded(Check):
    kind = "await_superseded"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return read_leaving(_arguments(op).cohort, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        cohort = _arguments(op).cohort
        sentence = f"another cohort gets all new starts on {cohort.task_queue}, not {cohort.label}"
        return Change(kind=ChangeKind.CHECK, sentence=sentence)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        others = successors(seen.observation, args.rules, args.cohort)
        if others:
            names = ", ".join(other.label for other in others)
            return Done(sentence=f"{names} gets all new starts")
        reason = why_no_successor(seen.observation, args.rules, args.cohort)
        if _unread(seen, args):
            return Waiting(retry_after_s=pace(ctx), progress=reason)
        if not ctx.undoing:
            return Failed(reason=reason, hint="give the new starts to another cohort first")
        runs = needing(history, args.rules, args.cohort, args.proof(ctx)).workflow_ids
        return LeftRunning(cohort=args.cohort, runs=runs, reason=reason)


def _unread(seen: Seen, args: LeavingArguments) -> bool:
    """Whether what decides new starts gave no answer: then nobody can say who gets them."""
    missing = (Absent.NO_ANSWER, Absent.PENDING)
    if seen.observation.get(queue_fact(args.cohort.queue)) is not True:
        return True
    return any(marker in missing for _, marker in carried_markers(seen.observation))


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
