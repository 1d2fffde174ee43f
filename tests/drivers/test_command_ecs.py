"""The shipped script for ECS, real boto3 against moto's API: each change, twice, and from half-way."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.errors import Unavailable
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
from tests.drivers.ecs import CLUSTER, Agents, cluster, define, service

pytestmark = [
    pytest.mark.processes,
    pytest.mark.crash,
    pytest.mark.usefixtures("answers_awaited"),
]

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
OLD = CohortRef(namespace="orders", task_queue="orders", build_id="b1")
NEW = CohortRef(namespace="orders", task_queue="orders", build_id="b2")
TWO = ProcessSpec(
    image="server:2", marker="blue", server_id="api-1", environment={"DW_V2_MULTI_NODE": "true"}
)


@dataclass(kw_only=True)
class Fleet(ByScript):
    agents: Agents

    def tags_of(self, family: str) -> dict[str, str]:
        """Those of its newest revision."""
        found = self.agents.api.describe_task_definition(taskDefinition=family, include=["TAGS"])
        return {tag["key"]: tag["value"] for tag in found.get("tags", [])}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    shutil.copy(PLANS / "command-ecs.py", tmp_path)
    with cluster() as (agents, environment):
        service(agents, "fleet-node-api-1", "server:1", 1, DW_V2_MULTI_NODE="true", OWN="kept")
        service(agents, "fleet-scheduler", "server:1", 1)
        service(agents, "fleet-maintenance-repair", "server:1", 1)
        tags = {"namespace": "orders", "task_queue": "orders", "build_id": "b1"}
        service(agents, "fleet-worker-orders-b1", "orders:1", 2, tags=tags)
        define(agents, "fleet-job", "server:1")
        assert eventually(lambda: len(agents.started) == 5)
        agents.started.clear()
        argv = [sys.executable, "command-ecs.py"]
        where = {**os.environ, **environment}
        yield Fleet(agents=agents, driver=CommandDriver(argv, tmp_path, tmp_path / "state", where))


def test_it_says_what_runs(fleet: Fleet) -> None:
    driver = fleet.driver
    assert driver.answers() == {Answers.SPEC, Answers.PROCESSES, Answers.JOBS, Answers.ANNOUNCE}
    assert driver.node_spec("api-1") == ProcessSpec(
        image="server:1", environment={"DW_V2_MULTI_NODE": "true"}
    )
    assert driver.scheduler_spec() == ProcessSpec(image="server:1")
    assert driver.maintenance_specs() == {"repair": ProcessSpec(image="server:1")}
    assert driver.cohort_specs() == {OLD: CohortSpec(image="orders:1", replicas=2)}
    assert len(driver.cohort_processes(OLD)) == 2


def test_a_node_is_stopped_then_started_anew_and_keeps_what_is_its_own(fleet: Fleet) -> None:
    for _ in range(2):  # the same key may come again
        fleet.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
        assert fleet.driver.node_spec("api-1") == TWO
        assert len(fleet.driver.node_processes("api-1")) == 1
    assert fleet.agents.started == [("fleet-node-api-1", "server:2")]
    found = fleet.agents.api.describe_task_definition(taskDefinition="fleet-node-api-1")
    (container,) = found["taskDefinition"]["containerDefinitions"]
    assert {"name": "OWN", "value": "kept"} in container["environment"]
    assert container["secrets"][0]["name"] == "DB_PASSWORD"
    assert fleet.tags_of("fleet-node-api-1") == {"team": "orders"}


def test_cut_off_between_stop_and_start_it_reads_as_nothing_and_the_same_key_ends_it(
    fleet: Fleet,
) -> None:
    fleet.agents.api.update_service(cluster=CLUSTER, service="fleet-node-api-1", desiredCount=0)
    assert eventually(lambda: fleet.driver.node_spec("api-1").image == "", 20.0)
    fleet.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    assert fleet.driver.node_spec("api-1") == TWO


def test_the_scheduler_stops_and_starts_and_maintenance_is_replaced(fleet: Fleet) -> None:
    fleet.done("r/scheduler/stop/1", SetScheduler(spec=None))
    assert fleet.driver.scheduler_spec() is None
    assert fleet.driver.scheduler_processes() == ()
    spec = ProcessSpec(image="server:2", marker="b")
    fleet.done("r/scheduler/start/1", SetScheduler(spec=spec))
    assert fleet.driver.scheduler_spec() == spec
    assert len(fleet.driver.scheduler_processes()) == 1
    fleet.done("r/api/maintenance/repair/1", SetMaintenance(name="repair", spec=spec))
    assert fleet.driver.maintenance_specs() == {"repair": spec}


def test_a_new_build_is_made_like_one_of_its_queue_and_grows_and_stops(fleet: Fleet) -> None:
    for number, replicas in enumerate((1, 3, 0)):
        wanted = CohortSpec(image="orders:2", replicas=replicas)
        fleet.done(f"r/scale-{number}/1", SetCohort(cohort=NEW, spec=wanted))
        assert fleet.driver.cohort_specs()[NEW] == wanted
        assert len(fleet.driver.cohort_processes(NEW)) == replicas
    assert fleet.driver.cohort_specs()[OLD] == CohortSpec(image="orders:1", replicas=2)
    found = fleet.agents.api.describe_task_definition(taskDefinition="fleet-worker-orders-b2")
    environment = found["taskDefinition"]["containerDefinitions"][0]["environment"]
    assert environment == [{"name": "FLEET_BUILD_ID", "value": "b2"}]
    assert fleet.tags_of("fleet-worker-orders-b2") == {"team": "orders"}


def test_a_definition_without_tags_gets_none(fleet: Fleet) -> None:
    kept = fleet.agents.api.describe_task_definition(taskDefinition="fleet-node-api-1")
    containers = kept["taskDefinition"]["containerDefinitions"]
    plain = fleet.agents.api.register_task_definition(
        family="plain", containerDefinitions=containers
    )
    arn = plain["taskDefinition"]["taskDefinitionArn"]
    fleet.agents.api.update_service(cluster=CLUSTER, service="fleet-node-api-1", taskDefinition=arn)
    fleet.done("r/api/api-1/replace/1", ReplaceNode(node="api-1", spec=TWO))
    assert fleet.tags_of("plain") == {}


def test_a_job_runs_once_under_its_key_and_prints_its_log(fleet: Fleet) -> None:
    change = RunJob(job="migrate-status", image="server:2", revision="2")
    assert fleet.done("orders/2/ledger/1", change) == "Nothing to migrate\n"
    assert fleet.agents.started == [("php artisan migrate:status", "server:2")]


def test_a_job_that_failed_says_how_and_runs_anew_at_the_next_attempt(fleet: Fleet) -> None:
    fleet.agents.broken.add("server:2")
    change = RunJob(job="bootstrap", image="server:2", revision="2")
    status = fleet.does("orders/2", change)
    assert status.state is JobState.FAILED
    assert "the task ended with exit status 1: no reason given" in status.detail
    fleet.agents.broken.clear()
    fleet.done("orders/2", change)
    assert [name for name, _ in fleet.agents.started] == ["server-bootstrap", "server-bootstrap"]


def test_what_it_waits_for_is_said(fleet: Fleet) -> None:
    fleet.agents.broken.add("server:2")
    key = "r/api/api-1/replace/1"
    fleet.driver.begin(key, ReplaceNode(node="api-1", spec=TWO))
    said = "fleet-node-api-1: 0 of 1 run, 0 of before; (server:2) was unable to place a task"
    assert eventually(lambda: fleet.driver.work(key).progress == said, 20.0)
    fleet.driver.stop(key)


def test_its_preview_names_the_services_and_what_it_creates_each_after_those_before(
    fleet: Fleet,
) -> None:
    new, old = "service/fleet-worker-orders-b2", "service/fleet-worker-orders-b1"
    server = ("image", "marker", "server_id")
    assert fleet.previewed() == {
        "schema/run": (("service/fleet-job",), ("image",), ()),
        "api/api-1/replace": (("service/fleet-node-api-1",), server, ()),
        "scheduler/stop": (("service/fleet-scheduler",), ("image",), ()),
        "scheduler/start": (("service/fleet-scheduler",), server, ()),
        "canary/deploy": ((new,), ("image", "replicas"), (new,)),
        "canary/grow": ((new,), ("replicas",), ()),
        "drain/stop": ((old,), ("replicas",), ()),
    }
    assert fleet.agents.started == []


def test_what_dies_slowly_is_counted_and_gone_before_the_next_one_starts(fleet: Fleet) -> None:
    """Killed after it sent the stop: to ECS itself a count of one would be leave to start at once."""
    fleet.agents.slow.add("fleet-scheduler")
    fleet.agents.api.update_service(cluster=CLUSTER, service="fleet-scheduler", desiredCount=0)
    assert len(fleet.driver.scheduler_processes()) == 1
    key = "r/undo/scheduler/stop/1"
    fleet.driver.begin(key, SetScheduler(spec=ProcessSpec(image="server:1")))
    said = "fleet-scheduler: 0 of 0 run, 0 of before; "
    assert eventually(lambda: fleet.driver.work(key).progress == said, 60.0)
    assert fleet.agents.started == []
    fleet.agents.slow.clear()
    assert eventually(lambda: fleet.driver.work(key).state is JobState.SUCCEEDED, 60.0)
    assert fleet.agents.started == [("fleet-scheduler", "server:1")]


def test_somebody_elses_count_is_not_taken_for_what_was_wanted(fleet: Fleet) -> None:
    fleet.agents.slow.add("fleet-scheduler")
    key = "r/scheduler/stop/1"
    fleet.driver.begin(key, SetScheduler(spec=None))
    assert eventually(lambda: "0 of 0 run" in fleet.driver.work(key).progress, 60.0)
    fleet.agents.api.update_service(cluster=CLUSTER, service="fleet-scheduler", desiredCount=1)
    assert eventually(lambda: fleet.driver.work(key).state is JobState.FAILED, 60.0)
    assert "fleet-scheduler has been changed by somebody else" in fleet.driver.work(key).detail


def test_what_aws_refuses_is_said_in_its_words(fleet: Fleet, tmp_path: Path) -> None:
    where = {**fleet.driver._environment, "FLEET_CLUSTER": "elsewhere"}
    driver = CommandDriver([sys.executable, "command-ecs.py"], tmp_path, tmp_path / "s2", where)
    with pytest.raises(Unavailable) as raised:
        driver.node_spec("api-1")
    assert "ClusterNotFoundException" in raised.value.why
