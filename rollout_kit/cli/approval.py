"""A person's yes to what a rollout holds for, bound to what they saw: from `approve` or a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rollout_kit.model.events import HoldKind, PersonAsked, RolloutHeld
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import PersonRecord, PersonSaid

SAYS: Mapping[HoldKind, PersonSaid] = {
    HoldKind.APPROVAL: PersonSaid.APPROVE,
    HoldKind.PERSON: PersonSaid.PROVE,
}
"""What a yes means where a rollout holds; any other hold is not a yes's to settle."""


def word(
    state: RolloutState, asked: PersonAsked, *, actor: str, because: str, at: datetime
) -> PersonRecord:
    """The record for what was asked while the rollout goes on, bound as a hold's."""
    assert state.started is not None
    return PersonRecord(
        said=PersonSaid.PROVE,
        operation=asked.operation.id,
        attempt=asked.attempt,
        digest=state.started.digest,
        fingerprint=asked.fingerprint,
        actor=actor,
        because=because,
        at=at,
    )


def yes(
    state: RolloutState, held: RolloutHeld, *, actor: str, because: str, at: datetime
) -> PersonRecord:
    """The record to leave. It counts only for this attempt, plan digest and fingerprint."""
    assert state.started is not None
    return PersonRecord(
        said=SAYS[held.kind],
        operation=held.operation,
        attempt=state.attempt(held.operation),
        digest=state.started.digest,
        fingerprint=held.fingerprint,
        actor=actor,
        because=because,
        at=at,
    )
