"""A lock for one process: simulation and tests. It is lost when a test says so."""

from __future__ import annotations

from rollout_kit.ports.journal import LockLost


class MemoryLock:
    """Implements `ports.lock.Lock`."""

    def __init__(self, fence: int = 1) -> None:
        self._fence = fence
        self.lost: str = ""

    def check(self) -> None:
        if self.lost:
            raise LockLost(self.lost)

    def is_lost(self) -> bool:
        return bool(self.lost)

    def fence(self) -> int:
        return self._fence
