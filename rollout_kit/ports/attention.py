"""Drivers whose work does not go on without the rollout that began it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class Attended(Protocol):
    """A driver that has to tell its own work from others', and to end it when nobody attends to it."""

    def attended(self, hosts: tuple[str, ...], intended_at: Mapping[str, datetime]) -> None:
        """Which machines the journal names, and when each intent that is open was recorded, by key."""
        ...

    def bounded(self, within_s: float) -> None:
        """What is begun from here on may take so long, as its operation may."""
        ...

    def leave(self) -> tuple[str, ...]:
        """What this process began and still runs is asked to end, once, and waited for: five seconds at most.

        What has failed, is held, is interrupted or has lost its lock goes no further. Gives the keys
        of what has not ended by then. Never raises.
        """
        ...
