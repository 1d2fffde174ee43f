"""The journal's alphabet: facts in the past tense, one frozen class each.

Nothing is ever taken out of this module: journals of every version are read for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.gate import Baseline, Verdict
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Difference, FactValue, Observation
from rollout_kit.model.operation import Announcement, Compensation, InfraProgram, Operation
from rollout_kit.model.request import PersonAsked as PersonAsked  # noqa: PLC0414


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStarted:
    """Record 0. `document` is canonical JSON after substitution, secrets as references."""

    rollout: str
    plan: str
    digest: str
    document: str
    target: str
    execution_plan: ExecutionPlan
    tool_version: str
    plan_folder: str = ""  # where relative paths of the document start
    announced: tuple[Announcement, ...] = ()  # what the driver said of each operation's resources
    program: InfraProgram | None = None  # None: no program describes the infrastructure


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A process took the rollout up. `attended_s` before it, as the lock's last renewal knew it."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineTaken:
    """The world before the first write: facts, samples, pins nobody served even then."""

    observation: Observation
    baselines: tuple[Baseline, ...]
    unserved_pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSkipped:
    operation: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationAwaited:
    """A check, or a no-op that has to wait, began to wait: its `within` runs from here."""

    operation: Operation
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationIntended:
    """Written before the effect: after it, a crash leaves the effect in doubt, never the undo."""

    operation: Operation
    attempt: int
    key: str
    before: Mapping[str, FactValue]
    undo: Compensation
    touches: tuple[str, ...]  # fact paths, or prefixes ending in "/"
    expected: Mapping[str, FactValue]
    announced: Announcement | None = None  # its part of what the rollout announced


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReapplied:
    operation: str
    n: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCompleted:
    """`facts`: the touched facts as seen. `wrote` is False for a check and a no-op."""

    operation: str
    facts: Mapping[str, FactValue]
    wrote: bool
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailed:
    operation: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecided:
    operation: str
    gate: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardBreached:
    guard: str
    sentence: str
    hint: str = ""


class HoldKind(StrEnum):
    """Why a rollout stopped to wait. An approval is no hold that `resume` has to release."""

    APPROVAL = "approval"
    FAILURE = "failure"  # on_failure: hold
    INCONCLUSIVE = "inconclusive"
    DRIFT = "drift"
    PERSON = "person"  # only a person can say
    REQUEST = "request"  # a person asked for it
    CAPABILITY = "capability"
    NO_ANSWER = "no-answer"
    SKEW = "skew"  # two versions live side by side for longer than the plan allows
    REFUSED = "refused"  # an update would leave its announced radius


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutHeld:
    """`fingerprint`: of what the operations after it touch and rely on; an approval is bound to it."""

    kind: HoldKind
    operation: str  # the operation or guard at which it holds
    reason: str
    hint: str = ""
    fingerprint: str = ""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReleased:
    """`resume` said go on: the operation (or its whole group) starts a new attempt."""

    operation: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftAccepted:
    facts: Mapping[str, FactValue]
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven:
    operation: str
    actor: str
    because: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedByPerson:
    operation: str
    fact: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUndoStarted:
    """A failure or drift inside a group: the group's own undo runs before it holds or aborts.

    `operation`, `hold`, `reason` and `hint` are those of the hold that follows.
    """

    group: str
    operation: str
    hold: HoldKind
    reason: str
    hint: str = ""
    abort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupUndone:
    """The gap is closed again; the group counts as not begun."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackStarted:
    cause: str
    actor: str
    freeze: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoSkipped:
    """An undo operation that was not carried out, and why. It makes the rollback incomplete."""

    operation: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortLeftRunning:
    """Residue: open runs need this cohort."""

    operation: str
    cohort: CohortRef
    runs: tuple[str, ...]
    reason: str


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled-back"
    ROLLED_BACK_WITH_RESIDUE = "rolled-back-with-residue"
    ROLLBACK_INCOMPLETE = "rollback-incomplete"
    FAILED = "failed"  # failed where no rollback is offered
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFinished:
    """`seen`: the fleet's facts in the last look after a rollback; empty where none was taken."""

    outcome: Outcome
    sentence: str
    residue: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    seen: Mapping[str, FactValue] = field(default_factory=dict)


Event: TypeAlias = (
    RolloutStarted
    | Attached
    | BaselineTaken
    | OperationSkipped
    | OperationAwaited
    | OperationIntended
    | OperationReapplied
    | OperationCompleted
    | OperationFailed
    | GateDecided
    | GuardBreached
    | RolloutHeld
    | HoldReleased
    | DriftAccepted
    | ApprovalGiven
    | ProvedByPerson
    | PersonAsked
    | GroupUndoStarted
    | GroupUndone
    | RollbackStarted
    | UndoSkipped
    | CohortLeftRunning
    | RolloutFinished
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the journal. `previous` is the hash of the record before (64 zeros for the first)."""

    sequence: int
    at: datetime  # UTC wall clock
    attended_s: float  # seconds, monotonic, that somebody has run this rollout
    actor: str
    fence: int
    previous: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Not journaled: what reporters are shown between records (a sample, a wait, a sign of life)."""

    operation: str
    text: str
    samples: tuple[float | None, ...] = ()
    threshold: str = ""
    waited_s: float = 0.0
    details: Mapping[str, str] = field(default_factory=dict)
