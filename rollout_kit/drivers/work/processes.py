# ruff: noqa: PTH123, PTH110
"""Processes by pid *and* start time: a pid alone may by now be somebody else's."""

from __future__ import annotations

import os
import time
from select import POLLIN, poll

SIGINT, SIGKILL, SIGTERM = 2, 9, 15
_GONE = frozenset("ZX")
_WITHOUT_PIDFD_S = 0.01


def started(pid: int) -> str | None:
    """When the process started, as the system spells it; None when it does not run (any more)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if os.path.exists("/proc/self/stat") else _started_by_ps(pid)
    return None if fields[0] in _GONE else fields[19]


def _started_by_ps(pid: int) -> str | None:
    """For systems without /proc."""
    import subprocess

    asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return None if not answer or answer[0][0] in _GONE else " ".join(answer[1:])


def runs(pid: int, start: str) -> bool:
    """Whether exactly this process still runs."""
    return pid > 0 and started(pid) == start


def send(pid: int, start: str, signal: int) -> None:
    """Signal this process; nothing happens when it has ended."""
    if runs(pid, start):
        _quietly(os.kill, pid, signal)


def send_group(pid: int, start: str, signal: int) -> None:
    """Signal the process group that this process leads or led.

    While one of the group lives the system gives its number to nobody else: with the leader gone
    the number is the group's or nobody's, unless another process bears it already.
    """
    now = started(pid)
    if pid > 0 and now in {None, start}:
        _quietly(os.killpg, pid, signal)


def _quietly(kill: object, pid: int, signal: int) -> None:
    try:
        kill(pid, signal)  # type: ignore[operator]
    except (ProcessLookupError, PermissionError):
        return


def wait(pid: int, start: str, at_most_s: float) -> bool:
    """Wait for the end of any process, a child or not; True when it has ended."""
    deadline = time.monotonic() + at_most_s
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except (AttributeError, OSError):
        while runs(pid, start) and time.monotonic() < deadline:
            time.sleep(_WITHOUT_PIDFD_S)
        return not runs(pid, start)
    try:
        ended = poll()
        ended.register(watched, POLLIN)
        if runs(pid, start):
            ended.poll(max(0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(watched)
    return not runs(pid, start)
