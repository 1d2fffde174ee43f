"""The command as a user runs it: a process of its own, against a sandbox of real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import SandboxInfo
from tests.sandbox.conftest import processes_of

ROOT = Path(__file__).parents[2]
PLANS = ROOT / "pipelines" / "plans"
STATE = "journal"
ENDS_WITHIN_S = 6.0

SUPERVISORS = ("rollout_kit.drivers.work.supervisor", "rollout_kit.drivers.process.settling")

PACE = {
    "bake": "1s",
    "node_bake": "0s",
    "hold": "1s",
    "sample_every": "1s",
    "gate_within": "20s",
    "node_within": "30s",
    "canary_within": "40s",
    "drain_within": "60s",
    "rollback_within": "90s",
    "smoke_count": "2",
    "new_failures_at_most": "60",
    "open_runs_at_most": "100",
    "overdue_at_most": "15s",
    "overdue_at_most_ms": "15000",
}
"""As short as the shipped plan's times may get on a machine that has other things to do."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        return self.out + self.err

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]


@dataclass
class Running:
    """A command that was started; its end is awaited with `end`."""

    process: subprocess.Popen[str]

    def end(self, within_s: float = 120.0) -> Ran:
        try:
            out, err = self.process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"not over within {within_s:g} s\n{out[-2000:]}\n{err[-4000:]}")
        return Ran(code=self.process.returncode, out=out or "", err=err or "")

    def signal(self, name: str) -> None:
        self.process.send_signal(getattr(signal, name))

    def kill(self) -> None:
        """As the kernel does it when memory is short: nothing is said, nothing is tidied up."""
        self.process.kill()
        self.process.communicate()


class Tail:
    """The newest journal of a state folder. Who waits for an event reads each of its lines once."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._journal: Path | None = None
        self._read_bytes = 0
        self._events: list[dict[str, Any]] = []

    def events(self) -> list[dict[str, Any]]:
        """Every event that is on disk in full."""
        journals = self._state.glob("*/*.jsonl")
        newest = max(journals, key=lambda path: path.stat().st_mtime, default=None)
        if newest is None:
            return []
        if newest != self._journal:
            self._journal, self._read_bytes, self._events = newest, 0, []
        with newest.open("rb") as file:
            file.seek(self._read_bytes)
            lines = file.read().split(b"\n")[:-1]
        self._read_bytes += sum(len(line) + 1 for line in lines)
        self._events += [json.loads(line)["event"] for line in lines]
        return self._events


@dataclass(frozen=True)
class Machine:
    """A folder to work in, an environment, and the command."""

    folder: Path
    environment: Mapping[str, str]
    started: list[Running] = field(default_factory=list)

    def leave(self) -> None:
        """End what a failed test left running."""
        for running in self.started:
            if running.process.poll() is None:
                running.kill()

    def run(
        self, *argv: str, within_s: float = 120.0, environment: Mapping[str, str] | None = None
    ) -> Ran:
        ran = self.start(*argv, environment=environment).end(within_s)
        assert "Traceback" not in ran.both, ran.both
        assert "This is a bug" not in ran.both, ran.both
        return ran

    def start(
        self, *argv: str, environment: Mapping[str, str] | None = None, **more: Any
    ) -> Running:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen(
            [sys.executable, "-m", "rollout_kit", *argv],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            text=True,
            **streams,
        )
        self.started.append(Running(process))
        return self.started[-1]

    def events(self, state: str = STATE) -> list[dict[str, Any]]:
        """Every event of the newest journal that is on disk in full."""
        return Tail(self.folder / state).events()

    def await_event(
        self,
        kind: str,
        operation: str = "",
        *,
        times: int = 1,
        state: str = STATE,
        within_s: float = 90.0,
    ) -> None:
        """Return as soon as the journal holds it. `operation`: a pattern of its whole id."""
        deadline = time.monotonic() + within_s
        tail = Tail(self.folder / state)
        while sum(_is(event, kind, operation) for event in tail.events()) < times:
            idle = self.started and all(one.process.poll() is not None for one in self.started)
            if time.monotonic() > deadline or idle:
                last = "\n".join(str(event)[:200] for event in tail.events()[-8:])
                pytest.fail(f"no {kind} of {operation}, but\n{last}")
            time.sleep(0.02)

    def journal_is_whole(self, state: str = STATE) -> bool:
        return self.run("journal", "verify", "--state", state).code == 0


def _is(event: Mapping[str, Any], kind: str, pattern: str) -> bool:
    if event["is"] != kind:
        return False
    of = event.get("operation", "")
    return not pattern or bool(re.fullmatch(pattern, of["id"] if isinstance(of, dict) else of))


def plain_environment(**more: str) -> dict[str, str]:
    """What a command needs to run at all; nothing of the environment of these tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "ROLLOUT_KIT_ACTOR": "ada", **more}


def assignments(variables: Mapping[str, str]) -> Sequence[str]:
    return [part for name, value in variables.items() for part in ("--var", f"{name}={value}")]


@contextmanager
def sandbox_machine(folder: Path, **options: Any) -> Iterator[tuple[Machine, SandboxInfo]]:
    """A sandbox, and a machine beside it whose environment knows it; no process is left behind."""
    there = folder / "sandbox"
    work = folder / "work"
    work.mkdir(parents=True)
    try:
        info = fleet.up(there, **options)
        machine = Machine(work, plain_environment(**info.environment))
        yield machine, info
    finally:
        fleet.down(there)
        assert processes_of(folder) == []


@contextmanager
def beside(fleet: Machine, folder: Path) -> Iterator[Machine]:
    """A working folder of its own (`folder/work`) beside the sandbox that several tests share."""
    (folder / "sandbox").symlink_to(fleet.folder.parent / "sandbox")
    (folder / "work").mkdir()
    machine = Machine(folder / "work", fleet.environment)
    try:
        yield machine
    finally:
        machine.leave()


def ours(folder: Path) -> list[str]:
    """Processes of commands that work in this folder: what is not the sandbox's own.

    The driver's supervisors are: they stay beside what they started, to tell how it ended.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
            theirs = any(module in words for module in SUPERVISORS)
            if (process / "cwd").readlink() == folder and not theirs:
                found.append(words)
        except OSError:  # it has ended, or is not ours to look at
            continue
    return found
