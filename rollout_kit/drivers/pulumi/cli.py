"""One process of the CLI: its own session, its end, what it said, and a limit on its time.

The CLI has no time limit, and an interrupt on the tool's own group would reach it too. Here it gets
a signal only from us: one SIGINT asks it to finish what runs and stop; a second would leave
operations without a recorded end, so nobody sends one. Plugins lead process groups of their own; the
session is what they have in common with their CLI, also when they outlive it.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rollout_kit.drivers.pulumi.api import Call
from rollout_kit.drivers.work import processes

NOT_STARTED = 127
_GRACE_S = 5.0
_FINISHES_WITHIN_S = 60.0  # what an update is at when it is asked to stop
_JOIN_S = 5.0
_WITH_VALUES = frozenset(
    {
        *("--stack", "--message", "--target", "--exec-kind", "--event-log", "--config-file"),
        *("--page-size", "--page"),
    }
)

OnStarted = Callable[[int, str], None]
"""Told pid and start time of a process as soon as it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one process of the CLI ended. `code`: negative for the signal that ended it.

    `timed_out`: it was asked to stop because its time was up. `code` None: it still runs.
    """

    argv: tuple[str, ...]
    code: int | None
    stdout: str
    stderr: str
    pid: int = 0
    duration_s: float = 0.0
    timed_out: bool = False

    @property
    def command(self) -> str:
        """Its words without values and flags, for people and tables: `stack export`."""
        words: list[str] = []
        skip = False
        for word in self.argv[1:]:
            if not skip and not word.startswith("-"):
                words.append(word)
            skip = word in _WITH_VALUES
        flags = [word for word in self.argv if word in {"--refresh", "--clear-pending-creates"}]
        return " ".join([*words[:2], *flags])


@dataclass(slots=True, kw_only=True)
class Cli:
    """Runs the CLI in one environment and keeps count.

    `reads`: nothing is lost when it is killed, so a process that outlasts its time and an interrupt
    is. Otherwise it is left to end by itself.
    """

    command: str
    environment: Mapping[str, str]
    timeout_s: float
    on_started: OnStarted | None = None
    calls: list[Call] = field(default_factory=list)
    _running: subprocess.Popen[str] | None = None
    _interrupted: bool = False

    def run(
        self,
        args: Sequence[str],
        cwd: str,
        *,
        reads: bool,
        on_output: Callable[[str], object] | None = None,
    ) -> Ran:
        """Run it to its end. Raises FileNotFoundError or PermissionError where there is none."""
        argv = (self.command, *args)
        begun_s = time.monotonic()
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._running = process
        self._interrupted = False
        if self.on_started is not None:
            self.on_started(process.pid, processes.started(process.pid) or "")
        out, err = _Stream(process.stdout, on_output), _Stream(process.stderr, None)
        timed_out = self._await(process, reads=reads)
        for stream in (out, err):
            stream.thread.join(_JOIN_S)  # a plugin that outlives the CLI may keep the pipe open
        self._running = None
        ran = Ran(
            argv=argv,
            code=process.returncode,
            stdout=out.text(),
            stderr=err.text(),
            pid=process.pid,
            duration_s=time.monotonic() - begun_s,
            timed_out=timed_out,
        )
        code = NOT_STARTED if ran.code is None else ran.code
        self.calls.append(Call(command=ran.command, duration_s=round(ran.duration_s, 3), code=code))
        return ran

    def interrupt(self) -> None:
        """Ask what runs to finish its operation and stop; once, however often this is called."""
        process = self._running
        if process is not None and not self._interrupted:
            self._interrupted = True
            process.send_signal(processes.SIGINT)

    def _await(self, process: subprocess.Popen[str], *, reads: bool) -> bool:
        """Gives whether its time was up."""
        try:
            process.wait(self.timeout_s)
        except subprocess.TimeoutExpired:
            self.interrupt()
        else:
            return False
        try:
            process.wait(_GRACE_S if reads else _FINISHES_WITHIN_S)
        except subprocess.TimeoutExpired:
            if reads:
                os.killpg(process.pid, processes.SIGKILL)
                process.wait()
        return True


class _Stream:
    """Reads a pipe in a thread of its own, line by line."""

    def __init__(self, pipe: IO[str] | None, on_line: Callable[[str], object] | None) -> None:
        self._lines: list[str] = []
        self._on_line = on_line
        self._pipe = pipe
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self._pipe is not None
        for line in self._pipe:
            self._lines.append(line)
            if self._on_line is not None:
                self._on_line(line.rstrip())
        self._pipe.close()

    def text(self) -> str:
        return "".join(self._lines)


def found(command: str, environment: Mapping[str, str]) -> str | None:
    """The path of the executable, or None."""
    import shutil

    return shutil.which(command, path=environment.get("PATH"))


def identity(path: str) -> str:
    """Tells one installed CLI from another without running it."""
    real = Path(path).resolve()
    seen = real.stat()
    return f"{real}:{seen.st_size}:{seen.st_mtime_ns}"
