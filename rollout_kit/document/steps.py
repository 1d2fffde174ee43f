"""The steps of a plan: one dataclass per `uses`, defaults already filled in from the release."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from rollout_kit.document.position import Position
from rollout_kit.document.terms import BuildSelector, Share
from rollout_kit.model.operation import OnFailure, PinnedRuns


class StepKind(enum.StrEnum):
    """What `uses` may say."""

    BOOTSTRAP = "bootstrap"
    API_CUTOVER = "api-cutover"
    SCHEDULER_HANDOVER = "scheduler-handover"
    WORKER_CANARY = "worker-canary"
    PROMOTE = "promote"
    DRAIN = "drain"
    RESTORE = "restore"
    VERIFY = "verify"
    APPROVAL = "approval"
    PAUSE = "pause"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapStep:
    """Bring the schema to the release, once per revision."""

    image: str
    revision: str
    additive: bool = False
    """The author's word that old code runs on the new schema."""
    within_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCutoverStep:
    """Replace the API nodes, one at a time."""

    order: tuple[str, ...]
    """Node names, each at most once; as the target lists them unless the plan says otherwise."""
    bake_s: float = 30.0
    """After each node."""
    within_s: float = 300.0
    """For each node."""
    promote: bool = False
    """Change the marker in the same restart (marker routing)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerHandoverStep:
    """Stop the old scheduler, prove it gone, start the new one."""

    gap_at_most_s: float = 30.0
    overdue_at_most_s: float = 120.0
    within_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeStage:
    """Runs of the rollout's own, pinned to the new build, whose results are awaited."""

    workflow_type: str
    count: int = 1
    """Runs per queue."""
    timeout_s: float = 60.0
    """The run timeout of each."""
    bake_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareStage:
    """A share of the new starts goes to the new build."""

    share: Share
    bake_s: float = 30.0


CanaryStage: TypeAlias = SmokeStage | ShareStage


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCanaryStep:
    """Bring up the new cohort of each queue and give it work in judged stages."""

    task_queues: tuple[str, ...]
    stages: tuple[CanaryStage, ...]
    replicas: int | Share | None = None
    """Per queue, a number or a share of the release's; None: the release's."""
    within_s: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteStep:
    """Give all new starts to one build."""

    task_queues: tuple[str, ...]
    cohort: BuildSelector
    """Always a build id."""
    within_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainStep:
    """Take a cohort out of service and prove that it is gone."""

    task_queues: tuple[str, ...]
    cohort: BuildSelector
    within_s: float
    pinned_runs: PinnedRuns = PinnedRuns.WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStep:
    """Put a good build back in place of a bad one, by hand and without a journal."""

    task_queues: tuple[str, ...]
    good: BuildSelector
    bad: BuildSelector
    within_s: float = 1800.0
    pinned_runs: PinnedRuns = PinnedRuns.WAIT


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyStep:
    """Judge the fleet: the gates of the step, or the verification table where it has none."""

    smoke: SmokeStage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStep:
    """Wait for a person."""

    prompt: str
    within_s: float
    """By the wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStep:
    """Let time pass under watch of the guards."""

    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """Run a program of the author's."""

    command: tuple[str, ...]
    undo: tuple[str, ...] | None = None
    """None only where `irreversible`."""
    check: tuple[str, ...] | None = None
    """Exits 0 where the command's effect is already there."""
    idempotent: bool = False
    """It may be run again when its outcome is in doubt."""
    irreversible: bool = False
    within_s: float = 600.0


StepArguments: TypeAlias = (
    BootstrapStep
    | ApiCutoverStep
    | SchedulerHandoverStep
    | WorkerCanaryStep
    | PromoteStep
    | DrainStep
    | RestoreStep
    | VerifyStep
    | ApprovalStep
    | PauseStep
    | RunStep
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of `steps`."""

    id: str
    name: str
    """For people; the id where the plan gives none."""
    uses: StepKind
    with_: StepArguments
    gates: tuple[str, ...]
    """Names of the plan's gates, judged after each unit of the step."""
    timeout_s: float | None
    """For the whole step, in attended seconds; None: unbounded but for its operations."""
    on_failure: OnFailure
    """The step's own, else the plan's."""
    position: Position | None = field(default=None, compare=False)
    """None after the document was read back from a journal."""
