"""Start the scheduler, once the one before it is proved gone."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.duration import span
from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    SCHEDULER_RUNNING,
    Absent,
    Facts,
    Observation,
)
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Failed,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.endings import ended_by_itself
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.node_acts import undoing
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged, read_scheduler
from rollout_kit.operations.scheduler_acts import (
    PROGRAM,
    RESOURCE,
    StartSchedulerArguments,
    StopSchedulerArguments,
    cannot_count,
    numbers,
)
from rollout_kit.operations.schema import read_bootstrap, schema_ready
from rollout_kit.operations.specs import parse, same, spec_facts
from rollout_kit.operations.supporters import may_carry, read_supporters
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import SetScheduler


class StartScheduler:
    kind = "start_scheduler"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        args = _arguments(op)
        looks = [read_scheduler(readers, now_s, metrics=False)]
        if args.revision is not None:
            looks.append(read_bootstrap(readers, args.revision, now_s))
        if args.pins is not None and args.spec is not None:
            looks.append(read_supporters(args.spec.marker, readers, now_s))
        return merged(looks, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        lost = work_lost(op, situation)
        if goal_reached(op, observation) and not lost:
            return nothing_to_do("the scheduler is there already")
        if args.spec is None:
            return Change(
                kind=ChangeKind.UPDATE,
                sentence="start the scheduler",
                not_judged=("what the scheduler runs now",),
            )
        if _is_there(args, observation) and not lost:
            return nothing_to_do(f"the scheduler is to run {args.spec.image}")
        marker = f", marker {args.spec.marker}" if args.spec.marker else ""
        unread = isinstance(observation.get(SCHEDULER_RUNNING), Absent)
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"start the scheduler ({args.spec.image}{marker})",
            details=(f"no schedule fires in the gap, at most {span(args.gap_at_most_s)}",),
            estimate_s=3.0,
            not_judged=("what the scheduler runs now",) if unread else (),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ("scheduler/",)

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return (BOOTSTRAP_REVISION,) if _arguments(op).revision is not None else ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        spec = _arguments(op).spec
        if spec is None:
            return observation.with_facts({SCHEDULER_RUNNING: True})
        facts = spec_facts(lambda name: f"scheduler/{name}", spec)
        return observation.with_facts({**facts, SCHEDULER_RUNNING: True})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Rule 6: never two schedulers. Nothing starts while any process of another one lives."""
        args = _arguments(op)
        count = numbers(seen.situation).processes
        if args.spec is None:
            return Failed(reason="what the scheduler ran was not read when the plan was made")
        if seen.observation.get(SCHEDULER_RUNNING) is not False and not work_lost(
            op, seen.situation
        ):
            progress = "the driver is to run a scheduler already: it has to be stopped first"
            if isinstance(seen.observation.get(SCHEDULER_RUNNING), Absent):
                progress = "the driver must say whether a scheduler is to run"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        if count != 0 and not cannot_count(seen.situation):
            text = "its processes cannot be counted now" if count is None else f"{count} of it live"
            progress = f"the old scheduler is not gone: {text}; two would fire schedules twice"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        verdicts = [schema_ready(args.revision, seen.observation, ctx)]
        if args.pins is not None:
            holder = "the scheduler"
            verdicts.append(may_carry(args.spec.marker, holder, args.pins, seen, ctx))
        return next((item for item in verdicts if not isinstance(item, Done)), Done())

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        writers.infra.begin(key, SetScheduler(spec=_arguments(op).spec))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """The gap is reported, never a reason to undo: an undo would only make it longer."""
        args, seen = _arguments(op), history[-1]
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        if not goal_reached(op, seen.observation) and not _is_there(args, seen.observation):
            return Waiting(retry_after_s=pace(ctx), progress="the driver does not record it yet")
        gap_s = ctx.now_s - ctx.since_s if ctx.gap_s is None else ctx.gap_s
        count = numbers(seen.situation).processes
        if count is not None and count > 1:
            return two_schedulers(count)
        if count == 1 or cannot_count(seen.situation):
            return Done(sentence=f"the scheduler runs; {_gap(gap_s, args.gap_at_most_s)}")
        ended = ended_by_itself(RESOURCE, PROGRAM, history)
        if ended is not None and count == 0:
            return ended
        return Waiting(
            retry_after_s=pace(ctx),
            progress=f"no process of the scheduler yet; {_gap(gap_s, args.gap_at_most_s)}",
        )

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        """Stopped again; what ran before is started by the undo of the stop before it."""
        args = _arguments(op)
        stop = StopSchedulerArguments(then=args.before, pins=args.pins)
        return Undo(restore=(undoing(op, "stop_scheduler", stop),))


def two_schedulers(count: int) -> Failed:
    return Failed(
        reason=f"{count} schedulers run: schedules fire {count} times",
        hint="stop all but one by hand at once; something outside this rollout started it",
    )


def _arguments(op: Operation) -> StartSchedulerArguments:
    return arguments_of(StartSchedulerArguments, op)


def _is_there(args: StartSchedulerArguments, observation: Observation) -> bool:
    now = parse(observation.get("scheduler/spec_json"))
    return args.spec is not None and now is not None and same(args.spec, now)


def _gap(gap_s: float, at_most_s: float) -> str:
    """Since the old one was proved gone; in an undo since this start was sent, which follows it."""
    text = f"gap {span(gap_s)} of at most {span(at_most_s)}"
    return text if gap_s <= at_most_s else f"{text}: longer than the plan allows"
