"""Wait until no open run needs a cohort any more; or do what the plan says of those that do."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    LeftRunning,
    Operation,
    PinnedRuns,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check
from rollout_kit.operations.cohort_acts import WAIT_SHARE, LeavingArguments, freezing
from rollout_kit.operations.cohort_change import gone, touched, unknown
from rollout_kit.operations.departure import Needing, needing, quiesced
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_leaving


class AwaitQuiesced(Check):
    kind = "await_quiesced"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return read_leaving(_arguments(op).cohort, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        blocked = None if args.ours else unknown(observation, args.cohort)
        if blocked:
            return blocked
        if gone(observation, args.cohort):
            sentence = f"{args.cohort.label} is drained and stopped"
            return Change(kind=ChangeKind.NO_OP, sentence=sentence)
        return Change(
            kind=ChangeKind.CHECK,
            sentence=_SENTENCES[args.pinned_runs].format(cohort=args.cohort.label),
            details=touched(situation, args.cohort),
            estimate_s=30.0,
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        if gone(seen.observation, args.cohort):
            return Done(sentence=f"{args.cohort.label} is drained and stopped")
        if freezing(op, ctx):
            return Done(sentence="its open runs are not waited for: the build is to be frozen")
        needed = needing(history, args.rules, args.cohort, args.proof(ctx))
        if ctx.undoing:
            left = _left(op, args, needed, ctx)
            if left is not None:
                return left
        elif args.pinned_runs is PinnedRuns.KEEP and needed.runs:
            return Done(sentence=f"{args.cohort.label} is kept: it serves {needed.text}")
        elif args.pinned_runs is PinnedRuns.STRAND and needed.complete:
            return Done(sentence=f"stranded with {args.cohort.label}: {needed.text}")
        found = quiesced(history, args.rules, args.cohort, args.proof(ctx))
        if found.holds:
            return Done(sentence=found.reason)
        return Waiting(retry_after_s=pace(ctx), progress=found.reason)


_SENTENCES = {
    PinnedRuns.WAIT: "wait until no open run needs {cohort}",
    PinnedRuns.KEEP: "keep {cohort} if open runs need it, else go on",
    PinnedRuns.STRAND: "list the open runs that will be stranded with {cohort}",
}


def _left(
    op: Operation, args: LeavingArguments, needed: Needing, ctx: Context
) -> LeftRunning | None:
    """In an undo: residue, at once where the rollback is to keep it, else when its time is up."""
    if not needed.runs:
        return None
    at_once = op.rollback.pinned_runs is PinnedRuns.KEEP
    within_s = op.rollback.within_s
    left_s = ctx.rollback_left_s
    if left_s is None:
        left_s = within_s - (ctx.now_s - ctx.since_s)
    if not at_once and left_s > (1.0 - WAIT_SHARE) * within_s:
        return None
    return LeftRunning(
        cohort=args.cohort,
        runs=needed.workflow_ids,
        reason=f"{needed.text} pinned to it and served by no other proved cohort",
    )


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
