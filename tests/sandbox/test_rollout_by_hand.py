"""The steps of a rollout by hand, under load, in both generations: nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from rollout_kit.sandbox import fleet, ledger
from rollout_kit.sandbox.layout import NODES, QUEUES, Generation, SandboxInfo
from tests.sandbox.conftest import BOTH, change, sandbox, wait_for, wire

pytestmark = pytest.mark.processes


@pytest.mark.crash
@BOTH
def test_a_whole_upgrade_under_load_loses_no_run(tmp_path: Path, generation: Generation) -> None:
    with sandbox(tmp_path, generation=generation, rate_hz=4) as info:
        driver = fleet.driver_of(info)
        old, new = info.versions.worker_from, info.versions.worker_to
        _bootstrap(info, driver)
        _deploy(info, driver, new, replicas=2)
        for node in NODES:
            _replace(info, driver, node, new)
        _hand_over(info, driver, new)
        if generation is Generation.V2:
            for queue in QUEUES:
                body = {"build_id": new}
                path = f"/api/task-queues/{queue}/build-ids/promote"
                wait_for(
                    lambda path=path, body=body: wire(info).call("POST", path, body).status == 200,
                    f"promote on {queue}",
                )
        wait_for(lambda: not _open_pinned(info, old), "no open run of the old build", 30)
        for queue in QUEUES:
            wire(info).call("POST", f"/api/task-queues/{queue}/build-ids/drain", {"build_id": old})
        _deploy(info, driver, old, replicas=0)
        account = fleet.settle(info, 25)
        assert account.lost == ()
        assert account.open_claimable == 0
        assert account.refused == 0
        assert account.completed > 10, "the load went on; how fast is the machine's affair"
        version = wire(info).call("GET", "/api/cluster/info").body["version"]
        assert version == info.versions.server_to
        assert {
            cohort.build_id for cohort in driver.cohort_specs() if driver.cohort_processes(cohort)
        } == {new}


def test_stopping_the_only_cohort_of_open_runs_is_accounted_as_lost(tmp_path: Path) -> None:
    with sandbox(tmp_path, workers=1, rate_hz=4) as info:
        wait_for(lambda: _started(info, "long"), "a long run")
        fleet.stop_load(info)
        assert fleet.account(info).open_claimable > 0
        _deploy(info, fleet.driver_of(info), info.versions.worker_from, replicas=0)
        account = fleet.account(info)
        assert account.open_claimable == 0
        assert {lost.because for lost in account.lost} == {"nobody serves its pin orders-17"}


def _started(info: SandboxInfo, workflow_type: str) -> list[ledger.Start]:
    return [
        start
        for start in ledger.read(info.ledger).values()
        if start.workflow_type == workflow_type and start.heard is ledger.Heard.ACKNOWLEDGED
    ]


def _bootstrap(info: SandboxInfo, driver: ProcessDriver) -> None:
    to = info.versions.server_to
    job = RunJob(job="bootstrap", image=info.versions.server_image(to), revision=to)
    change(driver, f"sandbox/{to}", job)


def _deploy(info: SandboxInfo, driver: ProcessDriver, build: str, *, replicas: int) -> None:
    spec = CohortSpec(image=info.versions.worker_image(build), replicas=replicas)
    for queue in QUEUES:
        cohort = CohortRef(namespace="default", task_queue=queue, build_id=build)
        change(driver, f"{build}-{queue}-{replicas}", SetCohort(cohort=cohort, spec=spec))


def _replace(info: SandboxInfo, driver: ProcessDriver, node: str, marker: str) -> None:
    change(driver, f"{node}/detach", SetAttached(node=node, attached=False))
    wait_for(lambda: driver.connections(node) == 0, f"{node} has no connection")
    spec = driver.node_spec(node)
    image = info.versions.server_image(info.versions.server_to)
    new = replace(spec, image=image, marker=spec.marker and marker)
    change(driver, f"{node}/replace", ReplaceNode(node=node, spec=new))
    wait_for(lambda: fleet._ready(info.node_urls[node]), f"{node} is ready")
    change(driver, f"{node}/attach", SetAttached(node=node, attached=True))


def _hand_over(info: SandboxInfo, driver: ProcessDriver, marker: str) -> None:
    spec = driver.scheduler_spec()
    assert spec is not None
    change(driver, "scheduler/stop", SetScheduler(spec=None))
    assert driver.scheduler_processes() == ()
    image = info.versions.server_image(info.versions.server_to)
    new = replace(spec, image=image, marker=spec.marker and marker)
    change(driver, "scheduler/start", SetScheduler(spec=new))


def _open_pinned(info: SandboxInfo, build: str) -> list[object]:
    rows = wire(info).call("GET", "/api/workflows?status=running&page_size=200").body["workflows"]
    assert isinstance(rows, list)
    found = [wire(info).call("GET", f"/api/workflows/{row['workflow_id']}").body for row in rows]
    return [run for run in found if not run["is_terminal"] and run["compatibility"] == build]
