"""Starts a driver process (driver.py), and sends signals to it, its CLI, or both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .fixtures import Cli
from .waiting import await_

ROOT = Path(__file__).parents[2]


class Driven:
    """It leads a process group of its own, as whatever a terminal starts."""

    def __init__(self, cli: Cli, operation: str, spec: dict[str, Any]) -> None:
        self._cli, self._operation = cli, operation
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.standin.driver", operation, json.dumps(spec)],
            cwd=cli.work,
            env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._spec = spec
        self._child = 0

    def await_begun(self) -> None:
        """Until its program runs, or, where that does not sleep, until `slow` is being changed."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"begun\n"
        if "sleepFirst" not in self._spec:
            await_(lambda: bool(self._cli.checkpoint().get("pending_operations")))
            wanted = [one["props"] for one in self._spec["resources"] if one["name"] == "slow"]
            await_(lambda: wanted[0] in self._cli.world().values())
        await_(self._find_child)

    def _find_child(self) -> bool:
        """Its CLI: whoever has the lock, or, in a preview, what it started."""
        for lock in self._cli.locks():
            self._child = json.loads(lock.read_text())["pid"]
            return True
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self._process.pid)],
            check=False,
            capture_output=True,
            text=True,
        )
        for line in listed.stdout.splitlines():
            if f" {self._operation} " in line:
                self._child = int(line.split()[0])
        return self._child != 0

    def send(self, signals: list[dict[str, Any]]) -> None:
        for sent in signals:
            time.sleep(min(sent.get("after_ms", 0), 1000) / 1000)
            number = getattr(signal, sent["signal"])
            if sent["to"] == "group":
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._child if sent["to"] == "cli" else self._process.pid, number)

    def await_end(self) -> int:
        """Until neither it nor its CLI lives; its exit code."""
        code = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        await_(lambda: not _alive(self._child))
        return code

    def end(self) -> None:
        """Whatever became of it."""
        for pid in (self._child, self._process.pid):
            with suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _alive(pid: int) -> bool:
    """One that has ended and that nobody has asked about is none."""
    shown = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return bool(shown.stdout.strip()) and not shown.stdout.strip().startswith("Z")
