"""deploy_cohort: bring workers up; what was not there before is retired, what was gets its number back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Failed,
    LeftRunning,
    NewBuild,
    Operation,
    PinnedRuns,
    RollbackPolicy,
    Undo,
    Waiting,
)
from rollout_kit.operations.cohort_acts import DeployCohortArguments
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import Answers, CohortSpec, JobState, JobStatus
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    WorkerFleet,
    carry_out,
    change,
    context,
    key_of,
    kind_of,
    look,
    operation,
    ready,
    sentence,
    undo_all,
)


def deploy(replicas: int = 2, *, policy: RollbackPolicy | None = None, **more: object) -> Operation:
    arguments = DeployCohortArguments(
        cohort=NEW,
        image="app:new",
        replicas=replicas,
        others=(OLD,),
        **more,  # type: ignore[arg-type]
    )
    return operation("deploy_cohort", arguments, rollback=policy)


def current() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).select(OLD)


def stopped() -> WorkerFleet:
    fleet = current()
    fleet.specs[NEW] = CohortSpec(image="app:older", replicas=0)
    return fleet


def left_over() -> WorkerFleet:
    """Asked of the driver once, and nothing is known to run."""
    fleet = current()
    fleet.specs[NEW] = CohortSpec(image="", replicas=2)
    return fleet


WORLDS: dict[str, tuple[Callable[[], WorkerFleet], ChangeKind]] = {
    "not there": (current, ChangeKind.UPDATE),
    "stopped": (stopped, ChangeKind.UPDATE),
    "fewer than wanted": (lambda: current().deploy(NEW, 1), ChangeKind.UPDATE),
    "there": (lambda: current().deploy(NEW, 2), ChangeKind.NO_OP),
    "left by an attempt that failed": (left_over, ChangeKind.UPDATE),
    "other code under its build id": (
        lambda: current().deploy(NEW, 2, "app:rebuilt"),
        ChangeKind.BLOCKED,
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_it_would_do_follows_from_facts(name: str) -> None:
    world, expected = WORLDS[name]
    assert change(world(), deploy()) is expected


def test_rule_11_a_second_cohort_waits_until_one_is_selected() -> None:
    fleet = WorkerFleet().deploy(OLD)
    assert change(fleet, deploy(beside=True)) is ChangeKind.BLOCKED
    assert "new runs would be pinned to nobody" in sentence(fleet, deploy(beside=True))
    assert change(fleet.select(OLD), deploy(beside=True)) is ChangeKind.UPDATE


def test_it_is_there_when_the_driver_has_recorded_and_done_it() -> None:
    fleet = current()
    assert isinstance(carry_out(fleet, deploy(3)), Done)
    assert fleet.wrote == ["set critical@new to 3 of app:new"]
    assert look(fleet, deploy(3)).situation.cohort(NEW).processes == 3


def test_a_crash_after_the_driver_was_told_is_seen_and_not_repeated() -> None:
    fleet = current()
    carry_out(fleet, deploy())
    assert change(fleet, deploy()) is ChangeKind.NO_OP
    fleet.jobs[key_of(deploy())] = JobStatus(state=JobState.LOST)
    assert change(fleet, deploy()) is ChangeKind.UPDATE, "lost work may not have been done"


@pytest.mark.parametrize(
    ("state", "expected"),
    [(JobState.RUNNING, Waiting), (JobState.FAILED, Failed), (JobState.SUCCEEDED, Done)],
)
def test_verify_says_what_the_drivers_work_came_to(state: JobState, expected: type) -> None:
    fleet = current().deploy(NEW, 2)
    fleet.jobs[key_of(deploy())] = JobStatus(state=state, detail="no such image")
    verdict = kind_of(deploy()).verify(deploy(), [look(fleet, deploy())], context(fleet, deploy()))
    assert isinstance(verdict, expected)


def test_a_driver_that_is_silent_is_not_told_to_record_something_else() -> None:
    fleet = current()
    carry_out(fleet, deploy())
    fleet.driver_fails = Unavailable("the API server is away")
    verdict = kind_of(deploy()).verify(deploy(), [look(fleet, deploy())], context(fleet, deploy()))
    assert isinstance(verdict, Waiting)
    assert "gave no answer" in verdict.progress


def test_what_runs_now_has_to_be_known_before_it_is_changed() -> None:
    fleet = current()
    fleet.driver_fails = Unavailable("stack is locked")
    assert change(fleet, deploy()) is ChangeKind.BLOCKED
    assert look(fleet, deploy()).observation.cohort(NEW, "replicas") is Absent.NO_ANSWER
    unable = WorkerFleet(can=frozenset({Answers.PROCESSES})).deploy(OLD)
    assert change(unable, deploy()) is ChangeKind.UPDATE, "preview only: judged at apply"
    assert isinstance(ready(unable, deploy()), Waiting)


def test_without_an_image_the_drivers_own_is_kept_and_a_stranger_refused() -> None:
    keep = operation("deploy_cohort", DeployCohortArguments(cohort=NEW, image=None, replicas=2))
    fleet = stopped()
    carry_out(fleet, keep)
    assert fleet.specs[NEW] == CohortSpec(image="app:older", replicas=2)
    with pytest.raises(Refused, match="names no image"):
        carry_out(current(), keep)


def test_an_autoscaled_cohort_is_there_whatever_its_number() -> None:
    fleet = current()
    fleet.deploy(NEW, 5)
    fleet.specs[NEW] = CohortSpec(image="app:new", replicas=5, autoscaled=True)
    assert change(fleet, deploy(2)) is ChangeKind.NO_OP


def test_more_workers_than_before_are_taken_back_in_the_second_pass() -> None:
    fleet = current().deploy(NEW, 1)
    undo = kind_of(deploy(3)).compensate(deploy(3), look(fleet, deploy(3)).facts)
    carry_out(fleet, deploy(3))
    assert isinstance(undo, Undo)
    assert undo.restore == ()
    undo_all(fleet, undo.retire)
    assert fleet.specs[NEW].replicas == 1


def test_fewer_workers_than_before_are_started_again_in_the_first() -> None:
    fleet = current().deploy(NEW, 4)
    undo = kind_of(deploy(2)).compensate(deploy(2), look(fleet, deploy(2)).facts)
    carry_out(fleet, deploy(2))
    assert isinstance(undo, Undo)
    assert undo.retire == ()
    assert [type(v) for v in undo_all(fleet, undo.restore)] == [Done, Done]
    assert fleet.specs[NEW].replicas == 4


def brought(
    fleet: WorkerFleet, policy: RollbackPolicy | None = None, **more: object
) -> tuple[Operation, ...]:
    """Deploy NEW and give what retires it."""
    op = deploy(policy=policy, **more)  # type: ignore[arg-type]
    undo = kind_of(op).compensate(op, look(fleet, op).facts)
    carry_out(fleet, op)
    assert isinstance(undo, Undo)
    return undo.retire


def test_what_this_rollout_brought_is_retired_in_order() -> None:
    fleet = current()
    retire = brought(fleet)
    assert [op.kind for op in retire] == [
        "await_superseded",
        "await_quiesced",
        "drain_cohort",
        "await_lease_free",
        "stop_cohort",
        "await_retired",
    ]
    assert {type(verdict) for verdict in undo_all(fleet, retire)} == {Done}
    assert fleet.wrote[1:] == ["drain critical@new", "set critical@new to 0 of app:new"]
    assert look(fleet, deploy()).situation.cohort(NEW).processes == 0


def test_where_a_configuration_keeps_it_what_was_not_in_it_is_taken_out_again() -> None:
    fleet = current()
    retire = brought(fleet, recorded=True)
    assert [op.kind for op in retire][-2:] == ["await_retired", "remove_cohort"]
    assert {type(verdict) for verdict in undo_all(fleet, retire)} == {Done}
    assert fleet.wrote[-2:] == ["set critical@new to 0 of app:new", "remove critical@new"]
    assert NEW not in fleet.specs


def test_what_stood_there_stopped_before_stays_so() -> None:
    fleet = stopped()
    fleet.specs[NEW] = CohortSpec(image="app:new", replicas=0)
    assert {type(verdict) for verdict in undo_all(fleet, brought(fleet, recorded=True))} == {Done}
    assert fleet.specs[NEW].replicas == 0


def test_a_cohort_that_never_came_up_is_retired_all_the_same() -> None:
    fleet = current()
    fleet.crash_loop = True
    assert {type(verdict) for verdict in undo_all(fleet, brought(fleet))} == {Done}


def test_what_an_attempt_that_failed_left_is_retired_and_not_brought_back() -> None:
    assert [one.kind for one in brought(left_over())] == [one.kind for one in brought(current())]


def test_what_an_attempt_that_failed_left_in_a_configuration_is_taken_out_of_it() -> None:
    assert brought(left_over(), recorded=True)[-1].kind == "remove_cohort"


def test_a_cohort_that_still_gets_new_starts_is_left_running() -> None:
    fleet = current()
    retire = brought(fleet)
    fleet.select(NEW)
    (verdict,) = undo_all(fleet, retire)
    assert isinstance(verdict, LeftRunning)
    assert "itself is selected" in verdict.reason
    assert "drain critical@new" not in fleet.wrote


def test_open_runs_of_the_new_build_are_waited_for_and_then_named_as_residue() -> None:
    fleet = current()
    policy = RollbackPolicy(within_s=20.0)
    retire = brought(fleet, policy)
    fleet.run_open("slow", "new")
    began_s = fleet.now_s
    *_, verdict = undo_all(fleet, retire)
    assert isinstance(verdict, LeftRunning)
    assert verdict.runs == ("slow",)
    assert 15.0 <= fleet.now_s - began_s < 20.0
    assert fleet.specs[NEW].replicas == 2, "it goes on serving them"


def test_a_rollback_that_keeps_names_the_residue_at_once() -> None:
    fleet = current()
    retire = brought(fleet, RollbackPolicy(pinned_runs=PinnedRuns.KEEP))
    fleet.run_open("slow", "new")
    began_s = fleet.now_s
    *_, verdict = undo_all(fleet, retire)
    assert isinstance(verdict, LeftRunning)
    assert fleet.now_s - began_s < 1.0


def test_freezing_drains_where_drain_is_a_gate_and_leaves_the_runs_as_residue() -> None:
    fleet = current()
    retire = brought(fleet, RollbackPolicy(new_build=NewBuild.FREEZE))
    fleet.run_open("harmful", "new")
    *_, verdict = undo_all(fleet, retire)
    assert isinstance(verdict, LeftRunning)
    assert verdict.runs == ("harmful",)
    assert fleet.wrote[1:] == ["drain critical@new"]


def test_freezing_stops_where_drain_is_a_label_and_leaves_the_runs_as_residue() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old"}).deploy(OLD)
    retire = brought(fleet, RollbackPolicy(new_build=NewBuild.FREEZE))
    fleet.run_open("harmful", "new")
    *_, verdict = undo_all(fleet, retire)
    assert isinstance(verdict, LeftRunning)
    assert verdict.runs == ("harmful",)
    assert fleet.wrote[1:] == ["drain critical@new", "set critical@new to 0 of app:new"]


def test_a_cohort_that_was_known_as_active_before_is_known_as_active_again() -> None:
    fleet = current().deploy(NEW, 1)
    fleet.specs[NEW] = CohortSpec(image="app:new", replicas=0)
    fleet.kill(NEW)
    retire = brought(fleet)
    assert retire[-1].kind == "resume_cohort"
    undo_all(fleet, retire)
    assert look(fleet, deploy()).observation.cohort(NEW, "drain_intent") == "active"
    assert look(fleet, deploy()).observation.cohort(OLD, "selected") is True
