"""Operations: the atomic, convergent acts that a step expands to. Journaled, retried, undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import FactValue

JsonValue: TypeAlias = object
"""Arguments as the journal holds them: plain JSON. Each kind reads them into its own dataclass."""


class OnFailure(StrEnum):
    ROLLBACK = "rollback"
    HOLD = "hold"
    ABORT = "abort"


class PinnedRuns(StrEnum):
    """What becomes of open runs that are pinned to a cohort which is to go."""

    WAIT = "wait"
    KEEP = "keep"
    STRAND = "strand"


class NewBuild(StrEnum):
    """In a rollback: let the new build finish its runs, or stop it as soon as that is safe."""

    FINISH = "finish"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPolicy:
    """What a rollback may take and do. `forward_only`: the reason why none is offered, or None."""

    within_s: float = 3600.0
    pinned_runs: PinnedRuns = PinnedRuns.WAIT
    new_build: NewBuild = NewBuild.FINISH
    forward_only: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Operations that leave a gap open between the first and the last.

    `goal` are the facts that hold when the group's work is already done: then every operation of it
    is a no-op, and the goal is what is verified.
    """

    id: str
    goal: Mapping[str, FactValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One act, complete without its document."""

    id: str  # reads as a path: api/api-1/detach, of an undo undo/<operation>/<n>
    kind: str  # key of the registry of operation kinds
    step: str  # the step's id
    because: str = ""  # for people; no code branches on it
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    within_s: float = 600.0  # bounds its waiting, in attended seconds since its intent
    step_timeout_s: float | None = None
    on_failure: OnFailure = OnFailure.ROLLBACK
    rollback: RollbackPolicy = field(default_factory=RollbackPolicy)
    follows: tuple[str, ...] = ()  # ids whose writes it judges or builds on, in its step
    follows_plan: bool = False  # it judges the whole plan (verify, pause)
    wave: str = ""  # neighbours in the plan with the same one are in flight together
    group: Group | None = None
    requires: Capability | None = None
    line: int = 0  # place of the step in the file, for messages; 0: none
    column: int = 0


class ChangeKind(StrEnum):
    NO_OP = "no-op"
    UPDATE = "update"
    CHECK = "check"  # it only judges
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an operation would do to the world it is shown, and the sentence that says so."""

    kind: ChangeKind
    sentence: str
    details: tuple[str, ...] = ()  # workers, leases, pinned runs it touches, …
    hint: str = ""  # blocked: what to do next
    estimate_s: float = 0.0  # how long it usually takes
    irreversible: str = ""  # why it cannot be undone
    not_judged: tuple[str, ...] = ()  # what this session could not read: judged at apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The effect is there."""

    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet; look again after `retry_after_s`.

    `unmeasured`: nothing bad was seen, it could not be measured: its time running out holds.
    """

    retry_after_s: float
    progress: str
    unmeasured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not come true.

    `hold`: the kind of hold (`HoldKind`) that it leads to whatever `on_failure` says, because nothing
    was sent and only a person can judge why; an undo fails all the same.
    """

    reason: str
    hint: str = ""
    hold: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsPerson:
    """Only a person can say or decide: the rollout holds."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRunning:
    """In an undo: this cohort stays, because these open runs need it."""

    cohort: CohortRef
    runs: tuple[str, ...]
    reason: str


Verification: TypeAlias = Done | Waiting | Failed | NeedsPerson | LeftRunning


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Operations that restore the before-image, in order.

    `restore` gives work and membership back and runs in the rollback's first pass; `retire` takes
    away what this rollout brought and runs in the second.
    """

    restore: tuple[Operation, ...] = ()
    retire: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """It stays and is harmless by contract."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Irreversible:
    """It cannot be undone: no rollback is offered after it."""

    reason: str


Compensation: TypeAlias = Undo | Keep | Irreversible


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What the driver said one operation would do to its resources, before the rollout began.

    `creates`: names of its own that it makes. `beyond`: what of it reaches further than the operation
    may, in words. An announcement of no operation is what would change without any.
    """

    operation: str
    resources: tuple[str, ...]
    kinds: tuple[str, ...]
    changed: tuple[str, ...]
    creates: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InfraProgram:
    """The program whose updates a rollout sends. `commit`: of the work tree it was in, if any."""

    path: str
    commit: str
    digest: str
