"""What the journal says of a rollout. It comes out of `evolve` alone, which copies and computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, assert_never

from rollout_kit.model.events import (
    ApprovalGiven,
    Attached,
    BaselineTaken,
    CohortLeftRunning,
    DriftAccepted,
    GateDecided,
    GroupUndone,
    GroupUndoStarted,
    GuardBreached,
    HoldKind,
    HoldReleased,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    OperationReapplied,
    OperationSkipped,
    PersonAsked,
    ProvedByPerson,
    Record,
    RollbackStarted,
    RolloutFinished,
    RolloutHeld,
    RolloutStarted,
    UndoSkipped,
)
from rollout_kit.model.observation import Facts
from rollout_kit.model.standing import OperationEvent, OperationState, Standing

__all__ = ["OperationState", "RolloutState", "Standing", "evolve", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One rollout. Undo operations stand in `operations` beside the others, under their own ids."""

    started: RolloutStarted | None = None
    baseline: BaselineTaken | None = None
    baseline_attended_s: float = 0.0
    operations: Mapping[str, OperationState] = field(default_factory=dict)
    intents: tuple[str, ...] = ()  # ids in the order of their first intents, undos too
    attempts: Mapping[str, int] = field(default_factory=dict)  # 1 where it says nothing
    decisions: Mapping[str, GateDecided] = field(default_factory=dict)
    approvals: Mapping[str, ApprovalGiven] = field(default_factory=dict)
    proofs: Mapping[str, ProvedByPerson] = field(default_factory=dict)
    asked: Mapping[str, PersonAsked] = field(default_factory=dict)  # the latest last
    accepted: Facts = field(default_factory=dict)
    breach: GuardBreached | None = None
    hold: RolloutHeld | None = None
    asked_to_hold_at: int = 0  # records there were when a person's request was last met
    held_at: datetime | None = None  # wall clock of the hold: approvals are bounded by it
    group_undo: GroupUndoStarted | None = None
    group_undone: bool = False
    rollback: RollbackStarted | None = None
    rollback_attended_s: float = 0.0
    rollback_at: int = 0  # records there were when it began: who aborts it said so later
    left: tuple[CohortLeftRunning, ...] = ()
    skipped_undos: Mapping[str, UndoSkipped] = field(default_factory=dict)
    finished: RolloutFinished | None = None
    attached: Attached | None = None
    attended_s: float = 0.0
    records: int = 0
    at: datetime | None = None  # of the last record, by the wall clock

    def standing(self, operation_id: str) -> Standing | None:
        found = self.operations.get(operation_id)
        return found.standing if found else None

    def attempt(self, operation_id: str) -> int:
        return self.attempts.get(operation_id, 1)

    @property
    def wrote(self) -> frozenset[str]:
        """Ids of the operations with an intent: what a check that follows them has to judge."""
        return frozenset(self.intents)


def fold(records: Iterable[Record]) -> RolloutState:
    """The state after these records."""
    state = RolloutState()
    for record in records:
        state = evolve(state, record)
    return state


def evolve(state: RolloutState, record: Record) -> RolloutState:
    """The state after one more record."""
    if isinstance(record.event, OperationEvent):
        return _evolve_operation(state, record, record.event)
    state = replace(state, **_read(state, record))
    if isinstance(record.event, RolloutHeld):
        state = replace(state, held_at=record.at)
        if record.event.kind is HoldKind.REQUEST:
            state = replace(state, asked_to_hold_at=state.records)
    match record.event:
        case RolloutStarted() as event:
            return replace(state, started=event)
        case Attached() as event:
            return replace(state, attached=event)
        case BaselineTaken() as event:
            return replace(state, baseline=event, baseline_attended_s=record.attended_s)
        case GateDecided() as event:
            return replace(state, decisions={**state.decisions, event.operation: event})
        case ApprovalGiven() as event:
            approvals = {**state.approvals, event.operation: event}
            return replace(state, approvals=approvals, hold=_unless_at(state, event.operation))
        case ProvedByPerson() as event:
            proofs = {**state.proofs, event.operation: event}
            return replace(state, proofs=proofs, hold=_unless_at(state, event.operation))
        case PersonAsked() as event:
            others = {k: v for k, v in state.asked.items() if k != event.operation.id}
            return replace(state, asked={**others, event.operation.id: event})
        case GuardBreached() as event:
            return replace(state, breach=event)
        case DriftAccepted() as event:
            return replace(state, accepted={**state.accepted, **event.facts})
        case UndoSkipped() as event:
            return replace(state, skipped_undos={**state.skipped_undos, event.operation: event})
        case CohortLeftRunning() as event:
            return replace(state, left=(*state.left, event))
        case RolloutFinished() as event:
            return replace(state, finished=event, hold=None)
        case _ as event:
            return _evolve_course(state, event)


def _evolve_course(
    state: RolloutState,
    event: RolloutHeld | HoldReleased | GroupUndoStarted | GroupUndone | RollbackStarted,
) -> RolloutState:
    match event:
        case RolloutHeld():
            return replace(state, hold=event, group_undo=None, group_undone=False)
        case HoldReleased():
            return _begin_again(
                replace(state, hold=None, breach=None), _with_group(state, event.operation)
            )
        case GroupUndoStarted():
            return replace(state, group_undo=event, group_undone=False)
        case GroupUndone():
            return _begin_again(replace(state, group_undone=True), _members(state, event.group))
        case RollbackStarted():
            # What an earlier undo could not do is tried again; a finished rollout can be rolled back, too.
            undos = ((i, v) for i, v in state.operations.items() if i.startswith("undo/"))
            over = tuple(
                i for i, v in undos if v.standing not in (Standing.COMPLETED, Standing.INTENDED)
            )
            return replace(
                _begin_again(replace(state, group_undone=False), (*over, *state.skipped_undos)),
                left=(),
                rollback=event,
                rollback_attended_s=state.attended_s,
                rollback_at=state.records,
                hold=None,
                group_undo=None,
                finished=None,
            )
        case _:
            assert_never(event)


def _read(state: RolloutState, record: Record) -> dict[str, Any]:
    """What every record changes. One copy of the state a record: journals are long."""
    return {"attended_s": record.attended_s, "records": state.records + 1, "at": record.at}


def _evolve_operation(state: RolloutState, record: Record, event: OperationEvent) -> RolloutState:
    changes = _read(state, record)
    match event:
        case OperationAwaited():
            before = _found(state, event.operation.id)
            after = replace(
                before,
                standing=Standing.AWAITED,
                operation=event.operation,
                since_attended_s=record.attended_s,
            )
        case OperationIntended():
            before = _found(state, event.operation.id)
            after = replace(
                before,
                standing=Standing.INTENDED,
                operation=event.operation,
                intended=before.intended or event,
                key=event.key,
                reapplied=0,
                since_attended_s=record.attended_s,
            )
            if event.operation.id not in state.intents:
                changes["intents"] = (*state.intents, event.operation.id)
        case OperationReapplied():
            after = replace(_found(state, event.operation), reapplied=event.n)
        case OperationCompleted():
            # What this rollout has changed since is no longer what the person accepted.
            changed = {k: v for k, v in event.facts.items() if k in state.accepted}
            if changed:
                changes["accepted"] = {**state.accepted, **changed}
            after = replace(
                _found(state, event.operation),
                standing=Standing.COMPLETED,
                completed_at=record.at,
                facts=event.facts,
                wrote=event.wrote,
                reason=event.sentence,
            )
        case OperationFailed():
            changes["hold"] = _unless_at(state, event.operation)
            after = replace(
                _found(state, event.operation),
                standing=Standing.FAILED,
                reason=event.reason,
                hint=event.hint,
            )
        case OperationSkipped():
            after = replace(
                _found(state, event.operation), standing=Standing.SKIPPED, reason=event.reason
            )
        case _:
            assert_never(event)
    return replace(state, **changes, operations={**state.operations, after.id: after})


def _found(state: RolloutState, operation_id: str) -> OperationState:
    return state.operations.get(operation_id) or OperationState(
        id=operation_id, standing=Standing.AWAITED
    )


def _unless_at(state: RolloutState, operation_id: str) -> RolloutHeld | None:
    """The hold, unless it stands at this operation: what a person said settles it."""
    return None if state.hold and state.hold.operation == operation_id else state.hold


def _members(state: RolloutState, group: str) -> tuple[str, ...]:
    """A group's operations that have begun, and their undos: all count as not begun again."""
    members = {
        found.id
        for found in state.operations.values()
        if found.operation and found.operation.group and found.operation.group.id == group
    }
    known = (*state.operations, *state.skipped_undos)
    undos = {i for i in known if i.startswith(tuple(f"undo/{m}/" for m in members))}
    return tuple(sorted(members | undos))


def _with_group(state: RolloutState, operation_id: str) -> tuple[str, ...]:
    """An operation alone; with its whole group where that has run (some of) its own undo."""
    found = state.operations.get(operation_id)
    group = found.operation.group if found and found.operation else None
    members = _members(state, group.id) if group else ()
    if not any(item.startswith("undo/") for item in members):
        return (operation_id,)
    return members if operation_id in members else (*members, operation_id)


def _begin_again(state: RolloutState, operation_ids: tuple[str, ...]) -> RolloutState:
    """These operations start a new attempt: fresh intent, `within` and decisions; undos stand.

    An operation that had an intent keeps it (its effect may be there, and its undo must stand)
    unless its group was undone, in which case nothing of it is left.
    """
    attempts = {**state.attempts, **{i: state.attempt(i) + 1 for i in operation_ids}}
    gone = set(operation_ids)
    kept_intents = (
        tuple(i for i in state.intents if i not in gone) if state.group_undone else state.intents
    )
    operations: dict[str, OperationState] = {}
    for found in state.operations.values():
        if found.id not in gone:
            operations[found.id] = found
        elif found.intended and not state.group_undone:
            operations[found.id] = replace(
                found, standing=Standing.AWAITED, since_attended_s=state.attended_s
            )
    return replace(
        state,
        attempts=attempts,
        operations=operations,
        intents=kept_intents,
        decisions={k: v for k, v in state.decisions.items() if k not in gone},
        proofs={k: v for k, v in state.proofs.items() if k not in gone},
        skipped_undos={k: v for k, v in state.skipped_undos.items() if k not in gone},
    )
