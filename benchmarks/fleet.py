"""Ten stub nodes behind the product's front: under its process driver, or as plain processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from plans import FROM, NEW_IMAGE, OLD_IMAGE, TARGET, TO, cutover

from rollout_kit.drivers.process import whole
from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.operations.schema import bootstrap_key, ledger_key
from rollout_kit.ports.infra import RunJob
from rollout_kit.sandbox.free_ports import free_ports

HERE = Path(__file__).parent
TOKENS = {"DW_OPERATOR_TOKEN": "operator-token", "DW_ADMIN_TOKEN": "admin-token"}
SERVER = {"DW_V2_MULTI_NODE": "true", "DB_CONNECTION": "sqlite", "CACHE_STORE": "database"}
UP_WITHIN_S = 30.0
STOP_GRACE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StubFleet:
    """Where the fleet is. `answers`: what its nodes repeat."""

    folder: Path
    front_port: int
    ports: Mapping[str, int]
    ready_after_s: float

    @property
    def urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front_port}"

    @property
    def log(self) -> Path:
        return self.folder / "requests.log"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **TOKENS}

    def argv(self, name: str, version: str) -> list[str]:
        """The same command whoever starts a node."""
        ready = f"{self.ready_after_s:g}"
        port = str(self.ports[name])
        return [*_stub(self.folder), port, ready, str(self.log), version]

    def requests(self) -> Counter[str]:
        """What was asked since `forget`, by target."""
        return Counter(self.log.read_text(encoding="utf-8").splitlines())

    def forget(self) -> None:
        os.truncate(self.log, 0)

    def write_plan(self, gate: Mapping[str, object] | None = None) -> Path:
        path = self.folder / "plan.yaml"
        path.write_text(
            cutover(self.url, self.urls, fleet="fleet.yaml", gate=gate), encoding="utf-8"
        )
        return path


def _stub(folder: Path) -> list[str]:
    return [sys.executable, "-I", "-S", str(HERE / "stub_node.py"), str(folder / "answers")]


@contextmanager
def fleet(
    folder: Path, answers: Path, *, ready_after_s: float, nodes: int = 10, by_driver: bool
) -> Iterator[StubFleet]:
    """A fleet on the old image, bootstrapped for the new one; nothing of it is left afterwards.

    `by_driver`: the product's process driver runs the nodes; else they are plain processes, whose
    pids stand in `pids/<node>` for whoever stops and starts them by hand.
    """
    folder.mkdir(parents=True)
    shutil.copy(answers, folder / "answers")
    front, *ports = free_ports(nodes + 1)
    made = StubFleet(
        folder=folder,
        front_port=front,
        ports={f"api-{n}": port for n, port in enumerate(ports, 1)},
        ready_after_s=ready_after_s,
    )
    made.log.touch()
    file = folder / "fleet.yaml"
    file.write_text(_fleet_text(made), encoding="utf-8")
    driver = ProcessDriver(file, made.environment)
    with ExitStack() as stack:
        stack.callback(whole.stop_everything, StateFolder(driver.fleet.state), STOP_GRACE_S)
        whole.start_front(driver, "bench/front")
        keys = ["bench/front", *_bootstrapped(driver)]
        if by_driver:
            for resource, change in whole.declared(driver):
                keys.append(f"bench/{resource}")
                driver.begin(keys[-1], change)
        else:
            stack.callback(_stop_plain, folder)
            _start_plain(made)
        whole.await_work(driver, keys, UP_WITHIN_S)
        for port in (*made.ports.values(), made.front_port):
            await_ready(port, every_s=0.01)
        made.forget()
        yield made


def start_plain(made: StubFleet, name: str, version: str) -> subprocess.Popen[bytes]:
    """Start a node without the driver."""
    environment = {**SERVER, "DW_SERVER_ID": name}
    return subprocess.Popen(made.argv(name, version), env=environment, start_new_session=True)


def await_ready(port: int, *, every_s: float) -> None:
    """Ask for readiness until it is 200, with as little ado as possible."""
    deadline = time.monotonic() + UP_WITHIN_S
    while not _ready(port):
        assert time.monotonic() < deadline, f"port {port}: not ready within {UP_WITHIN_S:g} s"
        time.sleep(every_s)


def _ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(b"GET /api/ready HTTP/1.1\r\nHost: node\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def _start_plain(made: StubFleet) -> None:
    pids = made.folder / "pids"
    pids.mkdir()
    for name in made.ports:
        started = start_plain(made, name, FROM)
        (pids / name).write_text(f"{started.pid}\n", encoding="utf-8")


def _stop_plain(folder: Path) -> None:
    for path in (folder / "pids").iterdir():
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text(encoding="utf-8")), signal.SIGKILL)


def _bootstrapped(driver: ProcessDriver) -> list[str]:
    """The schema of the new version is there already, and proved: the bench is about nodes."""
    keys = {
        bootstrap_key(TARGET, TO): RunJob(job="bootstrap", image=NEW_IMAGE, revision=TO),
        ledger_key(TARGET, TO, 1): RunJob(job="migrate-status", image=NEW_IMAGE, revision=TO),
    }
    for key, job in keys.items():
        driver.begin(key, job)
    return list(keys)


def _fleet_text(made: StubFleet) -> str:
    ready = f"{made.ready_after_s:g}"
    shown = json.dumps([{"migration": "2026_01_01_first", "ran": True}])
    return json.dumps(
        {
            "version": 1,
            "images": {
                OLD_IMAGE: {"version": FROM, "argv": [FROM]},
                NEW_IMAGE: {"version": TO, "argv": [TO]},
            },
            "front": {"port": made.front_port},
            "node_template": {
                "argv": [*_stub(made.folder), "{port}", ready, str(made.log), "{image}"],
                "environment": SERVER,
            },
            "nodes": {
                name: {"port": port, "image": OLD_IMAGE, "server_id": name}
                for name, port in made.ports.items()
            },
            "jobs": {
                "bootstrap": {"argv": ["/bin/true", "{image}"]},
                "migrate-status": {"argv": ["/bin/sh", "-c", f"echo '{shown}'", "{image}"]},
            },
        },
        indent=1,
    )
