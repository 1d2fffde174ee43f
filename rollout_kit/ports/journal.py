"""The journal as the executor sees it."""

from __future__ import annotations

from typing import Protocol

from rollout_kit.model.events import Event, Record


class Journal(Protocol):
    """Append-only. An append returns after the record is durable; if it raises, the rollout stops."""

    def read(self) -> tuple[Record, ...]: ...

    def append(self, event: Event) -> Record:
        """Raises: JournalLost when the predecessor is not ours (fenced out) or the store fails."""
        ...


class JournalLost(Exception):
    """No record can be made durable: the rollout holds where it is. `message` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class LockLost(JournalLost):
    """Another process took the rollout over: this one stops before its next effect."""
