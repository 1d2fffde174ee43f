"""What people leave beside the journal, and what a person says when a rollout is held."""

from __future__ import annotations

from datetime import datetime

from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import PersonRecord, PersonSaid


class People:
    """Implements `ports.approvals.ApprovalReader` over records in memory."""

    def __init__(self) -> None:
        self.records: tuple[PersonRecord, ...] = ()

    def read(self) -> tuple[PersonRecord, ...]:
        return self.records

    def approve(self, state: RolloutState, at: datetime) -> None:
        """As `rollout-kit approve` does it: bound to what the hold carries."""
        held, started = state.hold, state.started
        if held is None or started is None:
            return
        record = PersonRecord(
            said=PersonSaid.APPROVE,
            operation=held.operation,
            attempt=state.attempt(held.operation),
            digest=started.digest,
            fingerprint=held.fingerprint,
            actor="ann",
            because="looked at it",
            at=at,
        )
        self.records = (*self.records, record)

    def abort(self, state: RolloutState, at: datetime) -> None:
        """As `rollout-kit abort` does it: said after the records that there are now."""
        if state.started is None:
            return
        record = PersonRecord(
            said=PersonSaid.ABORT,
            operation="",
            attempt=state.records,
            digest=state.started.digest,
            fingerprint="",
            actor="ann",
            because="enough of it",
            at=at,
        )
        self.records = (*self.records, record)
