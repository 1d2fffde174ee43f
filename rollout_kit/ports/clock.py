"""Time as the core sees it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock for approvals and records; monotonic seconds for everything that is measured."""

    def now(self) -> datetime:
        """UTC wall clock."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump, running through suspend where the system offers it."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; returns early when a signal has come."""
        ...

    def interrupted(self) -> bool:
        """Whether a signal asked this process to stop."""
        ...
