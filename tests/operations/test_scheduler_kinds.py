"""Handing the scheduler over: never two, the gap reported, and put back from wherever it was left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Failed,
    Keep,
    NeedsPerson,
    Operation,
    Undo,
    Waiting,
)
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.scheduler_acts import (
    AwaitSchedulerArguments,
    StartSchedulerArguments,
    StopSchedulerArguments,
    tick_of,
)
from rollout_kit.operations.schema import ledger_key
from rollout_kit.ports.infra import Answers, JobState, JobStatus, ProcessSpec, SetScheduler
from tests.operations.ports import NEW, OLD, SILENT, Fleet, Run, fleet, operation, run_to_end

BEFORE = ProcessSpec(image=OLD, environment={"DB": "shared"})
AFTER = replace(BEFORE, image=NEW)
GOAL = {"scheduler/image": NEW, "scheduler/running": True}
STOP = operation("stop_scheduler", StopSchedulerArguments(then=AFTER), goal=GOAL)
START = operation(
    "start_scheduler", StartSchedulerArguments(spec=AFTER, gap_at_most_s=30), goal=GOAL
)


def world_with(spec: ProcessSpec | None = BEFORE, alive: int | None = 1) -> Fleet:
    return fleet(scheduler=spec, scheduler_alive=alive)


def caught_up(overdue_at_most_s: float | None = 120.0) -> Operation:
    arguments = AwaitSchedulerArguments(tick_s=1.0, overdue_at_most_s=overdue_at_most_s)
    return operation("await_scheduler", arguments)


# ---- stop


def test_the_old_one_is_stopped_and_proved_gone_by_a_count() -> None:
    world = world_with()
    run = Run(fleet=world, op=STOP)
    assert run.preview().sentence == f"stop the scheduler ({OLD})"
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, SetScheduler(spec=None))]
    world.scheduler_alive = 1
    said = run.verify()
    assert said == Waiting(
        retry_after_s=0.05, progress="the old scheduler is not gone: 1 of it live"
    )
    world.scheduler_alive = 0
    assert isinstance(run.verify(), Done)


def test_where_nothing_counts_processes_a_person_has_to_say() -> None:
    world = world_with()
    world.can = frozenset(Answers) - {Answers.PROCESSES}
    run = Run(fleet=world, op=STOP)
    run.apply()
    assert isinstance(run.verify(), NeedsPerson)


def test_a_count_without_an_answer_is_never_zero() -> None:
    world = world_with()
    run = Run(fleet=world, op=STOP)
    run.apply()
    world.driver_fails = SILENT
    assert isinstance(run.verify(), Waiting)


def test_a_count_that_fails_alone_proves_nothing() -> None:
    run = Run(fleet=world_with(None, alive=None), op=STOP)
    said = run.verify()
    assert isinstance(said, Waiting)
    assert "cannot be counted now" in said.progress


def test_a_crash_after_the_stop_leaves_only_the_proof() -> None:
    run = Run(fleet=world_with(None, alive=1), op=STOP)
    assert run.preview().kind is ChangeKind.NO_OP
    assert isinstance(run.verify(), Waiting)


def test_a_stop_that_was_lost_is_sent_again_and_no_image_is_named_where_none_runs() -> None:
    world = world_with(None, alive=0)
    world.jobs[Run.KEY] = JobStatus(state=JobState.LOST)
    assert Run(fleet=world, op=STOP).preview().sentence == "stop the scheduler"


def test_nothing_is_stopped_that_nobody_knows_how_to_start_again() -> None:
    unplanned = operation("stop_scheduler", StopSchedulerArguments())
    assert isinstance(Run(fleet=world_with(), op=unplanned).ready(), Failed)
    assert isinstance(Run(fleet=world_with(), op=unplanned, undoing=True).ready(), Done)
    silent = world_with()
    silent.driver_fails = SILENT
    assert isinstance(Run(fleet=silent, op=STOP).ready(), Waiting)


@pytest.mark.parametrize("kind", ["stop_scheduler", "start_scheduler"])
def test_rule_19_a_new_marker_waits_for_its_cohort_before_the_stop_and_the_start(kind: str) -> None:
    marked = replace(AFTER, marker="new")
    arguments = {
        "stop_scheduler": StopSchedulerArguments(then=marked, pins=PinRules()),
        "start_scheduler": StartSchedulerArguments(spec=marked, gap_at_most_s=30, pins=PinRules()),
    }
    world = world_with() if kind == "stop_scheduler" else world_with(None, alive=0)
    for node in world.nodes.values():
        node.builds = ("old",)
    run = Run(fleet=world, op=operation(kind, arguments[kind]))
    said = run.ready()
    assert isinstance(said, Waiting)
    assert "no started cohort serves marker new" in said.progress
    for node in world.nodes.values():
        node.builds = ("old", "new")
    assert isinstance(run.ready(), Done)


# ---- start


def test_the_new_one_starts_once_the_old_one_is_gone() -> None:
    world = world_with(None, alive=0)
    run = Run(fleet=world, op=START)
    change = run.preview()
    assert change.sentence == f"start the scheduler ({NEW})"
    assert change.details == ("no schedule fires in the gap, at most 30s",)
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, SetScheduler(spec=AFTER))]
    assert run.verify(2.0) == Done(sentence="the scheduler runs; gap 2s of at most 30s")


def test_a_lost_start_that_changes_the_marker_alone_is_sent_again() -> None:
    """Nothing runs, and what is recorded has the new marker: the goal only looks reached."""
    marked = replace(BEFORE, marker="new")
    goal = {"scheduler/marker": "new", "scheduler/running": True}
    start = StartSchedulerArguments(spec=marked, gap_at_most_s=30)
    world = world_with(replace(marked, image=""), alive=0)
    world.jobs[Run.KEY] = JobStatus(state=JobState.LOST)
    run = Run(fleet=world, op=operation("start_scheduler", start, goal=goal))
    assert run.preview().kind is ChangeKind.UPDATE


@pytest.mark.parametrize("undoing", [False, True])
@pytest.mark.parametrize(
    ("spec", "alive", "progress"),
    [
        (None, 1, "the old scheduler is not gone: 1 of it live"),
        (BEFORE, 1, "the driver is to run a scheduler already"),
        (BEFORE, 0, "the driver is to run a scheduler already"),
    ],
)
def test_rule_6_never_two_schedulers(
    spec: ProcessSpec | None, alive: int, progress: str, undoing: bool
) -> None:
    world = world_with(spec, alive=alive)
    said = Run(fleet=world, op=START, undoing=undoing).ready()
    assert isinstance(said, Waiting)
    assert progress in said.progress
    assert world.begun == []


def test_rule_6_no_start_while_nobody_can_count_now() -> None:
    world = world_with(None, alive=0)
    world.driver_fails = SILENT
    assert isinstance(Run(fleet=world, op=START).ready(), Waiting)


def test_two_of_them_after_the_start_are_a_failure() -> None:
    world = world_with(None, alive=0)
    run = Run(fleet=world, op=START)
    run.apply()
    world.scheduler_alive = 2
    assert isinstance(run.verify(), Failed)


def test_a_gap_that_is_too_long_is_reported_not_failed() -> None:
    world = world_with(None, alive=0)
    run = Run(fleet=world, op=START)
    run.apply()
    world.scheduler_alive = 0
    assert isinstance(run.verify(20.0), Waiting)
    world.scheduler_alive = 1
    said = run.verify(41.0)
    assert isinstance(said, Done)
    assert said.sentence.endswith("gap 41s of at most 30s: longer than the plan allows")


def test_rule_1_it_starts_after_its_schema() -> None:
    world = world_with(None, alive=0)
    arguments = StartSchedulerArguments(spec=AFTER, gap_at_most_s=30, revision="0.2.10")
    run = Run(fleet=world, op=operation("start_scheduler", arguments))
    assert isinstance(run.ready(), Failed)
    clean = JobStatus(state=JobState.SUCCEEDED, output='[{"migration": "a", "ran": true}]')
    world.jobs[ledger_key("prod", "0.2.10", 1)] = clean
    assert isinstance(run.ready(), Done)


def test_where_the_new_one_runs_already_the_whole_group_has_nothing_to_do() -> None:
    world = world_with(AFTER)
    for op in (STOP, START):
        run = Run(fleet=world, op=op)
        assert run.preview().kind is ChangeKind.NO_OP
        assert isinstance(run.verify(), Done)
        world.scheduler_alive = 0
        assert isinstance(run.verify(), Waiting)
        world.scheduler_alive = 1


def test_what_they_touch_and_expect() -> None:
    run = Run(fleet=world_with(), op=STOP)
    stopped = run.kind.expect(STOP, run.look().observation)
    assert run.kind.touches(STOP) == ("scheduler/",)
    assert stopped.facts == dict.fromkeys(stopped.facts) | {"scheduler/running": False}
    started = Run(fleet=world_with(), op=START).kind.expect(START, stopped)
    assert started.facts == Run(fleet=world_with(AFTER), op=STOP).look().facts


# ---- undo


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("last_sent", [False, True])
def test_undos_in_reverse_order_start_the_old_spec_again(steps: int, last_sent: bool) -> None:
    world = world_with()
    undos: list[tuple[Operation, ...]] = []
    for n, op in enumerate((STOP, START)[:steps], start=1):
        run = Run(fleet=world, op=op)
        undo = run.kind.compensate(op, run.look().facts)
        assert isinstance(undo, Undo)
        undos.append(undo.restore)
        if n < steps or last_sent:
            assert isinstance(run_to_end(world, op), Done)
    world.begun.clear()
    for restore in reversed(undos):
        for op in restore:
            assert isinstance(run_to_end(world, op, undoing=True), Done)
    assert (world.scheduler, world.scheduler_alive) == (BEFORE, 1)
    started = [change for _, change in world.begun if change != SetScheduler(spec=None)]
    assert len(started) <= 1


def test_where_no_scheduler_ran_there_is_nothing_to_start_again() -> None:
    run = Run(fleet=world_with(None, alive=0), op=STOP)
    assert isinstance(run.kind.compensate(STOP, run.look().facts), Keep)


# ---- caught up


def watch(world: Fleet, looks: list[tuple[float, int, int]], op: Operation | None = None) -> object:
    """Verify after looks of (time, max overdue in ms, fires so far)."""
    run = Run(fleet=world, op=op or caught_up())
    said: object = None
    for at_s, overdue_ms, fires in looks:
        world.metrics = {
            "schedules.max_overdue_ms": overdue_ms,
            "schedules.fires_total": fires,
            "schedules.active": 3,
        }
        said = run.verify(at_s)
    return said


def test_it_is_watched_for_two_ticks_before_anything_is_said() -> None:
    said = watch(world_with(AFTER), [(0.0, 0, 5), (1.0, 0, 6)])
    assert isinstance(said, Waiting)
    assert "of two ticks left" in said.progress


def test_it_has_caught_up_when_what_fell_due_fired() -> None:
    said = watch(world_with(AFTER), [(0.0, 900, 5), (1.0, 0, 6), (2.0, 0, 7)])
    assert isinstance(said, Done)
    assert "fired 2 times" in said.sentence


@pytest.mark.parametrize(
    ("last", "progress"),
    [((2.0, 130_000, 9), "overdue, wanted at most 2m"), ((2.0, 900, 5), "nothing has fired yet")],
)
def test_it_has_not_caught_up(last: tuple[float, int, int], progress: str) -> None:
    said = watch(world_with(AFTER), [(0.0, 900, 5), last])
    assert isinstance(said, Waiting)
    assert progress in said.progress


def test_with_nothing_due_the_sentence_says_so() -> None:
    said = watch(world_with(AFTER), [(0.0, 0, 5), (2.0, 0, 5)])
    assert isinstance(said, Done)
    assert "no schedule fell due while it was watched" in said.sentence


def test_without_an_admin_token_nobody_has_measured_it() -> None:
    world = world_with(AFTER)
    world.admin = False
    assert isinstance(watch(world, [(0.0, 0, 0), (2.0, 0, 0)]), NeedsPerson)


def test_a_missing_count_is_waited_for_never_zero() -> None:
    run = Run(fleet=world_with(AFTER), op=caught_up())
    run.fleet.metrics = {"schedules.max_overdue_ms": 0, "schedules.active": 1}
    run.look(0.0)
    said = run.verify(3.0)
    assert isinstance(said, Waiting)
    assert "lack schedules.fires_total" in said.progress


def test_a_scheduler_that_died_between_is_watched_anew() -> None:
    world = world_with(AFTER)
    run = Run(fleet=world, op=caught_up(None))
    run.look(0.0)
    world.scheduler_alive = 0
    assert isinstance(run.verify(1.5), Waiting)
    world.scheduler_alive = 1
    assert isinstance(run.verify(2.5), Waiting)
    assert isinstance(run.verify(4.5), Done)


@pytest.mark.parametrize(("said", "tick_s"), [({}, 10.0), ({"SCHEDULER_TICK_SECONDS": "1"}, 1.0)])
def test_its_environment_may_say_how_long_a_tick_is(said: dict[str, str], tick_s: float) -> None:
    assert tick_of(replace(AFTER, environment=said)) == tick_s


@pytest.mark.parametrize("op", [START, caught_up()], ids=["start", "caught-up"])
def test_a_scheduler_whose_program_ended_by_itself_fails_in_two_looks(op: Operation) -> None:
    world = world_with(AFTER, alive=0)
    world.ends["scheduler"] = ProgramEnd(exit_status=2, after_s=0.01)
    run = Run(fleet=world, op=op)
    assert isinstance(run.verify(), Waiting)
    said = run.verify(0.5)
    assert isinstance(said, Failed)
    assert said.reason == (
        "the scheduler's program ended by itself (exit status 2) 0.1 s after it was started,"
        " and wrote nothing"
    )
