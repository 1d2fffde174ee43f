"""The emulator as operating-system processes over one database file."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.emulator import bootstrap
from rollout_kit.emulator.model import passes
from rollout_kit.emulator.model.records import SchedulerProcess
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.sandbox.free_ports import free_ports
from tests.emulator.cluster import TOKENS

pytestmark = pytest.mark.processes

ENVIRONMENT = {
    "DW_WORKER_TOKEN": TOKENS["worker"],
    "DW_OPERATOR_TOKEN": TOKENS["operator"],
    "DW_ADMIN_TOKEN": TOKENS["admin"],
    "DW_WORKER_POLL_TIMEOUT": "1",
    "DW_V2_CURRENT_COMPATIBILITY": "b1",
}


class Fleet:
    """Processes of one cluster, and a client that opens a connection for each request."""

    def __init__(self, database: Path, generation: Generation) -> None:
        self.database = database
        self.protocol = {Generation.V0_2: "1.0", Generation.V2: "1.19"}[generation]
        self._generation = generation
        self._running: list[subprocess.Popen[bytes]] = []
        version = {Generation.V0_2: "0.2.9", Generation.V2: "2.3.14"}[generation]
        bootstrap.main(["--database", str(database), "--to", version])

    def run(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", f"rollout_kit.emulator.{module}",
                "--generation", self._generation.value, "--database", str(self.database)]  # fmt: skip
        process = subprocess.Popen([*argv, *arguments], env=os.environ | ENVIRONMENT)
        self._running.append(process)
        return process

    def serve(self) -> tuple[subprocess.Popen[bytes], int]:
        (port,) = free_ports(1)
        process = self.run("serve", "--port", str(port))
        self.until(lambda: self.call(port, "GET", "/api/ready")[0] == 200)
        return process, port

    def call(
        self, port: int, method: str, path: str, body: object = None, role: str = "operator"
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {TOKENS[role]}",
            "X-Durable-Workflow-Control-Plane-Version": "2",
            "X-Durable-Workflow-Protocol-Version": self.protocol,
        }
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            assert response.getheader("Connection") == "close"
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def until(self, done: Callable[[], bool], within_s: float = 20) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if done():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        pytest.fail(f"still waiting after {within_s} s")

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture(params=list(Generation), ids=str)
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "cluster.db", request.param)
    yield made
    made.stop()


def test_a_poll_is_held_until_work_comes_or_its_time_is_over(fleet: Fleet) -> None:
    _, port = fleet.serve()
    me = {"worker_id": "w1", "task_queue": "q"}
    fleet.call(port, "POST", "/api/worker/register",
               me | {"runtime": "python", "build_id": "b1"}, "worker")  # fmt: skip
    began = time.monotonic()
    _, empty = fleet.call(port, "POST", "/api/worker/workflow-tasks/poll", me, "worker")
    waited = time.monotonic() - began
    assert empty["task"] is None
    assert 0.9 < waited < 5
    start = {"workflow_id": "o-1", "workflow_type": "order", "task_queue": "q", "input": [1]}
    late = threading.Timer(0.3, fleet.call, (port, "POST", "/api/workflows", start))
    late.start()
    _, found = fleet.call(port, "POST", "/api/worker/workflow-tasks/poll", me, "worker")
    late.join()
    assert found["task"]["workflow_id"] == "o-1"


def test_a_terminated_node_cuts_its_polls_and_is_gone_at_once(fleet: Fleet) -> None:
    process, port = fleet.serve()
    me = {"worker_id": "w1", "task_queue": "q"}
    fleet.call(port, "POST", "/api/worker/register", me | {"runtime": "python"}, "worker")
    cut: list[type[BaseException]] = []

    def hang() -> None:
        try:
            fleet.call(port, "POST", "/api/worker/activity-tasks/poll", me, "worker")
        except (OSError, http.client.HTTPException) as error:
            cut.append(type(error))

    poll = threading.Thread(target=hang)
    poll.start()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=2) == 0
    poll.join(timeout=2)
    assert len(cut) == 1
    with pytest.raises(ConnectionRefusedError):
        fleet.call(port, "GET", "/api/health")


def test_a_node_without_its_database_file_is_not_ready(fleet: Fleet, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    fleet.database = tmp_path / "elsewhere.db"
    fleet.run("serve", "--port", str(port))
    fleet.until(lambda: fleet.call(port, "GET", "/api/ready")[0] == 503)
    _, body = fleet.call(port, "GET", "/api/ready")
    assert "does not exist" in body["checks"]["database"]["message"]
    assert fleet.call(port, "GET", "/api/health")[0] == 503


def test_nodes_and_workers_share_the_work_and_lose_none(fleet: Fleet) -> None:
    ports = [fleet.serve()[1] for _ in range(2)]
    fleet.run("scheduler", "--tick", "0.2")
    fleet.run("maintenance", "--every", "0.1")
    names = [f"o-{number}" for number in range(30)]
    stop = threading.Event()
    claimed: list[str] = []

    def work(number: int) -> None:
        port, me = ports[number % 2], {"worker_id": f"w{number}", "task_queue": "q"}
        about = me | {"runtime": "python", "build_id": "b1"}
        fleet.call(port, "POST", "/api/worker/register", about, "worker")
        while not stop.is_set():
            _, body = fleet.call(port, "POST", "/api/worker/workflow-tasks/poll", me, "worker")
            task = body["task"]
            if task is None:
                continue
            first = task["total_history_events"] == 2
            command = {"type": "start_timer", "delay_seconds": 0} if first else {
                "type": "complete_workflow", "result": None}  # fmt: skip
            done = {"lease_owner": me["worker_id"], "workflow_task_attempt": 1,
                    "commands": [command]}  # fmt: skip
            path = f"/api/worker/workflow-tasks/{task['task_id']}/complete"
            assert fleet.call(port, "POST", path, done, "worker")[0] == 200
            claimed.append(task["task_id"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for number, name in enumerate(names):
        body = {"workflow_id": name, "workflow_type": "order", "task_queue": "q"}
        assert fleet.call(ports[number % 2], "POST", "/api/workflows", body)[0] == 201

    def all_done() -> bool:
        listed = fleet.call(ports[0], "GET", "/api/workflows?status=completed")[1]
        return len(listed["workflows"]) == len(names)

    fleet.until(all_done)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 2 * len(names)


def test_two_scheduler_processes_are_found_out(fleet: Fleet) -> None:
    first = fleet.run("scheduler", "--tick", "0.1")
    store = SqliteStore(fleet.database)

    def overlaps() -> int:
        with store.read() as rows:
            return passes.scheduler_overlaps(rows)

    def ticks() -> int:
        with store.read() as rows:
            return sum(one.ticks for one in rows.select(SchedulerProcess))

    fleet.until(lambda: ticks() >= 5)
    assert overlaps() == 0
    fleet.run("scheduler", "--tick", "0.1")
    fleet.until(lambda: overlaps() > 0)
    first.terminate()
    assert first.wait(timeout=2) == 0
