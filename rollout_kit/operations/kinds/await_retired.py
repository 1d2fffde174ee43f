"""Wait until a cohort is *proved* gone: counts zero for long enough, and no process left."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    LeftRunning,
    NeedsPerson,
    NewBuild,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.check import Check
from rollout_kit.operations.cohort_acts import LeavingArguments, freezing
from rollout_kit.operations.cohort_change import left_alone, never_came
from rollout_kit.operations.departure import gone_window_s, needing, retired
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_leaving, read_queue


class AwaitRetired(Check):
    kind = "await_retired"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        cohort = _arguments(op).cohort
        if op.rollback.new_build is NewBuild.FREEZE:
            return read_leaving(cohort, readers, now_s)
        return read_queue(cohort.queue, readers, now_s, (cohort,), windows=True)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        keeping = left_alone(args, observation) or never_came(args, observation)
        if keeping:
            return Change(kind=ChangeKind.NO_OP, sentence=keeping)
        window_s = gone_window_s(situation, args.cohort.queue)
        return Change(
            kind=ChangeKind.CHECK,
            sentence=f"wait until {args.cohort.label} is proved gone for {window_s:g} s",
            estimate_s=window_s,
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Rule 8. A frozen build that open runs still wait for is gone, and residue all the same."""
        args = _arguments(op)
        observation = history[-1].observation
        keeping = left_alone(args, observation) or never_came(args, observation)
        if keeping:
            return Done(sentence=keeping)
        missing = retired(history, args.cohort)
        if missing and _nobody_counts(args, history[-1]):
            return NeedsPerson(
                reason=f"{missing}: the driver cannot tell a process that lives from one that died",
                hint="see that none of its workers is left, then approve this",
            )
        if missing:
            return Waiting(retry_after_s=pace(ctx), progress=missing)
        frozen = (
            needing(history, args.rules, args.cohort, args.proof(ctx))
            if freezing(op, ctx)
            else None
        )
        if frozen and frozen.runs:
            return LeftRunning(
                cohort=args.cohort,
                runs=frozen.workflow_ids,
                reason=f"frozen: stopped with {frozen.text} pinned to it",
            )
        return Done(sentence=f"{args.cohort.label} is gone")


def _nobody_counts(args: LeavingArguments, seen: Seen) -> bool:
    """Whether the driver declares that it cannot count; a read that failed may answer next time."""
    numbers = seen.situation.cohort(args.cohort)
    reasons = (why for key, why in seen.situation.unread.items() if "/processes/" in key)
    unable = any(why.startswith(CANNOT) for why in reasons)
    return numbers.processes is None and unable


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
