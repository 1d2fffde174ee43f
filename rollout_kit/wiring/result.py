"""What a command with a rollout is given, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rollout_kit.execution.preview import Preview
from rollout_kit.execution.stale import Moved
from rollout_kit.journal.store import RolloutStore
from rollout_kit.model.events import HoldKind, Outcome, Record
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.reporter import Reporter
from rollout_kit.wiring.clock import SystemClock


class Ending(StrEnum):
    """How a command with a rollout ended; the exit code's table names each."""

    SUCCEEDED = "succeeded"
    NOTHING_TO_DO = "nothing-to-do"
    FAILED = "failed"
    ABORTED = "aborted"
    BLOCKED = "blocked"  # before the first write
    POLICY = "policy"
    STALE = "stale"
    ROLLED_BACK = "rolled-back"
    RESIDUE = "residue"  # rolled back with residue, or incompletely
    HELD = "held"
    LOCKED = "locked"
    INTERRUPTED = "interrupted"


ENDINGS: Mapping[Outcome, Ending] = {
    Outcome.SUCCEEDED: Ending.SUCCEEDED,
    Outcome.FAILED: Ending.FAILED,
    Outcome.ABORTED: Ending.ABORTED,
    Outcome.ROLLED_BACK: Ending.ROLLED_BACK,
    Outcome.ROLLED_BACK_WITH_RESIDUE: Ending.RESIDUE,
    Outcome.ROLLBACK_INCOMPLETE: Ending.RESIDUE,
}


class CannotTakeUp(Exception):
    """A rollout that has written and is not over cannot be gone on with; the cause says why."""

    def __init__(self, rollout: str) -> None:
        super().__init__(f"{rollout} cannot be taken up")
        self.rollout = rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command ends with. `preview` when it ended before anything was journaled."""

    ending: Ending
    sentence: str
    rollout: str = ""
    journal: str | None = None  # its place, as messages name it
    hint: str = ""
    residue: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    hold: HoldKind | None = None
    operation: str = ""
    state: RolloutState | None = field(default=None, repr=False)
    preview: Preview | None = field(default=None, repr=False)
    moved: tuple[Moved, ...] = ()  # since the saved preview, where that is why it was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a command runs: what it may read, where it journals, whom it tells."""

    environment: Mapping[str, str]
    store: RolloutStore
    clock: SystemClock
    reporters: tuple[Reporter, ...] = ()
    command: str = "apply"
    wait_for_people: bool = False
    lock_wait_s: float = 0.0
    catch_up: Callable[[Sequence[Record]], None] = lambda _: None  # with what was journaled before
    policies: tuple[Path, ...] = ()
    warn: Callable[[str], None] = lambda _: None
