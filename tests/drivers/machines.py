"""The machines of a cluster's stand-in: what it places on them are programs of a sandbox's fleet."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollout_kit.sandbox.layout import SandboxInfo

ROOT = Path(__file__).parents[2]
STOPPED_WITHIN_S = 30.0
TOLD = ("DW_V2_MULTI_NODE", "SCHEDULER_TICK_SECONDS", "DB_CONNECTION", "DB_DATABASE", "CACHE_STORE")
"""What of a sandbox's specs stands where the scripts read it; the rest is in the image."""


def contained(info: SandboxInfo, what: str, *command: str) -> list[str]:
    """The argv of one of the fleet's programs."""
    module = "tests.drivers.contained"
    return [sys.executable, "-m", module, str(info.fleet_file), what, *command]


def what_is(name: str) -> str:
    """Of a job or service, by its name as the shipped scripts expect it."""
    kind, _, rest = name.removeprefix("fleet-").partition("-")
    match kind:
        case "worker":
            return f"worker/{rest.partition('-')[0]}"
        case "scheduler":
            return kind
        case _:
            return f"{kind}/{rest}"


def environment_of(info: SandboxInfo) -> dict[str, str]:
    """What every program of the fleet finds on its machine."""
    return {**os.environ, **info.environment, "PYTHONPATH": str(ROOT)}


@dataclass
class Machines:
    """Starts programs under names, and stops them."""

    info: SandboxInfo
    _running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(
        self, name: str, what: str, variables: Mapping[str, str], *command: str
    ) -> subprocess.Popen[str]:
        """`command`: what runs in the place of the image's own; its output is kept."""
        where = subprocess.PIPE if command else subprocess.DEVNULL
        process = subprocess.Popen(
            contained(self.info, what, *command),
            env={**environment_of(self.info), **variables},
            stdin=subprocess.DEVNULL,
            stdout=where,
            stderr=where,
            text=True,
            start_new_session=True,
        )
        with self._lock:
            self._running[name] = process
        return process

    def stop(self, name: str) -> None:
        """Returns when it is gone; silent where it never was."""
        process = self._running.get(name)
        if process is not None:
            process.terminate()
            process.wait(STOPPED_WITHIN_S)

    def end(self, name: str) -> tuple[int, str, str]:
        """Its exit status and what it printed on either stream, once it has ended."""
        out, err = self._running[name].communicate()
        return self._running[name].returncode, out, err

    def runs(self, name: str) -> bool:
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def leave(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(STOPPED_WITHIN_S)
