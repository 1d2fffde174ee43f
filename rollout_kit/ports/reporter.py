"""Output is a subscriber: reporters may fail without failing the rollout."""

from __future__ import annotations

from typing import Protocol

from rollout_kit.model.events import Progress, Record


class Reporter(Protocol):
    def record(self, record: Record) -> None:
        """A journaled fact, after its append."""
        ...

    def progress(self, progress: Progress) -> None:
        """A sign of life between facts: a wait, a sample against its threshold."""
        ...
