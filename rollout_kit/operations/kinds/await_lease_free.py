"""Wait until a cohort holds no lease: what its workers hold when they stop is redelivered late."""

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
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check
from rollout_kit.operations.cohort_acts import LeavingArguments, freezing
from rollout_kit.operations.cohort_change import gone, left_alone
from rollout_kit.operations.departure import leases_held, needing, poll_timeout_s
from rollout_kit.operations.pace import pace
from rollout_kit.operations.pins import refused_polls
from rollout_kit.operations.queues import read_leaving


class AwaitLeaseFree(Check):
    kind = "await_lease_free"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return read_leaving(_arguments(op).cohort, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        held = situation.cohort(args.cohort).leases
        done = _done(args, observation)
        if done:
            return Change(kind=ChangeKind.NO_OP, sentence=done)
        return Change(
            kind=ChangeKind.CHECK,
            sentence=f"wait until {args.cohort.label} holds no lease",
            details=(f"it holds {held.text} now",) if held else (),
            estimate_s=5.0,
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        done = _done(args, seen.observation)
        if done:
            return Done(sentence=done)
        refused = refused_polls(seen.observation, args.cohort)
        if freezing(op, ctx) and refused:
            frozen = needing(history, args.rules, args.cohort, args.proof(ctx))
            if frozen.runs:
                return LeftRunning(
                    cohort=args.cohort,
                    runs=frozen.workflow_ids,
                    reason=f"frozen: drained with {frozen.text} pinned to it",
                )
        held = leases_held(seen, args.rules, args.cohort)
        if held and freezing(op, ctx) and not refused:
            return Done(sentence=f"not waited for, stopping is the drain here: {held}")
        if held:
            return Waiting(retry_after_s=pace(ctx), progress=held)
        missing_s = _unproved_s(args, history) if refused else 0.0
        if missing_s > 0:
            progress = f"no lease seen; for {missing_s:.1f} s more a poll from before the drain may bring one"
            return Waiting(retry_after_s=min(missing_s, pace(ctx)), progress=progress)
        return Done(sentence=f"{args.cohort.label} holds no lease")


def _unproved_s(args: LeavingArguments, history: Sequence[Seen]) -> float:
    """Seconds still to watch: a poll that hung when the drain came may have brought one more task."""
    free_since_s = history[-1].at_s
    for seen in reversed(history):
        if leases_held(seen, args.rules, args.cohort):
            break
        free_since_s = seen.at_s
    wanted_s = poll_timeout_s(history[-1].situation, args.cohort.queue)
    return wanted_s - (history[-1].at_s - free_since_s)


def _done(args: LeavingArguments, observation: Observation) -> str:
    if gone(observation, args.cohort):
        return f"{args.cohort.label} is drained and stopped"
    return left_alone(args, observation)


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
