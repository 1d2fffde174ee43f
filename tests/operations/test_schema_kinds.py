"""Bootstrap once per revision over all rollouts, proved by the ledger; the old nodes still serve."""

from __future__ import annotations

import pytest

from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Failed,
    Keep,
    NeedsPerson,
    Operation,
    Waiting,
)
from rollout_kit.operations.kinds.await_nodes import AwaitNodesArguments
from rollout_kit.operations.schema import SchemaArguments, ledger_key, pending_migrations
from rollout_kit.ports.infra import Answers, JobState, JobStatus, RunJob
from tests.operations.ports import NEW, SILENT, Fleet, Run, fleet, operation, run_to_end

SCHEMA = SchemaArguments(target="prod", revision="0.2.10", image=NEW)
AHEAD = SchemaArguments(target="prod", revision="0.2.10", image=NEW, before=True)
RUN = operation("run_bootstrap", SCHEMA)
LEDGER = operation("check_ledger", SCHEMA)
PENDING = operation("check_ledger", AHEAD)
KEY = "prod/0.2.10"

OK = JobStatus(state=JobState.SUCCEEDED, exit_status=0)
CLEAN = JobStatus(state=JobState.SUCCEEDED, output="  2026_04_25_add_note ...... [2] Ran")
DIRTY = JobStatus(state=JobState.SUCCEEDED, output="  2026_04_25_add_note ........ Pending")
BLANK = JobStatus(state=JobState.SUCCEEDED, output="Bye.")
BROKEN = JobStatus(state=JobState.FAILED, exit_status=1, detail="SQLSTATE[42S01]")


def world_with(bootstrap: JobStatus = OK, ledger: JobStatus = CLEAN) -> Fleet:
    return fleet(job_ends={"bootstrap": bootstrap, "migrate-status": ledger})


def test_the_job_runs_under_a_key_of_target_and_revision() -> None:
    world = world_with()
    run = Run(fleet=world, op=RUN)
    assert run.preview().kind is ChangeKind.UPDATE
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(KEY, RunJob(job="bootstrap", image=NEW, revision="0.2.10"))]
    assert isinstance(run.verify(), Done)


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        (OK, ChangeKind.NO_OP),
        (JobStatus(state=JobState.RUNNING), ChangeKind.NO_OP),
        (JobStatus(state=JobState.QUEUED), ChangeKind.NO_OP),
        (JobStatus(state=JobState.LOST), ChangeKind.UPDATE),
        (BROKEN, ChangeKind.UPDATE),
        (None, ChangeKind.UPDATE),
    ],
)
def test_another_rollout_joins_or_finds_it_done(job: JobStatus | None, kind: ChangeKind) -> None:
    world = world_with()
    world.jobs = {KEY: job} if job else {}
    assert Run(fleet=world, op=RUN).preview().kind is kind


def test_a_ledger_that_was_seen_complete_makes_the_job_needless() -> None:
    world = world_with()
    world.jobs = {ledger_key("prod", "0.2.10", 1): CLEAN}
    for op in (RUN, LEDGER):
        assert Run(fleet=world, op=op).preview().kind is ChangeKind.NO_OP
        assert isinstance(run_to_end(world, op), Done)
    assert world.begun == []


def test_a_failed_job_fails_with_what_it_wrote() -> None:
    said = run_to_end(world_with(bootstrap=BROKEN), RUN)
    assert isinstance(said, Failed)
    assert said.reason == "bootstrap of 0.2.10 ended with status 1: SQLSTATE[42S01]"


def test_output_speaks_where_standard_error_is_empty() -> None:
    broken = JobStatus(state=JobState.FAILED, exit_status=2, output="line 1\nno such table")
    said = run_to_end(world_with(bootstrap=broken), RUN)
    assert isinstance(said, Failed)
    assert "no such table" in said.reason


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.QUEUED, JobState.LOST])
def test_its_own_exit_is_awaited(state: JobState) -> None:
    assert isinstance(run_to_end(world_with(bootstrap=JobStatus(state=state)), RUN), Waiting)


def test_bootstrap_stays_in_a_rollback() -> None:
    run = Run(fleet=world_with(), op=RUN)
    assert isinstance(run.kind.compensate(RUN, run.look().facts), Keep)
    assert run.kind.touches(RUN) == ("bootstrap/",)
    after = run.kind.expect(RUN, run.look().observation)
    assert after.get("bootstrap/ran") == "0.2.10"
    assert after.get("bootstrap/revision") is None


@pytest.mark.parametrize("op", [RUN, LEDGER])
def test_no_job_is_begun_before_the_driver_answers(op: Operation) -> None:
    world = world_with()
    world.driver_fails = SILENT
    run = Run(fleet=world, op=op)
    assert run.preview().not_judged
    assert isinstance(run.ready(), Waiting)
    world.can = frozenset(Answers) - {Answers.JOBS}
    assert isinstance(run.ready(), NeedsPerson)


# ---- ledger


def test_a_clean_ledger_proves_the_revision() -> None:
    world = world_with()
    assert isinstance(run_to_end(world, LEDGER), Done)
    assert Run(fleet=world, op=LEDGER).look().facts["bootstrap/revision"] == "0.2.10"


def test_a_ledger_with_pending_names_fails_with_them_and_is_asked_anew() -> None:
    world = world_with(ledger=DIRTY)
    said = run_to_end(world, LEDGER)
    assert isinstance(said, Failed)
    assert "1 migrations are pending: 2026_04_25_add_note" in said.reason
    world.job_ends["migrate-status"] = CLEAN
    assert isinstance(run_to_end(world, LEDGER), Done)
    keys = [key for key, _ in world.begun]
    assert keys == [ledger_key("prod", "0.2.10", 1), ledger_key("prod", "0.2.10", 2)]


def test_an_answer_that_names_no_migration_proves_nothing() -> None:
    said = run_to_end(world_with(ledger=BLANK), LEDGER)
    assert isinstance(said, Failed)
    assert "proves nothing" in said.reason


def test_the_jobs_success_alone_is_not_the_ledgers_word() -> None:
    world = world_with()
    world.jobs = {KEY: OK}
    assert Run(fleet=world, op=RUN).preview().kind is ChangeKind.NO_OP
    assert Run(fleet=world, op=LEDGER).preview().kind is ChangeKind.UPDATE


def test_without_additive_anything_pending_stops_before_the_job() -> None:
    world = world_with(ledger=DIRTY)
    said = run_to_end(world, PENDING)
    assert isinstance(said, Failed)
    assert "does not say that old code runs on the new schema" in said.reason
    assert [change.job for _, change in world.begun if isinstance(change, RunJob)] == [
        "migrate-status"
    ]


def test_without_additive_nothing_pending_lets_the_plan_go_on() -> None:
    world = world_with()
    assert isinstance(run_to_end(world, PENDING), Done)
    assert Run(fleet=world, op=RUN).preview().kind is ChangeKind.NO_OP


def test_once_bootstrap_ran_there_is_nothing_to_ask_ahead_of_it() -> None:
    world = world_with(ledger=DIRTY)
    world.jobs = {KEY: OK}
    assert isinstance(run_to_end(world, PENDING), Done)
    assert world.begun == []


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ('[{"migration": "a", "ran": true}, {"migration": "b", "ran": false}]', ("b",)),
        ('[{"migration": "a", "ran": true}]', ()),
        ("[]", None),
        ("Migration name .... Batch / Status\na_table .... [1] Ran\nb .... Pending", ("b",)),
        ("\x1b[32ma_table\x1b[39m .... [1] \x1b[32mRan\x1b[39m", ()),
        ("INFO  No pending migrations.", ()),
        ("", None),
        ("<html>Pending</html>", None),
    ],
)
def test_what_a_ledgers_answer_shows(output: str, names: tuple[str, ...] | None) -> None:
    assert pending_migrations(output) == names


# ---- nodes


def still(world: Fleet) -> object:
    nodes = AwaitNodesArguments(nodes=tuple(world.nodes))
    return Run(fleet=world, op=operation("await_nodes", nodes)).verify()


def test_every_node_in_rotation_is_still_ready() -> None:
    world = fleet()
    world.nodes["api-3"].attached = False
    world.nodes["api-3"].ready = False
    assert still(world) == Done(sentence="api-1, api-2 are ready")


def test_rule_5_one_node_is_told_from_all() -> None:
    world = fleet()
    world.nodes["api-2"].fails = SILENT
    said = still(world)
    assert isinstance(said, Waiting)
    assert said.progress == "api-2: no answer (connection refused)"
    for node in world.nodes.values():
        node.fails = None
        node.ready = False
    said = still(world)
    assert isinstance(said, Waiting)
    assert said.progress.startswith("nothing is ready")
