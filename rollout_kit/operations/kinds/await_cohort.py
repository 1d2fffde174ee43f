"""Wait until a cohort is alive: *started*, or *proved* to work."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Failed,
    NeedsPerson,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check
from rollout_kit.operations.cohort_acts import AwaitCohortArguments, Strength
from rollout_kit.operations.endings import ended_by_itself
from rollout_kit.operations.liveness import conflicting, idle, proved, shown, started
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue, read_runs
from rollout_kit.operations.reading import merged

PATIENCE_S = 60.0
"""How long an idle cohort is watched for work where the server shows no stale limit."""


class AwaitCohort(Check):
    kind = "await_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        args = _arguments(op)
        looks = [read_queue(args.cohort.queue, readers, now_s, (args.cohort,))]
        if args.strength is Strength.PROVED:
            looks.append(read_runs(args.cohort.namespace, readers, now_s))
        return merged(looks, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        args = _arguments(op)
        what = "started" if args.strength is Strength.STARTED else "proved to work"
        return Change(
            kind=ChangeKind.CHECK,
            sentence=f"wait until {args.n} workers of {args.cohort.label} are {what}",
            estimate_s=10.0 if args.strength is Strength.STARTED else 1.0,
        )

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        conflict = conflicting(seen.situation, args.cohort)
        if conflict and not ctx.undoing:
            return conflict
        answered = any(smoke in ctx.written for smoke in args.smokes)
        there = started(history, args.cohort, args.n)
        count = shown(seen.situation, args.cohort)
        if args.strength is Strength.STARTED or not there:
            if there:
                return Done(sentence=f"{args.cohort.label} is started: {count}")
            if ended := _ended(args, history):
                return ended
            return Waiting(
                retry_after_s=pace(ctx),
                progress=f"{args.cohort.label}: {count}; wanted {args.n} started",
            )
        if proved(history, args.cohort, args.n, answered=answered):
            return Done(sentence=f"{args.cohort.label} is proved to work: {count}")
        if _idle_for_long(args, history, ctx):
            return NeedsPerson(
                reason=(
                    f"{args.cohort.label} is started ({count}) but got no work to prove itself by:"
                    " it sends no heartbeats, and no open run is pinned to it"
                ),
                hint="add a `smoke` stage to the canary; or look at the workers and approve this",
            )
        progress = f"{args.cohort.label} is started ({count}) and has not been seen working yet"
        return Waiting(
            retry_after_s=pace(ctx),
            progress=progress,
            unmeasured=idle(seen.situation, args.cohort),
        )


def _ended(args: AwaitCohortArguments, history: Sequence[Seen]) -> Failed | Waiting | None:
    """Fewer processes live than are asked for, because some ended by themselves."""
    resource = f"cohort/{args.cohort.path}"
    live = history[-1].situation.cohort(args.cohort).processes
    end = history[-1].situation.ended.get(resource)
    if end is None or live is None or live >= args.n:
        return None
    what = f"{end.count} of {end.count + live} workers of {args.cohort.label}"
    return ended_by_itself(resource, what, history)


def _idle_for_long(args: AwaitCohortArguments, history: Sequence[Seen], ctx: Context) -> bool:
    """Not proved for want of work is *cannot measure*: after a stale limit of that a person decides."""
    limit_s = history[-1].situation.queue(args.cohort.queue).stale_after_s or PATIENCE_S
    watched_s = ctx.now_s - ctx.since_s
    return watched_s >= limit_s and idle(history[-1].situation, args.cohort)


def _arguments(op: Operation) -> AwaitCohortArguments:
    return codec.from_json(AwaitCohortArguments, op.arguments)
