"""What to do next while undos run: list by list, restoring first, then retiring side by side. Pure."""

from __future__ import annotations

from rollout_kit.execution import rollback
from rollout_kit.execution.decisions import (
    Advance,
    Decision,
    Finish,
    Settle,
    SkipUndo,
    Sleep,
    WatchFleet,
)
from rollout_kit.execution.live import Live
from rollout_kit.model.events import Outcome
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import PersonRecord, PersonSaid


def roll_back(state: RolloutState, live: Live, now_s: float) -> Decision:
    assert state.started is not None
    lists = rollback.undo_lists(state)
    deadline = state.rollback_attended_s + state.started.execution_plan.rollback.within_s
    if now_s >= live.guards_due_s and not live.settled:
        return WatchFleet()  # shown from here on, deciding nothing
    restoring = tuple(item for item in lists if not item.retires)
    retiring = tuple(item for item in lists if item.retires)
    step = next_undo(state, live, now_s, restoring) or next_undo(
        state, live, now_s, retiring, together=True
    )
    if step is None:
        return _ended(state, live) if live.settled else Settle()
    over_s = live.attended_s(now_s) - deadline
    name = step.operation.id if isinstance(step, Advance) else step.operation
    if rollback.closes_a_gap(state, lists, name):
        return step
    abort = _abort(state, live)
    if abort:
        return _left_alone(state, lists, abort)
    if over_s <= 0:
        return step
    return _late(lists, live, step, since_s=now_s - over_s)


def _abort(state: RolloutState, live: Live) -> PersonRecord | None:
    """A wish to stop that was left since this rollback began: an earlier one was about the way forward."""
    for said in live.people:
        if said.said is PersonSaid.ABORT and said.attempt >= state.rollback_at:
            return said
    return None


def _left_alone(
    state: RolloutState, lists: tuple[rollback.UndoList, ...], abort: PersonRecord
) -> Finish:
    waiting = (rollback.current(state, undo) for undo in lists)
    left = [operation.id for operation in waiting if operation]
    return Finish(
        outcome=Outcome.ABORTED,
        sentence=f"rollback aborted by {abort.actor}: {abort.because}. Not undone: {', '.join(left)}",
    )


def _late(
    lists: tuple[rollback.UndoList, ...], live: Live, step: Advance | Sleep, *, since_s: float
) -> Advance | SkipUndo:
    """After the deadline (`since_s`, monotonic) each gets one fresh look: what still waits is skipped."""
    operation = (
        step.operation
        if isinstance(step, Advance)
        else next(op for undo in lists for op in undo.operations if op.id == step.operation)
    )
    looks = live.history.get(operation.id, ())
    if operation.id not in live.due_s or not looks or looks[-1].at_s < since_s:
        return Advance(operation=operation, undo=True)
    waited = live.waiting_for.get(operation.id, "not begun")
    reason = f"the rollback's deadline came first; last seen: {waited}"
    return SkipUndo(operation=operation.id, reason=reason)


def next_undo(
    state: RolloutState,
    live: Live,
    now_s: float,
    lists: tuple[rollback.UndoList, ...],
    *,
    together: bool = False,
) -> Advance | Sleep | None:
    """The next thing to do in these lists: one list after the other, or side by side.

    Also side by side, what moves the same facts keeps its order.
    """
    sleeping: list[Sleep] = []
    busy: frozenset[str] = frozenset()
    for undo in lists:
        operation = rollback.current(state, undo)
        if operation is None:
            continue
        moved = rollback.moved(undo)
        if moved & busy:
            continue
        busy |= moved
        due = live.due_s.get(operation.id, now_s)
        if due <= now_s:
            return Advance(operation=operation, undo=True)
        sleeping.append(Sleep(until_s=due, operation=operation.id))
        if not together:
            break
    return min(sleeping, key=lambda item: item.until_s) if sleeping else None


def _ended(state: RolloutState, live: Live) -> Finish:
    assert state.rollback is not None
    short = (
        *rollback.shortfall(state),
        *(difference.sentence for difference in live.unrestored),
    )
    cause = state.rollback.cause
    if short:
        return Finish(
            outcome=Outcome.ROLLBACK_INCOMPLETE, sentence=f"{cause}. Not undone: {'; '.join(short)}"
        )
    if state.left:
        return Finish(outcome=Outcome.ROLLED_BACK_WITH_RESIDUE, sentence=cause)
    return Finish(outcome=Outcome.ROLLED_BACK, sentence=cause)
