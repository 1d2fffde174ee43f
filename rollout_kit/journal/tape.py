"""Where the lines of one journal stand, whatever keeps them: a file, memory, an object store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rollout_kit.journal.chain import Chain, Tail
from rollout_kit.model.events import Record


class Overtaken(Exception):
    """Somebody wrote where our next line should stand. `last`: the newest record that is there."""

    def __init__(self, last: Record) -> None:
        super().__init__(f"record {last.sequence} of {last.actor} under fence {last.fence}")
        self.last = last


class Tape(Protocol):
    """Lines that are added at the end, one at a time, and never changed."""

    @property
    def place(self) -> str:
        """As messages name it."""
        ...

    def load(self) -> Chain:
        """Everything, checked. Raises `JournalDamaged`, or `JournalLost` where it cannot be read."""
        ...

    def first(self) -> bytes:
        """The first line; empty where nothing has begun."""
        ...

    def lines(self) -> list[bytes]:
        """All lines that end, unchecked; the journal's own bytes but for what a crash cut off."""
        ...

    def backwards(self) -> Iterator[bytes]:
        """The lines that are whole, the last one first; no more is read than is asked for."""
        ...

    def add(self, line: bytes, after: Tail) -> None:
        """Write `line` behind `after`, and return when it is durable.

        Raises:
            Overtaken: another record stands there.
            JournalLost: it cannot be written; whether it was, nobody knows.
        """
        ...

    def close(self) -> None: ...
