"""Logs and folders of what ended long ago make room; what may still be asked for stays."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work import pruning, roles
from rollout_kit.ports.infra import JobState, ReplaceNode, RunCommand, RunJob
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes
KEPT = pruning.KEPT


def finish(driver: ProcessDriver, key: str) -> None:
    under_way = {JobState.QUEUED, JobState.RUNNING}
    eventually(lambda: driver.work(key).state not in under_way)
    assert driver.work(key).state is JobState.SUCCEEDED, driver.work(key)


def ended(driver: ProcessDriver, rollout: str, count: int, resource: str = "node/api-1") -> None:
    """Changes of a rollout that ended, the first the longest ago."""
    driver.state.create()
    for number in range(count):
        key = f"{rollout}/api/{number}/1"
        lock = driver.state.begin(key, resource)
        assert lock is not None
        driver.state.write_status(key, JobState.SUCCEEDED)
        os.close(lock)
        os.utime(driver.state.work(key), (1000 + number, 1000 + number))


def left(driver: ProcessDriver, rollout: str) -> list[int]:
    """Which of a rollout's changes are still known, by number."""
    keys = {f"{rollout}/api/{number}/1": number for number in range(100)}
    return [n for key, n in keys.items() if driver.work(key).state is not JobState.UNKNOWN]


def restart(driver: ProcessDriver, key: str, image: str = "server:1") -> None:
    spec = replace(driver.node_spec("api-1"), image=image)
    driver.begin(key, ReplaceNode(node="api-1", spec=spec))
    finish(driver, key)


def test_a_change_leaves_the_newest_of_its_resource_and_all_of_its_own_rollout(
    driver: ProcessDriver,
) -> None:
    ended(driver, "old", KEPT + 5)
    ended(driver, "mine", KEPT + 5, "front/api-1")
    ended(driver, "other", 3, "scheduler")
    restart(driver, "mine/api/now/1")
    assert eventually(lambda: len(left(driver, "old")) < KEPT)
    assert left(driver, "old") == list(range(6, KEPT + 5)), "with the present one, the newest"
    assert left(driver, "mine") == list(range(KEPT + 5))
    assert left(driver, "other") == [0, 1, 2]
    assert driver.work("mine/api/now/1").state is JobState.SUCCEEDED


def test_what_runs_is_never_pruned_however_old(driver: ProcessDriver) -> None:
    driver.begin("old/slow/1", RunJob(job="slow", image="plain"))
    work, role = driver.state.work("old/slow/1"), driver.state.role("job/slow")
    assert eventually(lambda: (held := roles.holder(role)) and held.alive)
    assert eventually(lambda: all((work / name).exists() for name in ("stdout", "stderr")))
    os.utime(work, (1, 1))
    ended(driver, "older", KEPT + 2, "job/slow")
    restart(driver, "mine/api/1")
    assert eventually(lambda: len(left(driver, "older")) == KEPT)
    assert driver.work("old/slow/1").state is JobState.RUNNING
    driver.stop("old/slow/1")


def test_a_pruned_command_leaves_no_role_behind(driver: ProcessDriver) -> None:
    for number in range(KEPT + 1):
        key = f"r{number}/run/1"
        driver.begin(key, RunCommand(argv=("true",)))
        finish(driver, key)
        os.utime(driver.state.work(key), (1000 + number, 1000 + number))
    role = Path(driver.state.role("command/r0/run/1") + ".lock")
    newer = Path(driver.state.role("command/r1/run/1") + ".lock")
    assert newer.exists()
    restart(driver, "mine/api/1")
    assert eventually(lambda: not role.exists())
    assert newer.exists()
    assert driver.work("r0/run/1").state is JobState.UNKNOWN


def test_a_folder_that_does_not_say_whose_it_is_stays(driver: ProcessDriver) -> None:
    ended(driver, "old", KEPT + 3)
    unnamed = driver.state.work("old/api/0/1")
    (unnamed / pruning.OF).unlink()
    restart(driver, "mine/api/1")
    assert eventually(lambda: len(left(driver, "old")) == KEPT)
    assert unnamed.exists()


def test_each_launch_has_a_log_of_its_own_and_the_oldest_go(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for launch in range(KEPT + 5):
        pruning.rotate(str(log))
        log.write_text(str(launch))
    assert log.read_text() == str(KEPT + 4)
    older = {n: (tmp_path / f"a.log.{n}").read_text() for n in range(1, KEPT + 1)}
    assert older == {n: str(KEPT + 4 - n) for n in range(1, KEPT + 1)}
    assert len(list(tmp_path.iterdir())) == KEPT + 1


def test_a_launch_that_printed_nothing_pushes_nothing_out(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.touch()
    pruning.rotate(str(log))
    assert list(tmp_path.iterdir()) == [log]


def test_the_last_lines_are_those_of_the_last_launch_alone(driver: ProcessDriver) -> None:
    restart(driver, "one", "talking")
    assert eventually(lambda: roles.holder(driver.state.role("node/api-1")) is None)
    restart(driver, "two", "broken")
    assert eventually(lambda: driver.ended("node/api-1"))
    end = driver.ended("node/api-1")
    assert end is not None
    assert end.last_lines == ""
    kept = Path(driver.state.log("node/api-1") + ".1")
    assert kept.read_text().endswith("giving up\n")
