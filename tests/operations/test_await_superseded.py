"""await_superseded: does another cohort get *all* new starts?"""

from __future__ import annotations

from rollout_kit.model.operation import ChangeKind, Done, Failed, LeftRunning, Operation, Waiting
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.ports.errors import Unavailable
from tests.operations.worker_fleet import NEW, OLD, WorkerFleet, carry_out, change, operation


def superseded() -> Operation:
    return operation("await_superseded", LeavingArguments(cohort=NEW, others=(OLD,)))


def test_it_only_judges() -> None:
    assert change(WorkerFleet().deploy(NEW), superseded()) is ChangeKind.CHECK


def test_the_selection_of_another_is_enough() -> None:
    verdict = carry_out(WorkerFleet().deploy(OLD).deploy(NEW).select(OLD), superseded())
    assert isinstance(verdict, Done)
    assert verdict.sentence == "critical@old gets all new starts"


def test_one_node_that_still_carries_the_marker_leaves_it_running_with_its_runs() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old", "b": "new"}).deploy(OLD).deploy(NEW)
    verdict = carry_out(fleet.run_open("w", "new"), superseded(), undoing=True)
    assert isinstance(verdict, LeftRunning)
    assert verdict.runs == ("w",)
    assert "node b" in verdict.reason


def test_on_the_way_forward_that_is_a_failure() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).select(NEW)
    assert isinstance(carry_out(fleet, superseded()), Failed)


def test_while_nothing_answers_nobody_is_left_running() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).select(OLD)
    fleet.fails = Unavailable("reset")
    assert isinstance(carry_out(fleet, superseded(), for_s=3.0, undoing=True), Waiting)
    nodes = WorkerFleet(selector=False, markers={"a": "old"}).deploy(OLD).deploy(NEW)
    nodes.driver_fails = Unavailable("stack is locked")
    assert isinstance(carry_out(nodes, superseded(), for_s=3.0, undoing=True), Waiting)
