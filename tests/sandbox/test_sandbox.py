"""The sandbox as a whole: up, down, status, and what each flaw does."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work import roles
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    JobState,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
)
from rollout_kit.sandbox import files, fleet
from rollout_kit.sandbox.files import SandboxError
from rollout_kit.sandbox.layout import Flaw, Generation, SandboxInfo
from tests.sandbox.conftest import (
    BOTH,
    change,
    describe,
    processes_of,
    sandbox,
    start,
    wait_for,
    wire,
)

pytestmark = pytest.mark.processes


@BOTH
def test_all_of_it_comes_up_answers_and_goes(tmp_path: Path, generation: Generation) -> None:
    with sandbox(tmp_path, generation=generation) as info:
        status = fleet.status(tmp_path)
        assert status.up
        assert sorted(role.role.split("/")[0] for role in status.roles) == sorted(
            ["front", "maintenance", "process", "scheduler"] + ["node"] * 3 + ["worker"] * 4
        )
        version = wire(info).call("GET", "/api/cluster/info").body["version"]
        assert version == info.versions.server_from
        assert files.read(tmp_path) == info
        wait_for(lambda: fleet.account(info).completed >= 3, "three runs of the load")
    assert fleet.status(tmp_path).ready == {"api-1": False, "api-2": False, "api-3": False}


def test_tokens_stand_in_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=20) as info:
        fleet.stop_load(info)
        holding = [
            path
            for path in tmp_path.rglob("*")
            if path.is_file()
            and any(token.encode() in path.read_bytes() for token in info.tokens.values())
        ]
        assert holding == [tmp_path / "environment"]
        assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
        commands = " ".join(processes_of(tmp_path))
        assert not any(token in commands for token in info.tokens.values())


def test_down_is_complete_whatever_died_and_silent_where_nothing_runs(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0) as info:
        driver = fleet.driver_of(info)
        new = CohortRef(namespace="default", task_queue="orders", build_id="orders-18")
        image = info.versions.worker_image("orders-18")
        driver.begin("new", SetCohort(cohort=new, spec=CohortSpec(image=image, replicas=2)))
        spec = driver.node_spec("api-1")
        driver.begin("node", ReplaceNode(node="api-1", spec=spec))
        os.kill(driver.scheduler_processes()[0].pid, 9)
        fleet.down(tmp_path)  # while two changes are under way
        assert processes_of(tmp_path) == []
        time.sleep(0.3)
        assert processes_of(tmp_path) == []
        fleet.down(tmp_path)
    fleet.down(tmp_path / "never-was")


def test_a_sandbox_that_does_not_come_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "UP_WITHIN_S", 1.5)
    monkeypatch.setattr(fleet, "_accepted", lambda *_: False)
    with pytest.raises(SandboxError, match=r"not within 1\.5 s"):
        fleet.up(tmp_path, workers=1)
    assert processes_of(tmp_path) == []


def test_a_second_sandbox_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0):
        with pytest.raises(SandboxError, match="already runs") as caught:
            fleet.up(tmp_path)
        assert caught.value.hint == "Stop it first: rollout-kit sandbox down"
        assert fleet.status(tmp_path).up


def test_where_there_is_no_sandbox_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="there is no sandbox in") as caught:
        fleet.status(tmp_path)
    assert "sandbox up" in caught.value.hint


def test_a_drained_worker_stays_and_one_that_is_stopped_leaves_no_lease(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0) as info:
        old = CohortRef(namespace="default", task_queue="orders", build_id="orders-17")
        driver = fleet.driver_of(info)
        drain = {"build_id": "orders-17"}
        assert (
            wire(info).call("POST", "/api/task-queues/orders/build-ids/drain", drain).status == 200
        )
        time.sleep(1.5)
        assert len(driver.cohort_processes(old)) == 1
        spec = driver.cohort_specs()[old]
        change(driver, "stop", SetCohort(cohort=old, spec=CohortSpec(image=spec.image, replicas=0)))
        rows = wire(info).call("GET", "/api/workers?task_queue=orders").body["workers"]
        assert rows == []  # it has said good-bye


# --- flaws -------------------------------------------------------------------------------------


def _deploy_new_build(info: SandboxInfo) -> None:
    driver = fleet.driver_of(info)
    build = info.versions.worker_to
    spec = CohortSpec(image=info.versions.worker_image(build), replicas=1)
    for queue in ("orders", "shipping"):
        cohort = CohortRef(namespace="default", task_queue=queue, build_id=build)
        change(driver, f"deploy-{queue}", SetCohort(cohort=cohort, spec=spec))


def test_the_canary_flaw_fails_attempts_while_runs_still_complete(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0, flaw=Flaw.CANARY) as info:
        _deploy_new_build(info)
        for number in range(3):
            start(info, f"run-{number}", "cross", build_id=info.versions.worker_to)
        for number in range(3):
            wait_for(
                lambda number=number: describe(info, f"run-{number}").body["status"] == "completed",
                f"run-{number} completes",
            )
        metrics = wire(info, "DW_ADMIN_TOKEN").call("GET", "/api/system/operator-metrics").body
        assert metrics["operator_metrics"]["activities"]["failed_attempts"] == 15


def test_the_worker_flaw_completes_smoke_runs_and_hangs_on_all_others(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0, flaw=Flaw.WORKER) as info:
        _deploy_new_build(info)
        build = info.versions.worker_to
        start(info, "smoke", "ping", build_id=build)
        start(info, "hung", "short", build_id=build)
        wait_for(lambda: describe(info, "smoke").body["status"] == "completed", "the smoke run")
        wait_for(lambda: describe(info, "hung").body["wait_kind"] == "timer", "the other hangs")
        assert describe(info, "hung").body["is_terminal"] is False


def test_the_node_flaw_comes_up_ready_as_another_version(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0, flaw=Flaw.NODE) as info:
        driver = fleet.driver_of(info)
        job = RunJob(
            job="bootstrap",
            image=info.versions.server_image(info.versions.server_to),
            revision=info.versions.server_to,
        )
        change(driver, "schema", job)
        change(driver, "detach", SetAttached(node="api-1", attached=False))
        image = info.versions.server_image(info.versions.server_to)
        spec = driver.node_spec("api-1")
        new = ReplaceNode(node="api-1", spec=type(spec)(image=image, environment=spec.environment))
        change(driver, "replace", new)
        node = files.read(tmp_path).node_urls["api-1"]
        there = type(wire(info))(
            url=node, token=info.tokens["DW_OPERATOR_TOKEN"], namespace="default", headers={}
        )
        wait_for(lambda: fleet._ready(node), "the node is ready")
        assert there.call("GET", "/api/cluster/info").body["version"] == "2.3.99"


def test_the_bootstrap_flaw_fails_the_job_and_touches_nothing(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0, flaw=Flaw.BOOTSTRAP) as info:
        driver = fleet.driver_of(info)
        image = info.versions.server_image(info.versions.server_to)
        driver.begin("schema", RunJob(job="bootstrap", image=image, revision="2.4.0"))
        wait_for(lambda: driver.work("schema").state is JobState.FAILED, "the job fails")
        assert driver.work("schema").exit_status == 1
        assert "cannot add the column" in driver.work("schema").detail


def test_no_role_stays_taken_after_down(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=0):
        pass
    state = StateFolder(tmp_path / "state")
    assert [role for role in state.roles() if roles.holder(role) is not None] == []
