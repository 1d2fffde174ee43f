"""The lock of one target, as the executor sees it."""

from __future__ import annotations

from typing import Protocol


class Lock(Protocol):
    def check(self) -> None:
        """Before each effect: the last renewal is younger than half a TTL. Raises LockLost."""
        ...

    def is_lost(self) -> bool:
        """Whether it is known to be another's by now, without asking anybody."""
        ...

    def fence(self) -> int:
        """The number that every record of this holder carries."""
        ...
