"""The journal as a file: one line a record, appended under flock, durable when `add` returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import EMPTY, Chain, Tail, parse
from rollout_kit.journal.guard import exclusively, lost, make_folder, sync_folder, write_all
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.journal.tape import Overtaken
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import JournalLost
from rollout_kit.ports.lock import Lock


class FileTape:
    """Implements `tape.Tape`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def place(self) -> str:
        return str(self.path)

    def load(self) -> Chain:
        """The journal as it stands; an absent one is empty."""
        data = self._bytes()
        return EMPTY if data is None else parse(data, self.place)

    def first(self) -> bytes:
        return next(iter(self.lines()), b"")

    def lines(self) -> list[bytes]:
        return (self._bytes() or b"").split(b"\n")[:-1]

    def backwards(self) -> Iterator[bytes]:
        yield from reversed(self.lines())

    def add(self, line: bytes, after: Tail) -> None:
        try:
            descriptor = self._open()
            with exclusively(descriptor, self.path):
                self._demand_ours(after, descriptor)
                if os.fstat(descriptor).st_size > after.end:
                    os.ftruncate(descriptor, after.end)  # what a crash left of its last append
                write_all(descriptor, line + b"\n")
                os.fsync(descriptor)
        except OSError as error:
            # After a failed fsync nobody knows what the disk holds: trying again could lie.
            raise lost(self.path, error) from error

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _bytes(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalLost(
                f"{self.path} cannot be read: {reason}", "make it readable for this user"
            ) from error

    def _open(self) -> int:
        if self._descriptor is None:
            make_folder(self.path.parent)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            is_new = not self.path.exists()
            self._descriptor = os.open(self.path, flags, 0o644)
            if is_new:
                sync_folder(self.path.parent)
        return self._descriptor

    def _demand_ours(self, after: Tail, descriptor: int) -> None:
        """The file still is the one we know, and ends with the record that we know as the last."""
        ours = os.fstat(descriptor)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
            raise JournalLost(
                f"{self.path} was removed or replaced while its rollout was running",
                "put the journal back from a copy, then resume",
            )
        if ours.st_size < after.end:
            raise JournalLost(
                f"{self.path} was cut to {ours.st_size} bytes while its rollout was running; "
                f"{after.end} were written",
                "put the journal back from a copy, then resume",
            )
        behind = os.pread(descriptor, ours.st_size - after.end, after.end)
        newer = parse(behind, self.place, after).records
        if newer:
            raise Overtaken(newer[-1])


class FileJournal(StoredJournal):
    """A journal at a path."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        actor: str,
        lock: Lock,
        attendance: Attendance,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(
            FileTape(path), clock=clock, actor=actor, lock=lock, attendance=attendance, warn=warn
        )


def load(path: Path) -> Chain:
    """A journal as it stands; an absent one is empty.

    Raises:
        JournalDamaged: a bad record in the middle.
        JournalLost: the file cannot be read.
    """
    return FileTape(path).load()
