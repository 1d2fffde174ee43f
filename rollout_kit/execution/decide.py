"""What to do next. Pure and total; failure is tested before anything else."""

from __future__ import annotations

from rollout_kit.execution import rollback, undoing
from rollout_kit.execution.decisions import (
    Advance,
    CloseGroup,
    Decision,
    Finish,
    Hold,
    RollBack,
    Sleep,
    Stop,
    TakeBaseline,
    UndoGroup,
    WatchFleet,
)
from rollout_kit.execution.drift import open_group
from rollout_kit.execution.live import Live
from rollout_kit.execution.skew_window import SKEW_WINDOW
from rollout_kit.model.events import GroupUndoStarted, HoldKind, Outcome, RolloutHeld
from rollout_kit.model.operation import OnFailure, Operation
from rollout_kit.model.state import OperationState, RolloutState, Standing
from rollout_kit.ports.approvals import PersonSaid


def decide(state: RolloutState, live: Live, now_s: float) -> Decision:
    """The next thing to do. `now_s` is monotonic."""
    assert state.started is not None, "a rollout begins with RolloutStarted"
    if state.finished:
        return Stop()
    if state.rollback:
        return undoing.roll_back(state, live, now_s)
    if state.group_undo:
        return _undo_group(state, live, now_s, state.group_undo)
    if state.hold:
        return _held(state, live, now_s)
    failed = _failure(state)
    if failed:
        return _after_failure(state, failed)
    plan = state.started.execution_plan
    if state.breach:
        where, reason, hint = state.breach.guard, state.breach.sentence, state.breach.hint
        return _answer(state, plan.on_failure, where, HoldKind.FAILURE, reason, hint)
    if live.drift:
        return _drifted(state, live)
    if live.unmeasured and open_group(state) is None:
        return _unmeasured(*live.unmeasured)
    return _go_on(state, live, now_s)


def _go_on(state: RolloutState, live: Live, now_s: float) -> Decision:
    operation = next_operation(state)
    if operation is None:
        return Finish(outcome=Outcome.SUCCEEDED, sentence="every operation is done")
    asked = _asked(state, live)
    if asked and open_group(state) is None:
        return asked
    if state.baseline is None:
        return TakeBaseline()
    if live.silent and open_group(state) is None:
        return _silent(live, operation)
    if live.skew and open_group(state) is None:
        hint = "`resume` allows the window once more; `rollback` puts everything back"
        return Hold(
            held=RolloutHeld(kind=HoldKind.SKEW, operation=SKEW_WINDOW, reason=live.skew, hint=hint)
        )
    if now_s >= live.guards_due_s or live.checked_step != operation.step:
        return WatchFleet()
    due_s, soonest = min(
        ((live.due_s.get(op.id, now_s), op) for op in in_flight(state, operation)),
        key=lambda pair: pair[0],
    )
    if due_s <= now_s:
        return Advance(operation=soonest)
    return Sleep(until_s=min(due_s, live.guards_due_s or due_s), operation=soonest.id)


def _unmeasured(guard: str, sentence: str) -> Hold:
    hint = "see why it cannot be measured; `resume` goes on, `rollback` puts everything back"
    return Hold(
        held=RolloutHeld(kind=HoldKind.INCONCLUSIVE, operation=guard, reason=sentence, hint=hint)
    )


def _silent(live: Live, operation: Operation) -> Hold:
    return Hold(
        held=RolloutHeld(
            kind=HoldKind.NO_ANSWER,
            operation=operation.id,
            reason="no answer for too long: " + "; ".join(live.silent),
            hint="look whether the node lives; `resume` goes on, `rollback` puts back what can be reached",
        )
    )


def next_operation(state: RolloutState) -> Operation | None:
    """The first operation of the plan that is not decided; an open group stays first."""
    assert state.started is not None
    for operation in state.started.execution_plan.operations:
        if state.standing(operation.id) not in (Standing.COMPLETED, Standing.SKIPPED):
            return operation
    return None


def in_flight(state: RolloutState, first: Operation) -> tuple[Operation, ...]:
    """The first undecided operation, and its undecided neighbours of the same wave."""
    assert state.started is not None
    if not first.wave:
        return (first,)
    return tuple(
        op
        for op in state.started.execution_plan.operations
        if op.wave == first.wave
        and state.standing(op.id) not in (Standing.COMPLETED, Standing.SKIPPED)
    )


def _asked(state: RolloutState, live: Live) -> Hold | Finish | None:
    """What a person asked for. Such a record's `attempt` is the number of records it was said after."""
    for said in live.people:
        if said.said is PersonSaid.ABORT:
            return Finish(
                outcome=Outcome.ABORTED, sentence=f"aborted by {said.actor}: {said.because}"
            )
        if said.said is PersonSaid.HOLD and said.attempt > state.asked_to_hold_at:
            return Hold(
                held=RolloutHeld(
                    kind=HoldKind.REQUEST, operation="", reason=f"{said.actor}: {said.because}"
                )
            )
    return None


def _failure(state: RolloutState) -> OperationState | None:
    for found in state.operations.values():
        if found.standing is Standing.FAILED and not found.id.startswith("undo/"):
            return found
    return None


def _after_failure(state: RolloutState, failed: OperationState) -> Decision:
    assert state.started is not None
    operation = state.started.execution_plan.operation(failed.id)
    return _answer(
        state, operation.on_failure, failed.id, HoldKind.FAILURE, failed.reason, failed.hint
    )


def _answer(
    state: RolloutState, policy: OnFailure, where: str, kind: HoldKind, reason: str, hint: str = ""
) -> Decision:
    """What a failure leads to: roll back; or close an open gap first, then hold or abort.

    Rule 16: whatever failed, listed or not, ends here: nothing more is added.
    """
    assert state.started is not None
    forward_only = state.started.execution_plan.rollback.forward_only
    barred = rollback.irreversible(state)
    if policy is OnFailure.ROLLBACK and not forward_only and barred is None:
        return RollBack(cause=f"{where}: {reason}", operation=where)
    if barred and policy is OnFailure.ROLLBACK:
        hint = f"no rollback is offered: {barred[0]} cannot be undone ({barred[1]})"
    abort = policy is OnFailure.ABORT
    group = open_group(state)
    if group is not None:
        return UndoGroup(
            started=GroupUndoStarted(
                group=group, operation=where, hold=kind, reason=reason, hint=hint, abort=abort
            )
        )
    if abort:
        return Finish(outcome=Outcome.ABORTED, sentence=f"{where}: {reason}")
    return Hold(held=RolloutHeld(kind=kind, operation=where, reason=reason, hint=hint))


def _drifted(state: RolloutState, live: Live) -> Decision:
    """Drift holds, whatever `on_failure` says: a person must look (rule 17)."""
    reason = "; ".join(difference.sentence for difference in live.drift)
    hint = "`resume --accept` takes it as it is, `rollback` puts this rollout's part back, `abort` leaves it"
    group = open_group(state)
    if group is not None:
        return UndoGroup(
            started=GroupUndoStarted(
                group=group, operation=live.drift_at, hold=HoldKind.DRIFT, reason=reason, hint=hint
            )
        )
    return Hold(
        held=RolloutHeld(
            kind=HoldKind.DRIFT,
            operation=live.drift_at,
            reason=f"somebody else changed the fleet: {reason}",
            hint=hint,
            differences=live.drift,
        )
    )


def _held(state: RolloutState, live: Live, now_s: float) -> Decision:
    assert state.hold is not None
    asked = _asked(state, live)
    group = open_group(state)
    if isinstance(asked, Finish) and group is not None and state.hold.kind is HoldKind.PERSON:
        return UndoGroup(
            started=GroupUndoStarted(
                group=group,
                operation=state.hold.operation,
                hold=state.hold.kind,
                reason=asked.sentence,
                abort=True,
            )
        )
    if isinstance(asked, Finish):
        return asked
    if live.wait_for_people and state.hold.kind in (HoldKind.APPROVAL, HoldKind.PERSON):
        if now_s >= live.guards_due_s:
            return WatchFleet()
        return Sleep(until_s=now_s + 1.0, operation=state.hold.operation)
    return Hold(held=state.hold, repeated=True)


def _undo_group(
    state: RolloutState, live: Live, now_s: float, started: GroupUndoStarted
) -> Decision:
    if state.group_undone:
        if started.abort:
            return Finish(
                outcome=Outcome.ABORTED, sentence=f"{started.operation}: {started.reason}"
            )
        return Hold(
            held=RolloutHeld(
                kind=started.hold,
                operation=started.operation,
                reason=started.reason,
                hint=started.hint,
                differences=live.drift,
            )
        )
    lists = rollback.undo_lists(state, started.group)
    step = undoing.next_undo(state, live, now_s, lists)
    if step:
        return step
    if rollback.shortfall(state):
        return _not_closed(state, started)
    return CloseGroup(group=started.group)


def _not_closed(state: RolloutState, started: GroupUndoStarted) -> RollBack | Hold:
    """The gap stays open: everything is put back, or, where that is not offered, a person must look."""
    assert state.started is not None
    reason = f"{started.reason}; the group {started.group} could not be closed"
    offered = not state.started.execution_plan.rollback.forward_only
    if offered and rollback.irreversible(state) is None:
        return RollBack(cause=f"{started.operation}: {reason}", operation=started.operation)
    undone = "; ".join((reason, *rollback.shortfall(state)))
    hint = "mend what keeps it open and `resume`: the whole group is tried again"
    held = RolloutHeld(kind=started.hold, operation=started.operation, reason=undone, hint=hint)
    return Hold(held=held)
