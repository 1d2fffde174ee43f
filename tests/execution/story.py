"""Journals as short stories: events in, a state out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rollout_kit.model.events import (
    BaselineTaken,
    Event,
    OperationCompleted,
    OperationIntended,
    Record,
    RolloutStarted,
)
from rollout_kit.model.execution_plan import ExecutionPlan, Scope
from rollout_kit.model.observation import FactValue, Observation
from rollout_kit.model.operation import (
    Compensation,
    Group,
    OnFailure,
    Operation,
    RollbackPolicy,
    Undo,
)
from rollout_kit.model.state import RolloutState, fold

AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SCOPE = Scope(target="prod", namespace="default", nodes=(), namespaces=("default",), queues=())


def op(name: str, *, group: str = "", on_failure: OnFailure = OnFailure.ROLLBACK) -> Operation:
    return Operation(
        id=name,
        kind="bake",
        step=name.split("/", maxsplit=1)[0],
        arguments={"bake_s": 1.0},
        group=Group(id=group) if group else None,
        on_failure=on_failure,
    )


def started(
    *operations: Operation,
    rollback: RollbackPolicy | None = None,
    on_failure: OnFailure = OnFailure.ROLLBACK,
) -> RolloutStarted:
    return RolloutStarted(
        rollout="r-1",
        plan="p",
        digest="d",
        document="{}",
        target="prod",
        tool_version="0",
        execution_plan=ExecutionPlan(
            scope=SCOPE,
            operations=operations,
            rollback=rollback or RollbackPolicy(),
            on_failure=on_failure,
        ),
    )


def baseline(facts: Mapping[str, FactValue] | None = None) -> BaselineTaken:
    return BaselineTaken(observation=Observation(facts=facts or {}), baselines=())


def intended(
    operation: Operation,
    *,
    undo: Compensation | None = None,
    touches: tuple[str, ...] = (),
    before: Mapping[str, FactValue] | None = None,
) -> OperationIntended:
    return OperationIntended(
        operation=operation,
        attempt=1,
        key=f"r-1/{operation.id}/1",
        before=before or {},
        undo=undo or Undo(),
        touches=touches,
        expected={},
    )


def completed(
    operation: Operation, facts: Mapping[str, FactValue] | None = None, *, wrote: bool = True
) -> OperationCompleted:
    return OperationCompleted(operation=operation.id, facts=facts or {}, wrote=wrote)


def state(*events: Event, every_s: float = 1.0) -> RolloutState:
    """Each event one attended second after the one before."""
    return fold(
        Record(
            sequence=n,
            at=AT,
            attended_s=n * every_s,
            actor="me",
            fence=1,
            previous="0" * 64,
            event=event,
        )
        for n, event in enumerate(events)
    )
