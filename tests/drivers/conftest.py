"""A fleet of tiny programs in a folder of its own, and nothing of it left at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from rollout_kit.drivers.command import looks
from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.process.whole import stop_everything
from rollout_kit.sandbox.free_ports import free_ports

T = TypeVar("T")

SLEEPER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
ANSWERING = (
    "import os, sys, socketserver\n"
    "class Answer(socketserver.BaseRequestHandler):\n"
    "    def handle(self):\n"
    "        self.request.sendall(os.environ['NAME'].encode()); self.request.recv(100)\n"
    "class Server(socketserver.ThreadingTCPServer):\n"
    "    allow_reuse_address = True; daemon_threads = True\n"
    "Server(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()\n"
)

FLEET = """
version: 1
stop_grace: 0.4s
images:
  server:1: {{version: 1.0.0, argv: ["-c", "{sleeper}"]}}
  server:2: {{version: 2.0.0, argv: ["-c", "{sleeper}"], environment: {{APP_VERSION: "2.0.0"}}}}
  stubborn: {{argv: ["-c", "{stubborn}"]}}
  broken: {{argv: ["-c", "raise SystemExit(3)"]}}
  talking: {{argv: ["-c", "import os, sys; print(os.environ['TOKEN'], flush=True); sys.exit('giving up')"]}}
  plain: {{}}
  worker:1: {{argv: ["-c", "{sleeper}"]}}
  worker:2: {{argv: ["-c", "{sleeper}"]}}
front: {{port: {front}}}
node_template:
  argv: ["{{python}}", "-S", "{{image}}", "{{port}}"]
  environment: {{TOKEN: "${{env:FLEET_TOKEN}}", SHARED: "1"}}
nodes:
  api-1: {{port: {one}, image: server:1, server_id: api-1, marker: blue}}
  api-2: {{port: {two}, image: server:1, server_id: api-2}}
scheduler: {{argv: ["{{python}}", "-S", "{{image}}"], image: server:1}}
maintenance:
  repair: {{argv: ["{{python}}", "-S", "{{image}}"], image: server:1}}
cohorts:
  - task_queue: orders
    argv: ["{{python}}", "-S", "{{image}}"]
    builds: [{{build_id: b1, image: worker:1, replicas: 2}}]
jobs:
  bootstrap: {{argv: ["{{python}}", "-S", "-c", "print('to', '{{revision}}')"]}}
  failing: {{argv: ["{{python}}", "-S", "-c", "import sys; sys.exit('no such table')"]}}
  slow: {{argv: ["{{python}}", "-S", "-c", "import time; time.sleep(600)"]}}
"""


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    ports = dict(zip(("front", "one", "two"), free_ports(3), strict=True))
    path.write_text(FLEET.format(sleeper=SLEEPER, stubborn=STUBBORN, **ports), encoding="utf-8")
    return path


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "FLEET_TOKEN": "a-secret-value"}


@pytest.fixture
def driver(fleet_file: Path, environment: dict[str, str]) -> Iterator[ProcessDriver]:
    found = ProcessDriver(fleet_file, environment)
    yield found
    stop_everything(StateFolder(found.fleet.state), 0.0)


def eventually(look: Callable[[], T], within_s: float = 5.0) -> T:
    """The first true answer; the last one when the time is over."""
    deadline = time.monotonic() + within_s
    while not (answer := look()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return answer


@pytest.fixture
def answers_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script asked by itself is waited for, however busy the machine; a rollout looks again."""
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 60.0)
    monkeypatch.setattr(looks, "JOINED_WAIT_S", 60.0)
