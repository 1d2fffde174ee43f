"""What people do beside a rollout: approve, ask to hold, abort; and how a held one is taken up again."""

from __future__ import annotations

from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.executor import End
from rollout_kit.model.events import DriftAccepted, Event, HoldReleased
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from rollout_kit.simulation.world import World


def say(
    world: World,
    state: RolloutState,
    said: PersonSaid,
    *,
    operation: str = "",
    fingerprint: str = "",
    attempt: int | None = None,
) -> None:
    """Leave a record beside the journal."""
    assert state.started is not None
    record = PersonRecord(
        said=said,
        operation=operation,
        attempt=state.attempt(operation) if attempt is None else attempt,
        digest=state.started.digest,
        fingerprint=fingerprint,
        actor="ann",
        because="looked at it",
        at=world.clock.now(),
    )
    world.people.records = (*world.people.records, record)


def approve(world: World, state: RolloutState) -> None:
    """As `rollout-kit approve` does it: bound to what the hold carries."""
    assert state.hold is not None
    say(
        world,
        state,
        PersonSaid.APPROVE,
        operation=state.hold.operation,
        fingerprint=state.hold.fingerprint,
    )


def resume(
    world: World, document: PlanDocument, state: RolloutState, *, accept: bool = False
) -> tuple[End, RolloutState]:
    """As `rollout-kit resume` does it."""
    held = state.hold
    assert held is not None
    events: tuple[Event, ...] = (HoldReleased(operation=held.operation, actor="me"),)
    if accept:
        facts = {item.fact: item.found for item in held.differences}
        events = (DriftAccepted(facts=facts, actor="me"), *events)
    return world.apply(document, *events)
