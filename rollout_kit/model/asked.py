"""Which requests to people stand, by what the journal says. Pure."""

from __future__ import annotations

from rollout_kit.model.request import PersonAsked
from rollout_kit.model.state import RolloutState, Standing

OVER = (Standing.COMPLETED, Standing.SKIPPED, Standing.FAILED)


def open_asking(state: RolloutState, operation_id: str) -> PersonAsked | None:
    """The standing request of an operation that is not decided yet."""
    found = state.asked.get(operation_id)
    if found is None or state.standing(operation_id) in OVER:
        return None
    return found if found.attempt == state.attempt(operation_id) else None


def is_putting_back(state: RolloutState) -> bool:
    """Whether it is undos that are wanted now, of all of it or of a group."""
    return bool(state.rollback or state.group_undo)


def pending(state: RolloutState) -> tuple[PersonAsked, ...]:
    """What is still wanted of people: while things are put back, that and nothing of before."""
    if state.finished:
        return ()
    back = is_putting_back(state)
    found = (open_asking(state, name) for name in state.asked)
    return tuple(
        one
        for one in found
        if one is not None
        and one.operation.id not in state.skipped_undos
        and one.operation.id.startswith("undo/") is back
    )


def wants_word(state: RolloutState, operation_id: str) -> PersonAsked | None:
    """The request that a person's word may still settle while the rollout goes on."""
    found = next((one for one in pending(state) if one.operation.id == operation_id), None)
    return found if found is not None and operation_id not in state.proofs else None
