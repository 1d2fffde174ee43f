"""Files that two processes may want at once: a bounded flock, a durable replacement."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout_kit.ports.journal import JournalLost

WAIT_S = 5.0
"""No port call takes longer; who holds the file for that long is stopped, not busy."""
POLL_S = 0.02


@contextmanager
def exclusively(descriptor: int, place: Path) -> Iterator[None]:
    """Hold the file's flock. Raises `JournalLost` when somebody keeps it for five seconds."""
    for attempt in range(round(WAIT_S / POLL_S) + 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise lost(place, error) from error
        if attempt == round(WAIT_S / POLL_S):
            message = f"{place} has been held by another process for {WAIT_S:.0f}s"
            raise JournalLost(message, "look for a stopped rollout-kit process, and end it")
        time.sleep(POLL_S)  # not the rollout's clock: a signal must not cut an append short
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def make_folder(folder: Path) -> None:
    """Create it and its parents, each durable in its own parent. Raises `JournalLost`."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise lost(folder, error) from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def lost(place: Path, error: OSError) -> JournalLost:
    """What a failed write means to the rollout, with what to do about it."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            hint = "free space there, then resume"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            hint = "make it writable for this user, or choose another place with --state"
        case _:
            hint = "look at the disk, then resume"
    reason = error.strerror or str(error)
    return JournalLost(
        f"{place} cannot be written: {reason}. Nothing more is done to the fleet, "
        "because an effect without its record could not be undone",
        hint,
    )
