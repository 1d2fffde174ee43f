"""The shipped script for Nomad, against a stand-in for its API: each change, twice, and from half-way."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from tests.drivers.by_script import ByScript
from tests.drivers.conftest import eventually
from tests.drivers.nomad import Memory, Nomad, service, serving

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("answers_awaited")]

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
MARKER = "DW_V2_CURRENT_COMPATIBILITY"
OLD = CohortRef(namespace="orders", task_queue="orders", build_id="b1")
NEW = CohortRef(namespace="orders", task_queue="orders", build_id="b2")
TWO = ProcessSpec(
    image="server:2", marker="blue", server_id="api-1", environment={"DW_V2_MULTI_NODE": "true"}
)


@dataclass(kw_only=True)
class Cluster(ByScript):
    nomad: Nomad
    site: Memory


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    shutil.copy(PLANS / "command-nomad.py", tmp_path)
    site = Memory()
    with serving(site) as (nomad, environment):
        meta = {"namespace": "orders", "task_queue": "orders", "build_id": "b1", "owner": "ann"}
        for job in (
            service("fleet-node-api-1", "server:1", 1, DW_V2_MULTI_NODE="true", SECRET="s3cr3t"),
            service("fleet-scheduler", "server:1", 1, SCHEDULER_TICK_SECONDS="5"),
            service("fleet-maintenance-repair", "server:1", 1),
            service("fleet-worker-orders-b1", "orders:1", 2, meta=meta),
            service("fleet-job", "server:1", 1),
        ):
            assert nomad.register({"Job": job})[0] == 200
        assert eventually(lambda: len(site.running) == 5)
        nomad.registered.clear()
        argv = [sys.executable, "command-nomad.py"]
        where = {**os.environ, **environment}
        yield Cluster(
            nomad=nomad, site=site, driver=CommandDriver(argv, tmp_path, tmp_path / "state", where)
        )


def test_it_says_what_runs_and_no_secret(cluster: Cluster) -> None:
    driver = cluster.driver
    assert driver.answers() == {Answers.SPEC, Answers.PROCESSES, Answers.JOBS, Answers.ANNOUNCE}
    assert driver.node_spec("api-1") == ProcessSpec(
        image="server:1", environment={"DW_V2_MULTI_NODE": "true"}
    )
    scheduler = driver.scheduler_spec()
    assert scheduler == ProcessSpec(image="server:1", environment={"SCHEDULER_TICK_SECONDS": "5"})
    assert set(driver.maintenance_specs()) == {"repair"}
    assert driver.cohort_specs() == {OLD: CohortSpec(image="orders:1", replicas=2)}
    assert len(driver.cohort_processes(OLD)) == 2


def test_a_node_is_stopped_then_started_anew_and_keeps_what_is_its_own(cluster: Cluster) -> None:
    for _ in range(2):  # the same key may come again
        cluster.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
        assert cluster.driver.node_spec("api-1") == TWO
        assert len(cluster.driver.node_processes("api-1")) == 1
    counts = [job["TaskGroups"][0]["Count"] for job in cluster.nomad.registered]
    assert counts == [0, 1, 1]
    task = cluster.nomad.registered[-1]["TaskGroups"][0]["Tasks"][0]
    assert task["Env"]["SECRET"] == "s3cr3t"
    assert task["Config"]["ports"] == ["http"]
    assert task["Templates"]


def test_cut_off_between_stop_and_start_it_reads_as_nothing_and_the_same_key_ends_it(
    cluster: Cluster,
) -> None:
    job = {**cluster.nomad.jobs["fleet-node-api-1"][0]}
    cluster.nomad.register({"Job": {**job, "TaskGroups": [{**job["TaskGroups"][0], "Count": 0}]}})
    assert eventually(lambda: cluster.site.live("fleet-node-api-1") == 0)
    assert cluster.driver.node_spec("api-1").image == ""
    cluster.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    assert cluster.driver.node_spec("api-1") == TWO


def test_the_scheduler_stops_and_starts(cluster: Cluster) -> None:
    cluster.done("r/scheduler/stop/1", SetScheduler(spec=None))
    assert cluster.driver.scheduler_spec() is None
    assert cluster.driver.scheduler_processes() == ()
    tick = {"SCHEDULER_TICK_SECONDS": "5"}
    spec = ProcessSpec(image="server:2", marker="b", environment=tick)
    cluster.done("r/scheduler/start/1", SetScheduler(spec=spec))
    assert cluster.driver.scheduler_spec() == spec
    assert len(cluster.driver.scheduler_processes()) == 1


def test_maintenance_is_replaced(cluster: Cluster) -> None:
    spec = ProcessSpec(image="server:2")
    cluster.done("r/api/maintenance/repair/1", SetMaintenance(name="repair", spec=spec))
    assert cluster.driver.maintenance_specs() == {"repair": spec}


def test_a_new_build_is_a_copy_of_its_queues_and_grows_and_stops(cluster: Cluster) -> None:
    for number, replicas in enumerate((1, 3, 0)):
        wanted = CohortSpec(image="orders:2", replicas=replicas)
        cluster.done(f"r/scale-{number}/1", SetCohort(cohort=NEW, spec=wanted))
        assert cluster.driver.cohort_specs()[NEW] == wanted
        assert len(cluster.driver.cohort_processes(NEW)) == replicas
    assert cluster.driver.cohort_specs()[OLD] == CohortSpec(image="orders:1", replicas=2)
    job = cluster.nomad.jobs["fleet-worker-orders-b2"][0]
    assert (job["Meta"]["build_id"], job["Meta"]["owner"]) == ("b2", "ann")


def test_a_job_runs_once_under_its_key_and_prints_what_it_printed(cluster: Cluster) -> None:
    change = RunJob(job="migrate-status", image="server:2", revision="2")
    assert cluster.done("orders/2/ledger/1", change) == "Nothing to migrate\n"
    (job,) = cluster.nomad.registered
    task = job["TaskGroups"][0]["Tasks"][0]
    assert (task["Config"]["command"], task["Config"]["args"]) == (
        "php",
        ["artisan", "migrate:status"],
    )


def test_a_job_that_failed_fails_and_runs_anew_at_the_next_attempt(cluster: Cluster) -> None:
    cluster.site.broken.add("server:2")
    change = RunJob(job="bootstrap", image="server:2", revision="2")
    assert cluster.does("orders/2", change).state is JobState.FAILED
    cluster.site.broken.clear()
    cluster.done("orders/2", change)
    assert len(cluster.nomad.registered) == 2


def test_what_it_waits_for_is_said(cluster: Cluster) -> None:
    cluster.site.broken.add("server:2")
    key = "r/api/api-1/replace/1"
    cluster.driver.begin(key, ReplaceNode(node="api-1", spec=TWO))
    assert eventually(lambda: "Failed to pull image" in cluster.driver.work(key).progress, 20.0)
    assert cluster.driver.work(key).progress == (
        "fleet-node-api-1: 0 of 1 run, 0 of before (Failed to pull image: not found)"
    )
    cluster.driver.stop(key)


def test_somebody_elses_change_in_between_is_not_overwritten(cluster: Cluster) -> None:
    cluster.site.gate.clear()  # the stop waits, and meanwhile somebody else registers the job
    key = "r/api/api-1/replace/1"
    cluster.driver.begin(key, ReplaceNode(node="api-1", spec=TWO))
    assert eventually(lambda: len(cluster.nomad.registered) == 1, 20.0)
    stopped = cluster.nomad.registered[0]
    cluster.nomad.register({"Job": {**stopped, "Meta": {"owner": "bob"}}})
    cluster.site.gate.set()
    eventually(lambda: cluster.driver.work(key).state not in UNDER_WAY, 20.0)
    assert cluster.driver.work(key).state is JobState.SUCCEEDED
    assert cluster.driver.node_spec("api-1") == TWO
    assert cluster.nomad.jobs["fleet-node-api-1"][0]["Meta"] == {"owner": "bob"}


def test_somebody_elses_count_or_image_is_not_taken_for_what_was_wanted(cluster: Cluster) -> None:
    cluster.site.gate.clear()
    key = "r/scheduler/stop/1"
    cluster.driver.begin(key, SetScheduler(spec=None))
    assert eventually(lambda: len(cluster.nomad.registered) == 1, 20.0)
    cluster.nomad.register({"Job": service("fleet-scheduler", "server:0", 1)})
    assert eventually(lambda: cluster.driver.work(key).state is JobState.FAILED, 20.0)
    assert "fleet-scheduler has been changed by somebody else" in cluster.driver.work(key).detail
    cluster.site.gate.set()


def test_what_dies_slowly_is_counted_and_gone_before_the_next_one_starts(cluster: Cluster) -> None:
    """Killed after it sent the stop: to Nomad itself a count of one would be leave to start at once."""
    cluster.site.gate.clear()
    cluster.nomad.register({"Job": service("fleet-scheduler", "server:1", 0)})
    assert len(cluster.driver.scheduler_processes()) == 1
    cluster.nomad.registered.clear()
    key = "r/scheduler/start/1"
    cluster.driver.begin(key, SetScheduler(spec=TWO))
    said = "fleet-scheduler: 0 of 0 run, 1 of before"
    assert eventually(lambda: cluster.driver.work(key).progress == said, 20.0)
    assert cluster.site.live("fleet-scheduler") == 1
    cluster.site.gate.set()
    assert eventually(lambda: cluster.driver.work(key).state is JobState.SUCCEEDED, 20.0)
    assert [job["TaskGroups"][0]["Count"] for job in cluster.nomad.registered] == [0, 1]


def test_what_jobs_are_copies_of_outlives_nomads_garbage_collection(cluster: Cluster) -> None:
    cluster.nomad.collect()
    cluster.done("orders/2", RunJob(job="bootstrap", image="server:2", revision="2"))


def test_why_no_machine_takes_it_is_said(cluster: Cluster) -> None:
    cluster.site.full = True
    key = "r/canary/deploy/1"
    cluster.driver.begin(key, SetCohort(cohort=NEW, spec=CohortSpec(image="orders:2", replicas=1)))
    said = "fleet-worker-orders-b2: 0 of 1 run, 0 of before (no machine takes it: memory)"
    assert eventually(lambda: cluster.driver.work(key).progress == said, 20.0)
    cluster.driver.stop(key)


def test_a_task_without_an_image_is_told_it_in_a_variable(cluster: Cluster) -> None:
    job = service("fleet-node-api-1", "", 1, IMAGE="server:1", OWN="kept")
    job["TaskGroups"][0]["Tasks"][0] |= {"Driver": "raw_exec", "Config": {"command": "serve"}}
    cluster.nomad.register({"Job": job})
    assert eventually(lambda: cluster.driver.node_spec("api-1").image == "server:1", 20.0)
    cluster.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=ProcessSpec(image="s:2")))
    task = cluster.nomad.registered[-1]["TaskGroups"][0]["Tasks"][0]
    assert (task["Config"], task["Env"]) == ({"command": "serve"}, {"IMAGE": "s:2", "OWN": "kept"})


def test_its_preview_names_the_jobs_and_what_it_creates_each_after_those_before(
    cluster: Cluster,
) -> None:
    new, old = "job/fleet-worker-orders-b2", "job/fleet-worker-orders-b1"
    assert cluster.previewed() == {
        "schema/run": (("job/fleet-job",), ("task",), ()),
        "api/api-1/replace": (("job/fleet-node-api-1",), ("task",), ()),
        "scheduler/stop": (("job/fleet-scheduler",), ("count",), ()),
        "scheduler/start": (("job/fleet-scheduler",), ("task", "count"), ()),
        "canary/deploy": ((new,), ("task", "count"), (new,)),
        "canary/grow": ((new,), ("count",), ()),
        "drain/stop": ((old,), ("count",), ()),
    }
    assert cluster.nomad.registered == []


def test_a_wrong_token_is_said_in_nomads_words(cluster: Cluster, tmp_path: Path) -> None:
    address = cluster.driver._environment["NOMAD_ADDR"]
    where = {**os.environ, "NOMAD_ADDR": address, "NOMAD_TOKEN": "x", "NOMAD_NAMESPACE": "fleet"}
    driver = CommandDriver([sys.executable, "command-nomad.py"], tmp_path, tmp_path / "s2", where)
    with pytest.raises(OutsideError) as raised:
        driver.node_spec("api-1")
    assert raised.value.why == "It said: GET /v1/jobs?prefix=fleet-: 403 Permission denied"
