"""One rollout's journal for the process that holds the target's lock, over whatever keeps its lines."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.journal import codec
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import START
from rollout_kit.journal.tape import Overtaken, Tape
from rollout_kit.model.events import Event, Record
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import JournalLost, LockLost
from rollout_kit.ports.lock import Lock

LATE_RECORDS_AT_MOST = 3
"""A holder before us has at most one write under way; more than these are no late ones."""


class StoredJournal:
    """Implements `ports.journal.Journal`. Not for several threads.

    `warn` is told, in a sentence, that a torn record was dropped.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        clock: Clock,
        actor: str,
        lock: Lock,
        attendance: Attendance,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tape = tape
        self._clock = clock
        self._actor = actor
        self._lock = lock
        self._attendance = attendance
        self._warn = warn
        self._records: list[Record] = []
        self._tail = START
        self._is_read = False
        self._wrote = False
        self._lost: JournalLost | None = None

    @property
    def place(self) -> str:
        """As messages name it."""
        return self._tape.place

    def read(self) -> tuple[Record, ...]:
        """All records. Raises `JournalDamaged` for a bad one in the middle."""
        self._take_in()
        return tuple(self._records)

    def append(self, event: Event) -> Record:
        """Write one record and return when it is durable.

        Raises:
            LockLost: another process wrote here since we read; it has the rollout now.
            JournalLost: nothing can be written. Every later append raises the same.
        """
        if self._lost:
            raise self._lost
        try:
            return self._append(event)
        except JournalLost as error:
            self._lost = error
            raise

    def close(self) -> None:
        self._tape.close()

    def _append(self, event: Event) -> Record:
        for left in reversed(range(LATE_RECORDS_AT_MOST)):
            self._take_in()
            fence = self._lock.fence()
            if self._tail.fence > fence:
                raise self._taken_over(self._records[-1], fence)
            record = self._record(event, fence)
            line = codec.encode(record)
            try:
                self._tape.add(line, self._tail)
            except Overtaken as found:
                # A write of the holder before us may arrive after we have read: it is part of the
                # journal that we take over, as long as nothing of ours stands there.
                if self._wrote or found.last.fence >= fence or not left:
                    raise self._taken_over(found.last, fence) from found
                self._is_read = False
                continue
            self._wrote = True
            self._records.append(record)
            self._tail = self._tail.behind(line, fence)
            return record
        raise AssertionError("the last round returns or raises")

    def _take_in(self) -> None:
        if self._is_read:
            return
        chain = self._tape.load()
        self._records, self._tail = list(chain.records), chain.tail
        self._is_read = True
        if self._records:
            self._attendance.carry_on(self._records[-1].attended_s)
        if chain.torn_bytes:
            self._warn(
                f"{self.place}: dropped {chain.torn_bytes} bytes of a record that a crash "
                "cut off; what it announced had not begun"
            )

    def _record(self, event: Event, fence: int) -> Record:
        return Record(
            sequence=self._tail.count,
            at=self._clock.now(),
            attended_s=self._attendance.seconds(),
            actor=self._actor,
            fence=fence,
            previous=self._tail.last,
            event=event,
        )

    def _taken_over(self, last: Record, fence: int) -> LockLost:
        return LockLost(
            f"{last.actor} has taken this rollout over: {self.place} goes on with record "
            f"{last.sequence} of {last.at:%Y-%m-%d %H:%M:%S} UTC under fence {last.fence}, "
            f"ours is {fence}",
            "leave it to them; `rollout-kit status` shows how far it is",
        )
