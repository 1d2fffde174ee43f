"""Where one operation of a rollout stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.model.events import (
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    OperationReapplied,
    OperationSkipped,
)
from rollout_kit.model.observation import Facts
from rollout_kit.model.operation import Operation

OperationEvent: TypeAlias = (
    OperationSkipped
    | OperationAwaited
    | OperationIntended
    | OperationReapplied
    | OperationCompleted
    | OperationFailed
)


class Standing(StrEnum):
    """Where one operation stands. One without a standing has not begun."""

    AWAITED = "awaited"
    INTENDED = "intended"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationState:
    """One operation as the journal knows it. `intended` is the *first* intent: its undo stands."""

    id: str
    standing: Standing
    since_attended_s: float = 0.0  # of this attempt's intent or wait
    operation: Operation | None = None
    intended: OperationIntended | None = None
    key: str = ""  # of the present attempt
    reapplied: int = 0
    facts: Facts = field(default_factory=dict)
    wrote: bool = False
    completed_at: datetime | None = None  # by the wall clock
    reason: str = ""
    hint: str = ""
