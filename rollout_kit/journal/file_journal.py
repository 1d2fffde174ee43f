"""The journal as a file: one line a record, appended under flock, durable when `append` returns."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rollout_kit.journal import codec
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import EMPTY, Chain, parse
from rollout_kit.journal.guard import exclusively, lost, make_folder, sync_folder, write_all
from rollout_kit.model.events import Event, Record
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import JournalLost, LockLost
from rollout_kit.ports.lock import Lock


class FileJournal:
    """One rollout's journal, for the process that holds the target's lock.

    `warn` is told, in a sentence, that a torn record was dropped. Not for several threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        actor: str,
        lock: Lock,
        attendance: Attendance,
        warn: Callable[[str], None],
    ) -> None:
        self.path = path
        self._clock = clock
        self._actor = actor
        self._lock = lock
        self._attendance = attendance
        self._warn = warn
        self._chain: Chain | None = None
        self._descriptor: int | None = None
        self._lost: JournalLost | None = None

    def read(self) -> tuple[Record, ...]:
        """All records. Raises `JournalDamaged` for a bad one in the middle."""
        return self._known().records

    def append(self, event: Event) -> Record:
        """Write one record and return when it is durable.

        Raises:
            LockLost: another process wrote here since we read; it has the rollout now.
            JournalLost: the file cannot be written. Every later append raises the same.
        """
        if self._lost:
            raise self._lost
        chain = self._known()
        try:
            descriptor = self._open()
            with exclusively(descriptor, self.path):
                self._demand_ours(chain, descriptor)
                record = self._record(chain, event)
                line = codec.encode(record)
                if os.fstat(descriptor).st_size > chain.end:
                    os.ftruncate(descriptor, chain.end)  # what a crash left of its last append
                write_all(descriptor, line + b"\n")
                os.fsync(descriptor)
        except JournalLost as error:
            self._lost = error
            raise
        except OSError as error:
            # After a failed fsync nobody knows what the disk holds: trying again could lie.
            self._lost = lost(self.path, error)
            raise self._lost from error
        end = chain.end + len(line) + 1
        self._chain = Chain(
            records=(*chain.records, record), end=end, last=codec.digest(line), torn_bytes=0
        )
        return record

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _known(self) -> Chain:
        if self._chain is None:
            self._chain = load(self.path)
            if self._chain.records:
                self._attendance.carry_on(self._chain.records[-1].attended_s)
            if self._chain.torn_bytes:
                self._warn(
                    f"{self.path}: dropped {self._chain.torn_bytes} bytes of a record that a crash "
                    "cut off; what it announced had not begun"
                )
        return self._chain

    def _open(self) -> int:
        if self._descriptor is None:
            make_folder(self.path.parent)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            is_new = not self.path.exists()
            self._descriptor = os.open(self.path, flags, 0o644)
            if is_new:
                sync_folder(self.path.parent)
        return self._descriptor

    def _demand_ours(self, chain: Chain, descriptor: int) -> None:
        """The file still ends with the record that we know as the last, and its fence is not newer."""
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
        if ours.st_size < chain.end:
            raise JournalLost(
                f"{self.path} was cut to {ours.st_size} bytes while its rollout was running; "
                f"{chain.end} were written",
                "put the journal back from a copy, then resume",
            )
        behind = os.pread(descriptor, ours.st_size - chain.end, chain.end)
        now = parse(behind, str(self.path), after=chain)
        if len(now.records) > len(chain.records) or chain.fence > self._lock.fence():
            raise _taken_over(self.path, now, self._lock.fence())

    def _record(self, chain: Chain, event: Event) -> Record:
        return Record(
            sequence=len(chain.records),
            at=self._clock.now(),
            attended_s=self._attendance.seconds(),
            actor=self._actor,
            fence=self._lock.fence(),
            previous=chain.last,
            event=event,
        )


def load(path: Path) -> Chain:
    """A journal as it stands; an absent one is empty.

    Raises:
        JournalDamaged: a bad record in the middle.
        JournalLost: the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return EMPTY
    except OSError as error:
        reason = error.strerror or str(error)
        raise JournalLost(
            f"{path} cannot be read: {reason}", "make it readable for this user"
        ) from error
    return parse(data, str(path))


def _taken_over(path: Path, now: Chain, fence: int) -> LockLost:
    last = now.records[-1]
    return LockLost(
        f"{last.actor} has taken this rollout over: {path} goes on with record {last.sequence} of "
        f"{last.at:%Y-%m-%d %H:%M:%S} UTC under fence {last.fence}, ours is {fence}",
        "leave it to them; `rollout-kit status` shows how far it is",
    )
