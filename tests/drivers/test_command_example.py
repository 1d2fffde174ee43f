"""The shipped script for systemd, against a stand-in for systemctl and one for HAProxy."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.command.driver import CommandDriver
from rollout_kit.drivers.work import processes
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetCohort,
    SetScheduler,
)
from tests.drivers.by_script import CHAIN, OLD
from tests.drivers.conftest import eventually

pytestmark = pytest.mark.processes

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
COHORT = CohortRef(namespace="orders", task_queue="orders", build_id="b2")

# Units are sleeping processes with the environment of their file; a pid stands in a file of each.
SYSTEMCTL = """#!/bin/sh
case "$1" in
show) cat "$UNITS/$4" 2>/dev/null || echo 0;;
stop) kill "$(cat "$UNITS/$2")"; rm "$UNITS/$2";;
restart)
  [ -f "$UNITS/$2" ] && "$0" stop "$2"
  set -a; eval "$(cat "$FLEET_FILES/$2.env")"; DW_V2_MULTI_NODE=true; DB_PASSWORD=s3cr3t; set +a
  setsid sleep 600 >/dev/null 2>&1 3>&- & echo $! > "$UNITS/$2";;
esac
"""
SYSTEMD_RUN = """#!/bin/sh
for word in "$@"; do shift; case "$word" in podman) break;; esac; done
echo "ran: $*"
"""


class Front(threading.Thread):
    """Answers as HAProxy's admin socket does to the two things that the script asks."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.states = {"api-1": "UP", "api-2": "UP"}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()

    def run(self) -> None:
        while True:
            line, _ = self._socket.accept()
            with line:
                line.sendall(self.answer(line.recv(4096).decode()).encode())

    def answer(self, asked: str) -> str:
        match asked.split():
            case ["set", "server", name, "state", state]:
                self.states[name.removeprefix("fleet/")] = "DRAIN" if state == "drain" else "UP"
                return "\n"
            case _:
                rows = [f"fleet,{name},4,{state}" for name, state in self.states.items()]
                return "\n".join(["# pxname,svname,scur,status", *rows, ""])


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[CommandDriver]:
    units, files, programs = (tmp_path / name for name in ("units", "files", "bin"))
    for folder in (units, files, programs):
        folder.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    shutil.copy(PLANS / "command-systemd.py", tmp_path)
    for node in ("api-1", "api-2"):
        (files / f"fleet-node@{node}.service.env").touch()
    short = Path(tempfile.mkdtemp(prefix="front"))  # the path of a socket has a limit
    Front(short / "socket").start()
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "UNITS": str(units),
        "FLEET_FILES": str(files),
        "FLEET_FRONT": str(short / "socket"),
    }
    argv = [sys.executable, "command-systemd.py"]
    yield CommandDriver(argv, tmp_path, tmp_path / "state", environment)
    shutil.rmtree(short)
    for path in units.iterdir():
        pid = int(path.read_text())
        processes.send(pid, processes.started(pid) or "", processes.SIGKILL)


def done(driver: CommandDriver, key: str, change: InfraChange) -> str:
    driver.begin(key, change)
    eventually(lambda: driver.work(key).state not in UNDER_WAY, 20.0)
    status = driver.work(key)
    assert status.state is JobState.SUCCEEDED, status
    return status.output


def test_a_node_is_detached_replaced_and_attached(driver: CommandDriver) -> None:
    assert driver.node_spec("api-1").image == ""
    assert driver.node_processes("api-1") == ()
    own = {"DW_V2_MULTI_NODE": "true"}  # of the unit's own file; its password is told to nobody
    spec = ProcessSpec(image="server:2", marker="blue", server_id="api-1", environment=own)
    done(driver, "r/out/1", SetAttached(node="api-1", attached=False))
    assert (driver.attached("api-1"), driver.attached("api-2")) == (False, True)
    assert driver.connections("api-1") == 4
    for _ in range(2):  # the same key may come again
        done(driver, "r/replace/1", ReplaceNode(node="api-1", spec=spec))
        assert driver.node_spec("api-1") == spec
        assert len(driver.node_processes("api-1")) == 1
    assert driver.work("r/replace/1").detail == "restarting fleet-node@api-1 with server:2"
    done(driver, "r/in/1", SetAttached(node="api-1", attached=True))
    assert driver.attached("api-1")


def test_the_scheduler_stops_and_starts(driver: CommandDriver) -> None:
    assert driver.scheduler_spec() is None
    spec = ProcessSpec(image="server:2", marker="b", environment={"DW_V2_MULTI_NODE": "true"})
    done(driver, "r/start/1", SetScheduler(spec=spec))
    assert driver.scheduler_spec() == spec
    assert len(driver.scheduler_processes()) == 1
    done(driver, "r/stop/1", SetScheduler(spec=None))
    assert driver.scheduler_spec() is None
    assert driver.scheduler_processes() == ()


def test_workers_grow_change_and_stop(driver: CommandDriver) -> None:
    for number, (image, replicas) in enumerate([("a:1", 1), ("a:1", 3), ("a:2", 2), ("a:2", 0)]):
        wanted = CohortSpec(image=image, replicas=replicas)
        done(driver, f"r/scale-{number}/1", SetCohort(cohort=COHORT, spec=wanted))
        assert driver.cohort_specs() == {COHORT: wanted}
        assert len(driver.cohort_processes(COHORT)) == replicas


def test_its_preview_names_the_units_each_change_after_those_before(driver: CommandDriver) -> None:
    done(driver, "r/old/1", SetCohort(cohort=OLD, spec=CohortSpec(image="orders:1", replicas=1)))
    detached = SetAttached(node="api-1", attached=False)
    told = driver.announce((*CHAIN, ("out", detached), ("again", detached)))
    new, old = "fleet-worker@orders:b2:*", "fleet-worker@orders:b1:*"
    server = ("image", "marker", "server_id")
    assert [(one.operation, one.resources, one.changed, one.creates) for one in told] == [
        ("schema/run", ("podman run server-bootstrap",), ("image",), ()),
        ("api/api-1/replace", ("fleet-node@api-1",), server, ()),
        ("scheduler/stop", ("fleet-scheduler",), (), ()),
        ("scheduler/start", ("fleet-scheduler",), server, ()),
        ("canary/deploy", (new,), ("image", "replicas"), (new,)),
        ("canary/grow", (new,), ("replicas",), ()),
        ("drain/stop", (old,), ("replicas",), ()),
        ("out", ("haproxy/fleet/api-1",), ("attached",), ()),
        ("again", ("haproxy/fleet/api-1",), (), ()),
    ]
    assert driver.attached("api-1")


def test_a_job_prints_what_it_prints(driver: CommandDriver) -> None:
    change = RunJob(job="migrate-status", image="server:2", revision="2")
    output = done(driver, "orders/2/ledger/1", change)
    assert output == "ran: run --rm --env-host server:2 php artisan migrate:status\n"
