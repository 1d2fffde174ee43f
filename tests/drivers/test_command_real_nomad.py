"""The shipped script against a real Nomad: what its stand-in answers elsewhere is what this one does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetScheduler,
)
from tests.drivers import nomad_agent
from tests.drivers.by_script import ByScript
from tests.drivers.conftest import eventually
from tests.drivers.nomad import service

pytestmark = [
    pytest.mark.processes,
    pytest.mark.real_nomad,
    pytest.mark.usefixtures("answers_awaited"),
]

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
PATIENCE_S = 60.0
NEW = CohortRef(namespace="orders", task_queue="orders", build_id="b2")
TWO = ProcessSpec(image="server:2", marker="blue", server_id="api-1")
PLACE = {"namespace": "orders", "task_queue": "orders", "build_id": "b1"}

# Stops when it is told to, once the file `slow` is gone.
SLEEPER = """trap 'while [ -e "$HERE/slow" ]; do sleep 0.05; done; exit 0' INT TERM
while :; do sleep 0.05; done
"""
# What bootstrap is: `broken` as its image fails, after some words.
BOOTSTRAP = (
    'echo ran >>"$HERE/ran"; [ "$IMAGE" != broken ] || { echo no such table >&2; exit 4; }\n'
)


@dataclass(kw_only=True)
class Cluster(ByScript):
    folder: Path
    where: Mapping[str, str]

    def register(self, job: Mapping[str, Any]) -> None:
        nomad_agent.ask(self.where, "/v1/jobs", {"Job": job})

    def job(self, name: str, *, count: int = 1, driver: str = "raw_exec", **meta: str) -> None:
        job = service(name, "", count, meta=meta or None, IMAGE="server:1", HERE=str(self.folder))
        (task,) = job["TaskGroups"][0]["Tasks"]
        config = {"command": "/bin/sh", "args": ["-c", SLEEPER]}
        task |= {"Driver": driver, "Config": config, "KillTimeout": int(30e9), "Templates": None}
        task |= {"Resources": {"CPU": 1, "MemoryMB": 10}}
        self.register(job)

    def begins(self, key: str, change: InfraChange, said: str) -> None:
        """It goes on until it says so."""
        self.driver.begin(key, change)
        found = eventually(lambda: said in self.driver.work(key).progress, PATIENCE_S)
        assert found, self.driver.work(key)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if reason := nomad_agent.left_out():
        pytest.skip(reason)
    shutil.copy(PLANS / "command-nomad.py", tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "server-bootstrap").write_text(f"#!/bin/sh\n{BOOTSTRAP}")
    (programs / "server-bootstrap").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    with nomad_agent.agent(tmp_path / "nomad", environment) as where:
        argv = [sys.executable, "command-nomad.py"]
        driver = CommandDriver(argv, tmp_path, tmp_path / "state", {**os.environ, **where})
        found = Cluster(folder=tmp_path, where=where, driver=driver)
        for name in ("fleet-node-api-1", "fleet-scheduler", "fleet-job"):
            found.job(name)
        found.job("fleet-worker-orders-b1", count=2, **PLACE)
        yield found


def test_each_change_does_what_it_says(cluster: Cluster) -> None:
    driver = cluster.driver
    one = ProcessSpec(image="server:1")
    assert eventually(lambda: driver.node_spec("api-1") == one, PATIENCE_S)
    for _ in range(2):  # the same key may come again
        cluster.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
        assert driver.node_spec("api-1") == TWO
        assert len(driver.node_processes("api-1")) == 1
    for number, replicas in enumerate((1, 3, 0)):
        wanted = CohortSpec(image="orders:2", replicas=replicas)
        cluster.done(f"r/scale-{number}/1", SetCohort(cohort=NEW, spec=wanted))
        assert driver.cohort_specs()[NEW] == wanted
        assert len(driver.cohort_processes(NEW)) == replicas
    (told,) = driver.announce((("api/api-1/replace", ReplaceNode(node="api-1", spec=TWO)),))
    assert told.changed == ()


def test_what_dies_slowly_is_counted_and_gone_before_the_next_one_starts(cluster: Cluster) -> None:
    assert eventually(lambda: len(cluster.driver.scheduler_processes()) == 1, PATIENCE_S)
    (cluster.folder / "slow").touch()
    key = "r/scheduler/stop/1"
    cluster.begins(key, SetScheduler(spec=None), "fleet-scheduler: 0 of 0 run, 1 of before")
    cluster.driver.stop(key)
    assert len(cluster.driver.scheduler_processes()) == 1
    key = "r/scheduler/start/1"
    cluster.begins(key, SetScheduler(spec=TWO), "fleet-scheduler: 0 of 0 run, 1 of before")
    (cluster.folder / "slow").unlink()
    assert eventually(lambda: cluster.driver.work(key).state is JobState.SUCCEEDED, PATIENCE_S)
    assert cluster.driver.scheduler_spec() == TWO
    assert len(cluster.driver.scheduler_processes()) == 1


def test_a_job_that_failed_was_run_once_and_runs_anew_at_the_next_attempt(cluster: Cluster) -> None:
    status = cluster.does("orders/2", RunJob(job="bootstrap", image="broken", revision="2"))
    assert status.state is JobState.FAILED
    assert status.detail.splitlines()[-1] == "no such table"
    nomad_agent.ask(cluster.where, "/v1/system/gc", {})  # as it comes every few hours by itself
    cluster.done("orders/2", RunJob(job="bootstrap", image="server:2", revision="2"))
    cluster.done("orders/2", RunJob(job="bootstrap", image="server:2", revision="2"))
    assert (cluster.folder / "ran").read_text() == "ran\nran\n"


def test_why_no_machine_takes_it_is_said(cluster: Cluster) -> None:
    cluster.job("fleet-worker-orders-b2", count=0, driver="exec", **{**PLACE, "build_id": "b2"})
    change = SetCohort(cohort=NEW, spec=CohortSpec(image="orders:2", replicas=1))
    cluster.begins("r/canary/deploy/1", change, "(no machine takes it: missing drivers)")
    cluster.driver.stop("r/canary/deploy/1")


def test_why_it_does_not_start_is_said(cluster: Cluster) -> None:
    job = nomad_agent.ask(cluster.where, "/v1/job/fleet-node-api-1")
    job["TaskGroups"][0]["Tasks"][0]["Config"] = {"command": "nothing-of-the-kind"}
    cluster.register(job)
    said = 'binary "nothing-of-the-kind" could not be found'
    cluster.begins("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO), said)
    cluster.driver.stop("r/api/api-1/replace/1")
