"""A journal in memory: simulation, tests, and rollouts that nobody has to resume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import EMPTY, Chain, Tail, parse
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.journal.tape import Overtaken
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.lock import Lock

PLACE = "in memory"


class MemoryStore:
    """The bytes of one journal, for as many `MemoryJournal`s as a test lets attach to it."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self._known = b""
        self._chain = EMPTY

    def chain(self) -> Chain:
        """Its records. What stands there as it was read before is not read again.

        Raises `JournalDamaged`.
        """
        if not self.data.startswith(self._known):
            self._known, self._chain = b"", EMPTY
        before = self._chain
        newer = parse(self.data[before.tail.end :], PLACE, before.tail)
        self._chain = replace(newer, records=before.records + newer.records)
        self._known = self.data[: newer.tail.end]
        return self._chain


class MemoryTape:
    """Implements `tape.Tape` over a `MemoryStore`: the bytes that a file would hold."""

    place = PLACE

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def load(self) -> Chain:
        return self._store.chain()

    def first(self) -> bytes:
        return next(iter(self.lines()), b"")

    def lines(self) -> list[bytes]:
        return self._store.data.split(b"\n")[:-1]

    def backwards(self) -> Iterator[bytes]:
        yield from reversed(self.lines())

    def add(self, line: bytes, after: Tail) -> None:
        newer = parse(self._store.data[after.end :], PLACE, after).records
        if newer:
            raise Overtaken(newer[-1])
        self._store.data = self._store.data[: after.end] + line + b"\n"

    def close(self) -> None:
        """Nothing is open."""


class MemoryJournal(StoredJournal):
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
        super().__init__(
            MemoryTape(store), clock=clock, actor=actor, lock=lock, attendance=attendance
        )
