"""A child that is ready before its work comes: it does it, or leaves without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.work import children, processes
from rollout_kit.ports.infra import JobState, ReplaceNode, SetAttached
from tests.drivers.conftest import eventually
from tests.drivers.test_process_driver import finish, start_node, supervisor_pid


def spare_of(driver: ProcessDriver) -> int:
    """Take the node out of rotation; the pid of the child that waits from then on."""
    driver.begin("detach", SetAttached(node="api-1", attached=False))
    (spare,) = driver._work._children._spare
    return spare.process.pid


def replace_node(driver: ProcessDriver) -> None:
    change = ReplaceNode(node="api-1", spec=replace(driver.node_spec("api-1"), image="server:2"))
    driver.begin("replace", change)


def test_who_leaves_rotation_is_restarted_by_a_child_that_was_there_already(
    driver: ProcessDriver,
) -> None:
    old = start_node(driver)
    spare = spare_of(driver)
    replace_node(driver)
    assert finish(driver, "replace") is JobState.SUCCEEDED
    assert supervisor_pid(driver, "replace") == spare
    assert os.getsid(spare) == spare  # it outlives us
    assert processes.started(old) is None
    assert len(driver.node_processes("api-1")) == 1


def test_a_spare_child_that_was_killed_is_done_without(driver: ProcessDriver) -> None:
    start_node(driver)
    spare = spare_of(driver)
    os.kill(spare, signal.SIGKILL)
    assert eventually(lambda: processes.started(spare) is None)
    replace_node(driver)
    assert finish(driver, "replace") is JobState.SUCCEEDED
    assert supervisor_pid(driver, "replace") != spare


def test_a_spare_child_ends_with_the_tool(fleet_file: Path, environment: dict[str, str]) -> None:
    driver = ProcessDriver(fleet_file, environment)
    spare = spare_of(driver)
    assert processes.started(spare) is not None
    del driver
    assert eventually(lambda: processes.started(spare) is None)


@pytest.mark.parametrize("half", [b"", b"settle", b"settle\0/work\0/resource"])
def test_half_an_order_is_none(half: bytes, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    ours, theirs = socket.socketpair()
    with ours, theirs, lock.open("wb") as held:
        child = subprocess.Popen(
            children.argv("rollout_kit.drivers.process.settling", str(theirs.fileno())),
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        socket.send_fds(ours, [b"%"], [held.fileno(), held.fileno()])
        ours.sendall(half)
        ours.close()
        assert child.wait(10) == 0
    assert sorted(tmp_path.iterdir()) == [lock]
