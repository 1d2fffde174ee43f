"""smoke_runs: runs of our own on the new build; their undo leaves none open."""

from __future__ import annotations

import re

from rollout_kit.model.operation import ChangeKind, Done, Failed, Operation, Undo, Waiting
from rollout_kit.operations.api import Writers
from rollout_kit.operations.smoke import SmokeRunsArguments, prefix, run_ids
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    STALE_S,
    WorkerFleet,
    carry_out,
    change,
    key_of,
    kind_of,
    look,
    operation,
    ready,
    undo_all,
)


def smoke(count: int = 3, node: str | None = None) -> Operation:
    arguments = SmokeRunsArguments(
        cohort=NEW,
        workflow_type="ping",
        count=count,
        run_timeout_s=30,
        pinned=node is None,
        node=node,
    )
    return operation("smoke_runs", arguments, id="canary/smoke-1/critical")


def brought() -> WorkerFleet:
    return WorkerFleet(smoke_ends="completed").deploy(OLD).select(OLD).deploy(NEW)


def test_it_starts_them_and_waits_for_every_result() -> None:
    fleet = brought()
    verdict = carry_out(fleet, smoke())
    assert isinstance(verdict, Done)
    assert verdict.sentence == "3 smoke runs completed on critical@new"
    assert len(fleet.wrote) == 3


def test_ids_fit_the_server_and_differ_by_rollout_operation_attempt_and_number() -> None:
    keys = ["r1/a/smoke/1", "r2/a/smoke/1", "r1/b/smoke/1", "r1/a/smoke/2", "r1/a/b/smoke/1"]
    ids = [run_id for key in keys for run_id in run_ids(key, 2)]
    assert len(set(ids)) == len(ids)
    weird = run_ids("ärger mit/" + "x" * 300 + "/1", 1)[0]
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", weird)
    assert all(run_id.startswith(prefix("r1", "a/smoke")) for run_id in run_ids(keys[0], 2))
    assert len(run_ids("r" * 300 + "/op/1", 9)[8]) <= 128


def test_a_failed_run_fails_it_and_is_named() -> None:
    fleet = brought()
    fleet.smoke_ends = "failed"
    verdict = carry_out(fleet, smoke())
    assert isinstance(verdict, Failed)
    assert "3 of 3 smoke runs" in verdict.reason


def test_runs_that_never_end_are_waited_for() -> None:
    fleet = brought()
    fleet.smoke_ends = ""
    verdict = carry_out(fleet, smoke(), for_s=10.0)
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "0 of 3 smoke runs completed (3 started)"


def test_the_first_that_ends_does_not_speak_for_the_others() -> None:
    fleet = brought()
    fleet.smoke_ends = ""
    carry_out(fleet, smoke(), for_s=1.0)
    fleet.close(run_ids(key_of(smoke()), 3)[0])
    verdict = carry_out(fleet, smoke(), for_s=5.0)
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "1 of 3 smoke runs completed (3 started)"


def test_a_run_that_got_another_pin_proves_nothing() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old"}, smoke_ends="completed")
    verdict = carry_out(fleet.deploy(OLD).deploy(NEW), smoke(node="a"))
    assert isinstance(verdict, Failed)
    assert "is pinned to old, not to new" in verdict.reason


def test_at_a_node_with_the_new_marker_the_node_pins_them() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "new"}, smoke_ends="completed")
    assert isinstance(carry_out(fleet.deploy(OLD).deploy(NEW), smoke(node="a")), Done)
    assert all(line.endswith(" at a") for line in fleet.wrote)


def test_a_crash_in_the_middle_starts_only_those_that_are_missing() -> None:
    fleet = brought()
    first = run_ids(key_of(smoke()), 3)[0]
    fleet.run_open(first, "new").close(first)
    assert change(fleet, smoke()) is ChangeKind.UPDATE
    assert isinstance(carry_out(fleet, smoke()), Done)
    assert len(fleet.wrote) == 2
    assert change(fleet, smoke()) is ChangeKind.NO_OP


def test_sent_again_nothing_is_started_twice() -> None:
    fleet = brought()
    fleet.smoke_ends = ""
    for _ in range(2):
        kind_of(smoke()).apply(smoke(), key_of(smoke()), Writers(engine=fleet, infra=fleet))  # type: ignore[arg-type]
    assert len(fleet.runs) == 3


def test_a_build_that_is_not_started_gets_none() -> None:
    fleet = brought()
    fleet.kill(NEW)
    fleet.pass_time(STALE_S + 1)
    assert isinstance(ready(fleet, smoke()), Waiting)


def test_where_real_runs_go_there_already_it_is_a_no_op_and_verifies_nothing() -> None:
    fleet = brought().select(NEW)
    assert change(fleet, smoke()) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, smoke()), Done)
    assert fleet.wrote == []


def test_its_undo_terminates_what_is_still_open_of_every_attempt_and_nothing_else() -> None:
    fleet = brought()
    fleet.smoke_ends = ""
    carry_out(fleet, smoke(2), for_s=1.0)
    second = run_ids("rollout/canary/smoke-1/critical/2", 1)[0]
    fleet.run_open(second, "new").run_open("order-1", "new")
    undo = kind_of(smoke()).compensate(smoke(), look(fleet, smoke()).facts)
    assert isinstance(undo, Undo)
    assert [type(v) for v in undo_all(fleet, undo.retire)] == [Done]
    assert [run.workflow_id for run in fleet.runs.values()] == ["order-1"]
    assert sum(line.startswith("terminate") for line in fleet.wrote) == 3
