"""What `decide` can answer: one frozen class for each thing that the executor then does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rollout_kit.model.events import GroupUndoStarted, Outcome, RolloutHeld
from rollout_kit.model.operation import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Look at this operation and take it one step on: begin, apply, apply again, verify."""

    operation: Operation
    undo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBaseline:
    """Picture the fleet before the first write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFleet:
    """Sample the guards and hold the fleet against what is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Nothing to do until this moment (monotonic seconds)."""

    until_s: float
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """`operation`: what failed, for a hold at it where nothing can be put back."""

    cause: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoGroup:
    """Close the gap that a group left open, before holding or aborting."""

    started: GroupUndoStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseGroup:
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Journal this hold (or repeat the one that stands) and stop."""

    held: RolloutHeld
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipUndo:
    """The rollback's deadline has come: this undo is listed instead of done."""

    operation: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """The rollback's undos are through: look once more at the whole fleet, then say how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The rollout is over, or waits for a person: nothing to journal."""


Decision: TypeAlias = (
    Advance
    | TakeBaseline
    | WatchFleet
    | Sleep
    | RollBack
    | UndoGroup
    | CloseGroup
    | Hold
    | SkipUndo
    | Settle
    | Finish
    | Stop
)
