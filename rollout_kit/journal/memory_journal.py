"""A journal in memory: simulation, tests, and rollouts that nobody has to resume."""

from __future__ import annotations

from rollout_kit.journal import codec
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import EMPTY, parse
from rollout_kit.model.events import Event, Record
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import LockLost
from rollout_kit.ports.lock import Lock


class MemoryStore:
    """The bytes of one journal, for as many `MemoryJournal`s as a test lets attach to it."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data


class MemoryJournal:
    """As `FileJournal`, over a `MemoryStore`: same lines, same chain, same fences."""

    def __init__(
        self,
        store: MemoryStore,
        *,
        clock: Clock,
        actor: str,
        lock: Lock,
        attendance: Attendance,
    ) -> None:
        self._store = store
        self._clock = clock
        self._actor = actor
        self._lock = lock
        self._attendance = attendance
        self._chain = EMPTY
        self._is_read = False

    def read(self) -> tuple[Record, ...]:
        """All records. Raises `JournalDamaged` for a bad one in the middle."""
        if not self._is_read:
            self._chain = parse(self._store.data, "in memory")
            self._is_read = True
            if self._chain.records:
                self._attendance.carry_on(self._chain.records[-1].attended_s)
        return self._chain.records

    def append(self, event: Event) -> Record:
        """Keep one record. Raises `LockLost` when another journal wrote to the store since."""
        self.read()
        chain, fence = self._chain, self._lock.fence()
        now = parse(self._store.data[chain.end :], "in memory", after=chain)
        if len(now.records) > len(chain.records) or chain.fence > fence:
            last = now.records[-1]
            raise LockLost(
                f"{last.actor} has taken this rollout over under fence {last.fence}, ours is {fence}"
            )
        record = Record(
            sequence=len(chain.records),
            at=self._clock.now(),
            attended_s=self._attendance.seconds(),
            actor=self._actor,
            fence=fence,
            previous=chain.last,
            event=event,
        )
        line = codec.encode(record)
        self._store.data = self._store.data[: chain.end] + line + b"\n"
        self._chain = parse(line + b"\n", "in memory", after=chain)
        return record
