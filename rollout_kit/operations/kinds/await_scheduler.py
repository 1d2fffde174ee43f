"""See that the scheduler keeps running, has caught up, and fires what falls due."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rollout_kit.model.duration import span
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    NeedsPerson,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.check import Check
from rollout_kit.operations.endings import ended_by_itself
from rollout_kit.operations.kinds.start_scheduler import two_schedulers
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import NO_ADMIN, SCHEDULES, read_scheduler
from rollout_kit.operations.scheduler_acts import (
    PROGRAM,
    RESOURCE,
    AwaitSchedulerArguments,
    cannot_count,
    numbers,
)

TICKS = 2
LOOK_S = 1.0


class AwaitScheduler(Check):
    kind = "await_scheduler"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:  # noqa: ARG002
        return read_scheduler(readers, now_s, metrics=True)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        args = _arguments(op)
        sentence = f"watch the scheduler for two ticks ({span(TICKS * args.tick_s)})"
        if args.overdue_at_most_s is not None:
            sentence += f", until schedules are at most {span(args.overdue_at_most_s)} overdue"
        return Change(kind=ChangeKind.CHECK, sentence=sentence, estimate_s=TICKS * args.tick_s)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args = _arguments(op)
        situation = history[-1].situation
        count = numbers(situation).processes
        if count is not None and count > 1:
            return two_schedulers(count)
        ended = ended_by_itself(RESOURCE, PROGRAM, history)
        if ended is not None and count == 0:
            return ended
        if count != 1 and not cannot_count(situation):
            text = "cannot be counted now" if count is None else f"are {count}, expected 1"
            progress = f"processes of the scheduler {text}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        ran_s = ctx.now_s - _runs_since_s(history)
        left_s = TICKS * args.tick_s - ran_s
        if left_s > 0 and _ticks(history) < TICKS:
            progress = f"the scheduler runs, {span(left_s)} of two ticks left"
            return Waiting(retry_after_s=min(left_s, LOOK_S), progress=progress)
        if args.overdue_at_most_s is None:
            return Done(sentence=f"the scheduler has run for {span(ran_s)}")
        return _caught_up(args, args.overdue_at_most_s, history)


def _caught_up(
    args: AwaitSchedulerArguments, at_most_s: float, history: Sequence[Seen]
) -> Verification:
    situation = history[-1].situation
    unread = situation.unread.get(SCHEDULES)
    if unread == NO_ADMIN:
        return NeedsPerson(
            reason=f"whether schedules have caught up is not measured: {NO_ADMIN}",
            hint="give `credentials.admin`, or look and approve this operation",
        )
    seen = numbers(situation)
    wait_s = max(args.tick_s / 2, 0.5)
    if unread is not None or seen.max_overdue_ms is None:
        progress = f"schedules give no answer: {unread}"
        return Waiting(retry_after_s=wait_s, progress=progress)
    overdue_s = seen.max_overdue_ms / 1000
    text = f"schedules at most {span(overdue_s)} overdue"
    if overdue_s > at_most_s:
        progress = f"{text}, wanted at most {span(at_most_s)}"
        return Waiting(retry_after_s=wait_s, progress=progress)
    fired = _fired(history)
    if fired:
        return Done(sentence=f"the scheduler runs and fired {fired} times; {text}")
    if any(numbers(look.situation).max_overdue_ms for look in history):
        progress = f"{text}; one fell due, but nothing has fired yet"
        return Waiting(retry_after_s=wait_s, progress=progress)
    nothing = "no schedule is active" if seen.active_schedules == 0 else "no schedule fell due"
    return Done(
        sentence=f"the scheduler runs; {nothing} while it was watched, so none was seen to fire"
    )


def _arguments(op: Operation) -> AwaitSchedulerArguments:
    return arguments_of(AwaitSchedulerArguments, op)


def _runs_since_s(history: Sequence[Seen]) -> float:
    """When the present unbroken row of looks that saw one process began."""
    since_s = history[-1].at_s
    for look in reversed(history):
        if numbers(look.situation).processes != 1 and not cannot_count(look.situation):
            break
        since_s = look.at_s
    return since_s


def _ticks(history: Sequence[Seen]) -> int:
    """Ticks that were seen: in each of them schedules fired. A tick that fires nothing shows nothing."""
    totals = [
        total for look in history if (total := numbers(look.situation).fires_total) is not None
    ]
    return sum(1 for earlier, later in pairwise(totals) if later > earlier)


def _fired(history: Sequence[Seen]) -> int:
    """How often schedules fired while this was watched; a total that falls is another schedule gone."""
    totals = [
        total for look in history if (total := numbers(look.situation).fires_total) is not None
    ]
    return sum(max(0, later - earlier) for earlier, later in pairwise(totals))
