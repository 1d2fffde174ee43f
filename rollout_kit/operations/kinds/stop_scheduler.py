"""Stop the scheduler and prove it gone, before another may start."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import SCHEDULER_RUNNING, Absent, Facts, Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Failed,
    Keep,
    NeedsPerson,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.node_acts import undoing
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged, read_scheduler
from rollout_kit.operations.scheduler_acts import (
    AwaitSchedulerArguments,
    StartSchedulerArguments,
    StopSchedulerArguments,
    cannot_count,
    numbers,
    tick_of,
)
from rollout_kit.operations.specs import parse, spec_facts
from rollout_kit.operations.supporters import may_carry, read_supporters
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import SetScheduler


class StopScheduler:
    """Its undo starts exactly the spec that ran before."""

    kind = "stop_scheduler"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        args = _arguments(op)
        looks = [read_scheduler(readers, now_s, metrics=False)]
        if args.pins is not None and args.then is not None:
            looks.append(read_supporters(args.then.marker, readers, now_s))
        return merged(looks, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        if goal_reached(op, observation):
            return nothing_to_do("the scheduler is there already")
        running = observation.get(SCHEDULER_RUNNING)
        if running is False and not work_lost(op, situation):
            return nothing_to_do("no scheduler is to run")
        image = observation.get("scheduler/image")
        unread = ("which scheduler runs",) if isinstance(running, Absent) else ()
        return Change(
            kind=ChangeKind.UPDATE,
            sentence="stop the scheduler"
            + (f" ({image})" if isinstance(image, str) and image else ""),
            estimate_s=3.0,
            not_judged=unread,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ("scheduler/",)

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        if goal_reached(op, observation):
            return observation
        stopped = spec_facts(lambda name: f"scheduler/{name}", None)
        return observation.with_facts({**stopped, SCHEDULER_RUNNING: False})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Nothing is stopped that could not be started, or followed (rule 19), afterwards."""
        args = _arguments(op)
        if isinstance(seen.observation.get("scheduler/spec_json"), Absent):
            reason = seen.situation.unread.get("scheduler/spec", "not read")
            progress = f"the driver must say what the scheduler runs, to put it back: {reason}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        if args.then is None and not ctx.undoing:
            return Failed(
                reason="what the scheduler ran was not read when the plan was made,"
                " so nobody knows what to start after it",
                hint="let the driver answer, then plan again",
            )
        if args.pins is not None and args.then is not None:
            return may_carry(args.then.marker, "the scheduler", args.pins, seen, ctx)
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        writers.infra.begin(key, SetScheduler(spec=None))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Rule 6: proved gone, by a count of its processes or by a person; never by silence."""
        seen = history[-1]
        count = numbers(seen.situation).processes
        if goal_reached(op, seen.observation):
            if count == 1 or cannot_count(seen.situation):
                return Done(sentence="the scheduler is there already")
            progress = f"the scheduler has {count} processes, expected 1"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        if seen.observation.get(SCHEDULER_RUNNING) is not False:
            return Waiting(retry_after_s=pace(ctx), progress="the scheduler is still to run")
        if cannot_count(seen.situation):
            return NeedsPerson(
                reason="whether the old scheduler is gone: the driver counts no processes",
                hint=f"look, then `rollout-kit approve {op.id} --because …`",
            )
        if count == 0:
            return Done(sentence="the old scheduler is proved gone")
        text = "its processes cannot be counted now" if count is None else f"{count} of it live"
        return Waiting(retry_after_s=pace(ctx), progress=f"the old scheduler is not gone: {text}")

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        spec = parse(Observation(facts=before).get("scheduler/spec_json"))
        if spec is None:
            return Keep(reason="no scheduler ran before")
        tick_s = tick_of(spec)
        start = StartSchedulerArguments(
            spec=spec, gap_at_most_s=op.within_s, pins=_arguments(op).pins, tick_s=tick_s
        )
        ticks = AwaitSchedulerArguments(tick_s=tick_s, overdue_at_most_s=None)
        return Undo(
            restore=(
                undoing(op, "start_scheduler", start),
                undoing(op, "await_scheduler", ticks),
            )
        )


def _arguments(op: Operation) -> StopSchedulerArguments:
    return arguments_of(StopSchedulerArguments, op)
