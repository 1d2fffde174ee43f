"""Nodes of the emulator as processes of their own, on ports of their own, over one database."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollout_kit.emulator import bootstrap

TOKENS = {"worker": "worker-token", "operator": "operator-token", "admin": "admin-token"}


@dataclass(slots=True)
class Served:
    """A database file, and the processes started over it."""

    database: Path
    generation: str
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def node(self, port: int, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        return self.process("serve", "--port", str(port), *arguments, **env)

    def process(self, module: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        given = {f"DW_{role.upper()}_TOKEN": token for role, token in TOKENS.items()}
        argv = [sys.executable, "-m", f"rollout_kit.emulator.{module}"]
        argv += ["--generation", self.generation, "--database", str(self.database)]
        started = subprocess.Popen([*argv, *arguments], env=os.environ | given | env)
        self.running.append(started)
        return started


@contextmanager
def served(folder: Path, generation: str, version: str) -> Iterator[Served]:
    """A bootstrapped cluster without nodes; whatever was started ends with it."""
    made = Served(folder / "cluster.db", generation)
    bootstrap.main(["--database", str(made.database), "--to", version])
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()
            process.wait()


def get(port: int, path: str, *, role: str = "operator", timeout_s: float = 5) -> tuple[int, Any]:
    """Raises OSError when there is no answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {TOKENS[role]}",
        "X-Durable-Workflow-Control-Plane-Version": "2",
    }
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except http.client.HTTPException as cut:
        raise ConnectionError(str(cut)) from cut
    finally:
        connection.close()


def wait_until(done: Callable[[], bool], within_s: float = 20) -> None:
    """Look every 50 ms; an unreachable server counts as not yet."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if done():
                return
        except OSError:
            pass
        time.sleep(0.05)
    msg = f"still waiting after {within_s} s"
    raise TimeoutError(msg)


def is_ready(port: int) -> bool:
    return get(port, "/api/ready")[0] == 200
