"""Recorded series that only real processes and sockets can show."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.sandbox.free_ports import free_ports
from tests.contract.recordings import folder
from tests.contract.served import TOKENS, get, is_ready, served, wait_until

pytestmark = pytest.mark.processes


def probe(port: int) -> tuple[object, ...]:
    try:
        ready, _ = get(port, "/api/ready")
        status, info = get(port, "/api/cluster/info")
    except OSError:
        return ("no answer",)
    return (ready, status, info["version"], info["server_id"])


def sampled(sample: dict[str, Any]) -> tuple[object, ...]:
    if "client_error" in sample:
        return ("no answer",)
    return tuple(sample[name] for name in ("ready", "cluster_info", "version", "server_id"))


def test_a_node_that_is_replaced_is_gone_and_then_there_in_its_new_version(tmp_path: Path) -> None:
    """Same states in the same order: old version, no answer at all, new version at once ready."""
    samples = folder.load("node-restart/timeline")["samples"]
    recorded = [state for state, _ in groupby(map(sampled, samples))]
    (port,) = free_ports(1)
    with served(tmp_path, "0.2", "0.2.10") as cluster:
        old = cluster.node(port, DW_SERVER_ID="server-a", APP_VERSION="0.2.9")
        wait_until(lambda: is_ready(port))
        seen = [probe(port)]
        old.send_signal(signal.SIGTERM)
        old.wait(timeout=10)
        seen.append(probe(port))
        cluster.node(port, DW_SERVER_ID="server-a", APP_VERSION="0.2.10")

        def looked_again() -> bool:
            seen.append(probe(port))
            return seen[-1] != ("no answer",)

        wait_until(looked_again)
    assert [state for state, _ in groupby(seen)] == recorded


def test_long_polls_starve_a_node_with_few_threads_so_that_ready_times_out(tmp_path: Path) -> None:
    """Four threads and four workers of three polls each, as recorded; shorter polls, same end."""
    samples = folder.load("ready/long-poll-starvation")["samples"]
    recorded = ["timed out" if "timed out" in sample["error"] else "" for sample in samples]
    (port,) = free_ports(1)
    with served(tmp_path, "0.2", "0.2.10") as cluster:
        cluster.node(port, "--threads", "4", DW_WORKER_POLL_TIMEOUT="30")
        wait_until(lambda: is_ready(port))
        for number in range(4):
            registered = {"worker_id": f"w{number}", "task_queue": "lp", "runtime": "python"}
            with _sent(port, "register", registered) as connection:
                assert connection.recv(20).startswith(b"HTTP/1.1 201")
        polls = [
            _sent(port, f"{kind}-tasks/poll", {"worker_id": f"w{number}", "task_queue": "lp"})
            for number in range(4)
            for kind in ("workflow", "activity", "query")
        ]
        seen = [_outcome(port) for _ in samples]
        for poll in polls:
            poll.close()
    assert seen == recorded


def _outcome(port: int) -> str:
    try:
        get(port, "/api/ready", timeout_s=1)
    except TimeoutError:
        return "timed out"
    return "answered"


def _sent(port: int, path: str, body: Mapping[str, object]) -> socket.socket:
    """A request that nobody waits for."""
    payload = json.dumps(body)
    lines = [
        f"POST /api/worker/{path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKENS['worker']}",
        "X-Durable-Workflow-Protocol-Version: 1.0",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    ]
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall("\r\n".join([*lines, "", payload]).encode())
    return connection
