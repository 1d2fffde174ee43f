"""terminate_smoke: the rollout's own runs are never residue."""

from __future__ import annotations

from rollout_kit.model.operation import ChangeKind, Done, Operation, Waiting
from rollout_kit.operations.smoke import TerminateSmokeArguments, run_ids
from rollout_kit.ports.errors import Unavailable
from tests.operations.worker_fleet import OLD, WorkerFleet, carry_out, change, operation

SMOKE = "canary/smoke-1/critical"


def terminate() -> Operation:
    arguments = TerminateSmokeArguments(operation=SMOKE, namespace="orders")
    return operation("terminate_smoke", arguments, id=f"undo/{SMOKE}/1")


def with_open_smoke() -> WorkerFleet:
    fleet = WorkerFleet().deploy(OLD)
    return fleet.run_open(run_ids(f"rollout/{SMOKE}/1", 1)[0], "new")


def test_open_ones_are_terminated() -> None:
    fleet = with_open_smoke()
    assert change(fleet, terminate()) is ChangeKind.UPDATE
    assert isinstance(carry_out(fleet, terminate()), Done)
    assert fleet.runs == {}


def test_without_any_there_is_nothing_to_do() -> None:
    fleet = WorkerFleet().deploy(OLD).run_open("order-1", "old")
    assert change(fleet, terminate()) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, terminate()), Done)
    assert list(fleet.runs) == ["order-1/1"]


def test_another_rollouts_smoke_is_left_alone() -> None:
    fleet = WorkerFleet().deploy(OLD).run_open(run_ids(f"other/{SMOKE}/1", 1)[0], "new")
    assert change(fleet, terminate()) is ChangeKind.NO_OP


def test_an_unread_listing_is_waited_for() -> None:
    fleet = with_open_smoke()
    fleet.fails = Unavailable("reset")
    assert change(fleet, terminate()) is ChangeKind.CHECK
    assert isinstance(carry_out(fleet, terminate(), for_s=2.0), Waiting)
