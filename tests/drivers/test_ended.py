"""What the process driver tells of a program that ended by itself, and of which it tells nothing."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work import processes
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.infra import CohortSpec, JobState, ReplaceNode, SetCohort, SetScheduler
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes

NEW = CohortRef(namespace="default", task_queue="orders", build_id="b2")


def finish(driver: ProcessDriver, key: str) -> None:
    under_way = {JobState.QUEUED, JobState.RUNNING}
    eventually(lambda: driver.work(key).state not in under_way)
    assert driver.work(key).state is JobState.SUCCEEDED, driver.work(key)


def start_node(driver: ProcessDriver, image: str, key: str = "start") -> None:
    spec = replace(driver.node_spec("api-1"), image=image)
    driver.begin(key, ReplaceNode(node="api-1", spec=spec))
    finish(driver, key)


def supervisor_of(driver: ProcessDriver, key: str) -> int:
    pid: int = json.loads((driver.state.work(key) / "status.json").read_text())["pid"]
    return pid


def told(driver: ProcessDriver, resource: str) -> ProgramEnd:
    """Its end with the exit status, which is noted a moment after the program is gone."""
    found = eventually(
        lambda: (end := driver.ended(resource)) and end.exit_status is not None and end
    )
    assert found
    return found


def test_a_node_that_exits_tells_its_status_its_age_and_its_last_lines_without_secrets(
    driver: ProcessDriver,
) -> None:
    start_node(driver, "talking")
    end = told(driver, "node/api-1")
    assert (end.count, end.exit_status) == (1, 1)
    assert end.after_s is not None
    assert 0.0 < end.after_s < 5.0
    assert end.last_lines == "${env:FLEET_TOKEN}\ngiving up"


def test_what_runs_or_was_stopped_or_never_started_has_not_ended_by_itself(
    driver: ProcessDriver,
) -> None:
    assert driver.ended("node/api-1") is None
    start_node(driver, "server:1")
    assert driver.ended("node/api-1") is None
    spec = driver.scheduler_spec()
    assert spec is not None
    driver.begin("start-scheduler", SetScheduler(spec=spec))
    finish(driver, "start-scheduler")
    driver.begin("stop-scheduler", SetScheduler(spec=None))
    finish(driver, "stop-scheduler")
    assert driver.ended("scheduler") is None


def test_a_killed_worker_is_counted_among_its_fellows(driver: ProcessDriver) -> None:
    driver.begin("start", SetCohort(cohort=NEW, spec=CohortSpec(image="worker:2", replicas=3)))
    finish(driver, "start")
    os.kill(driver.cohort_processes(NEW)[0].pid, signal.SIGKILL)
    end = told(driver, f"cohort/{NEW.path}")
    assert (end.count, end.exit_status, end.last_lines) == (1, -9, "")


def test_a_start_after_the_end_forgets_it(driver: ProcessDriver) -> None:
    start_node(driver, "talking")
    told(driver, "node/api-1")
    start_node(driver, "server:1", "again")
    assert driver.ended("node/api-1") is None


def test_whoever_watches_for_the_status_ends_with_the_program(driver: ProcessDriver) -> None:
    start_node(driver, "server:1")
    watcher = supervisor_of(driver, "start")
    assert processes.started(watcher) is not None
    (node,) = driver.node_processes("api-1")
    os.kill(node.pid, signal.SIGTERM)
    assert eventually(lambda: processes.started(watcher) is None)
    assert told(driver, "node/api-1").exit_status == -15
