# ruff: noqa: PTH110
"""Roles: what at most one process at a time may be (a node, the scheduler, one place of a cohort).

Whoever has the role holds its lock file, from before it is recorded until it is gone for good:
the lock is the kernel's, so that nothing dead holds it and *gone* means that it can be taken.
"""

from __future__ import annotations

import fcntl
import os
import time

from rollout_kit.drivers.work import processes, records

_RETRY_S = 0.005


class Holder:
    """Who has the role, as it recorded itself. Without `alive`, only a child of it holds on."""

    __slots__ = ("alive", "digest", "pid", "spec", "start", "worker_id")

    def __init__(self, record: dict[str, str | int] | None, *, alive: bool) -> None:
        record = record or {}
        self.alive = alive
        self.pid = int(record.get("pid", 0))
        self.start = str(record.get("start", ""))
        self.digest = str(record.get("digest", ""))
        self.worker_id = str(record.get("worker_id", ""))
        self.spec = str(record.get("spec", ""))


def holder(role: str) -> Holder | None:
    """Who has the role; None when it is free."""
    record = records.read(role + ".json")
    if record is not None and processes.runs(record["pid"], record["start"]):
        return Holder(record, alive=True)
    return Holder(record, alive=False) if is_taken(role + ".lock") else None


def at_it(role: str) -> bool:
    """Whether who has the role runs, or is about to: what it left running does not count."""
    found = holder(role)
    return found is not None and (found.alive or not found.pid)


def take(path: str, *, within_s: float | None = 0.0) -> int | None:
    """Take a lock file; None when another holds it. `within_s=None` waits as long as it takes.

    The lock goes with the returned file descriptor and everything that inherits it.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if within_s is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return file
    deadline = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(file)
                return None
            time.sleep(_RETRY_S)
        else:
            return file


def is_taken(path: str) -> bool:
    """Whether somebody holds the lock file now."""
    if not os.path.exists(path):
        return False
    file = take(path)
    if file is None:
        return True
    os.close(file)
    return False
