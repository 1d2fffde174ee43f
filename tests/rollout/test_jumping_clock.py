"""A wall clock that is set while a rollout runs. The server's clock stays; only ours is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End, Executor
from rollout_kit.journal.chain import parse
from rollout_kit.journal.lock import LockTiming, acquire
from rollout_kit.journal.lock_file import LockFile
from rollout_kit.model.events import (
    HoldKind,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    Outcome,
    Record,
)
from rollout_kit.model.state import RolloutState
from rollout_kit.simulation.clock import VirtualClock
from rollout_kit.simulation.world import World
from tests.journal.cases import owner
from tests.safety.moments import at_record
from tests.safety.people import approve
from tests.safety.plans import SCHEDULER, SCHEMA, api, held, outcome, read, small

pytestmark = pytest.mark.crash

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
HOUR_ON, TEN_MINUTES_BACK = 3600.0, -600.0
JUMPS = pytest.mark.parametrize("jump_s", [HOUR_ON, TEN_MINUTES_BACK], ids=["on", "back"])
INTENT = OperationIntended.__name__
APPROVAL = '{id: ask, uses: approval, with: {prompt: "Go on?", within: 30m}}'


class WrongClock:
    """The world's time, but for a wall clock that somebody sets. Implements `ports.clock.Clock`."""

    def __init__(self, world: World) -> None:
        self._true: VirtualClock = world.clock
        self.wrong_s = 0.0

    def jump(self, seconds: float) -> None:
        self.wrong_s += seconds

    def now(self) -> datetime:
        return self._true.now() + timedelta(seconds=self.wrong_s)

    def monotonic_s(self) -> float:
        return self._true.monotonic_s()

    def sleep(self, seconds: float) -> None:
        self._true.sleep(seconds)

    def interrupted(self) -> bool:
        return self._true.interrupted()


def attached(world: World, clock: WrongClock, plan: object) -> Executor:
    """An executor on this clock; fleet and server keep the true one."""
    true = world.clock
    world.clock = clock  # type: ignore[assignment]
    try:
        return world.executor(plan)  # type: ignore[arg-type]
    finally:
        world.clock = true


def records(world: World) -> tuple[Record, ...]:
    return parse(world.journal.data, "in memory").records


def course(world: World) -> list[tuple[object, ...]]:
    """Every record but for its wall clock: what happened, to what, after how many attended seconds."""
    return [
        (
            record.sequence,
            round(record.attended_s, 6),
            type(record.event).__name__,
            str(getattr(record.event, "operation", ""))[:80],
        )
        for record in records(world)
    ]


def run_with_jumps(generation: Generation, jumps: tuple[tuple[str, float], ...]) -> World:
    """A whole upgrade; the clock is set at each of these operations' intent or wait."""
    world = World(generation)
    clock = WrongClock(world)
    executor = attached(world, clock, world.document())
    for operation, seconds in jumps:
        word = "OperationAwaited" if operation.endswith(("bake", "quiesced")) else None
        at_record(
            executor,
            operation,
            lambda by=seconds: clock.jump(by),  # type: ignore[misc]
            word=word or "OperationIntended",
        )
    assert executor.run() is End.OVER
    assert outcome(executor.state) is Outcome.SUCCEEDED
    assert clock.wrong_s == sum(seconds for _, seconds in jumps), "each jump has happened"
    assert world.lost() == []
    return world


@BOTH
def test_bakes_gates_and_deadlines_do_not_move_with_the_wall_clock(generation: Generation) -> None:
    right = run_with_jumps(generation, ())
    jumps = (
        ("schema/run", HOUR_ON),
        ("api/api-1/replace", TEN_MINUTES_BACK),
        ("api/api-2/bake", HOUR_ON),
        ("drain/orders/drain", TEN_MINUTES_BACK),
        ("drain/orders/stop", HOUR_ON),
    )
    wrong = run_with_jumps(generation, jumps)
    assert course(wrong) == course(right)
    assert [r.sequence for r in records(wrong)] == list(range(len(records(wrong))))
    times = [record.at for record in records(wrong)]
    assert times != sorted(times), "the journal's order is by sequence, whatever the clock said"


@JUMPS
def test_a_resume_under_a_clock_that_was_set_in_between_goes_on_the_same(jump_s: float) -> None:
    world = small(Generation.V2)
    plan = read(world, SCHEMA, api())
    clock = WrongClock(world)
    first = attached(world, clock, plan)
    at_record(first, "api/api-1/replace", lambda: setattr(world.clock, "stop", True), word=INTENT)
    assert first.run() is End.INTERRUPTED
    world.clock.stop = False
    clock.jump(jump_s)
    second = attached(world, clock, plan)
    assert second.run() is End.OVER
    assert outcome(second.state) is Outcome.SUCCEEDED
    assert second.state.attended_s < 600.0, "nobody has been here for the hour that never was"


def asked(jump_s: float) -> tuple[World, WrongClock, object, RolloutState]:
    """A rollout that waits for an approval, and a clock that was set since."""
    world = small(Generation.V2)
    plan = read(world, SCHEMA, APPROVAL, api())
    clock = WrongClock(world)
    executor = attached(world, clock, plan)
    assert held(executor.run(), executor.state).kind is HoldKind.APPROVAL
    clock.jump(jump_s)
    return world, clock, plan, executor.state


def test_an_approval_is_too_late_by_the_wall_clock() -> None:
    world, clock, plan, _ = asked(HOUR_ON)
    executor = attached(world, clock, plan)
    executor.run()
    failed = [r.event for r in records(world) if isinstance(r.event, OperationFailed)]
    assert [event.operation for event in failed] == ["ask/ask"]
    assert "nobody approved within 1800 s (asked 3600 s ago)" in failed[0].reason


def test_an_approval_asked_in_the_future_is_not_too_late_and_counts() -> None:
    world, clock, plan, state = asked(TEN_MINUTES_BACK)
    executor = attached(world, clock, plan)
    assert held(executor.run(), executor.state).kind is HoldKind.APPROVAL
    approve(world, state)
    executor = attached(world, clock, plan)
    assert executor.run() is End.OVER
    assert outcome(executor.state) is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("jump_s", "said"),
    [
        (HOUR_ON, "longer than the plan allows"),
        (TEN_MINUTES_BACK, "gap 0s of at most 30s"),
    ],
    ids=["on", "back"],
)
def test_the_scheduler_s_gap_is_told_by_the_wall_clock_and_never_undone(
    jump_s: float, said: str
) -> None:
    world = small(Generation.V2)
    clock = WrongClock(world)
    executor = attached(world, clock, read(world, SCHEMA, api(), SCHEDULER))
    at_record(executor, "sched/stop", lambda: clock.jump(jump_s), word=OperationCompleted.__name__)
    assert executor.run() is End.OVER
    assert outcome(executor.state) is Outcome.SUCCEEDED
    assert said in executor.state.operations["sched/start"].reason


def test_a_gap_that_a_crash_left_open_is_counted_from_where_the_old_one_was_gone() -> None:
    world = small(Generation.V2)
    plan = read(world, SCHEMA, api(), SCHEDULER)
    first = world.executor(plan)
    stop = lambda: setattr(world.clock, "stop", True)  # noqa: E731
    at_record(first, "sched/stop", stop, word=OperationCompleted.__name__)
    assert first.run() is End.INTERRUPTED
    world.clock.stop = False
    world.clock.sleep(100.0)  # nobody is here, and no schedule fires
    second = world.executor(plan)
    assert second.run() is End.OVER
    gap = second.state.operations["sched/start"].reason
    assert "gap 1m4" in gap, gap
    assert "of at most 30s: longer than the plan allows" in gap


@JUMPS
def test_a_lock_neither_expires_nor_lasts_longer_when_the_clock_is_set(
    tmp_path: Path, jump_s: float
) -> None:
    """Watchers count on their own monotonic clock; what stands in the file is for people."""
    holder, watcher = owner(1), replace(owner(2), actor="bob")
    place, quiet = LockFile(tmp_path), LockTiming(ttl_s=60.0, renew_s=3600.0, poll_s=1.0)
    world = small(Generation.V2)
    clock = WrongClock(world)
    held_lock = acquire(place, owner=holder, rollout="r-1", clock=clock, timing=quiet)
    clock.jump(jump_s)
    held_lock.check()  # an effect may still be sent
    began_s = clock.monotonic_s()
    taken = acquire(place, owner=watcher, rollout="r-1", clock=clock, timing=quiet)
    assert 60.0 <= clock.monotonic_s() - began_s < 65.0
    assert taken.fence() == 2
