"""The plan document as the planner reads it: substituted, checked, with every default filled in.

All of the language is importable from here; it says nothing about any live fleet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from rollout_kit.document.conditions import (
    AddedGuard,
    AtLeast,
    AtMost,
    BuiltInGuard,
    CohortCount,
    CohortSource,
    Equals,
    GateDeclaration,
    GuardDeclaration,
    GuardName,
    HttpSource,
    IncreaseAtMost,
    MetricSource,
    ReadinessSource,
    Source,
    Threshold,
)
from rollout_kit.document.release import (
    ProtocolSets,
    Release,
    ServerRelease,
    TopologyDeclaration,
    WorkerRelease,
)
from rollout_kit.document.steps import (
    ApiCutoverStep,
    ApprovalStep,
    BootstrapStep,
    CanaryStage,
    DrainStep,
    PauseStep,
    PromoteStep,
    RestoreStep,
    RunStep,
    SchedulerHandoverStep,
    ShareStage,
    SmokeStage,
    Step,
    StepArguments,
    StepKind,
    VerifyStep,
    WorkerCanaryStep,
)
from rollout_kit.document.target import (
    Acceptance,
    Credentials,
    Engine,
    Infra,
    ProcessInfra,
    Target,
    TargetNode,
)
from rollout_kit.document.terms import (
    BuildSelector,
    Identity,
    NewBuild,
    OnFailure,
    PinnedRuns,
    Position,
    SecretText,
    Share,
    UnsetEnvironmentError,
)

__all__ = [
    "Acceptance",
    "AddedGuard",
    "ApiCutoverStep",
    "ApprovalStep",
    "AtLeast",
    "AtMost",
    "BootstrapStep",
    "BuildSelector",
    "BuiltInGuard",
    "CanaryStage",
    "CohortCount",
    "CohortSource",
    "Credentials",
    "DrainStep",
    "Engine",
    "Equals",
    "GateDeclaration",
    "GuardDeclaration",
    "GuardName",
    "HttpSource",
    "Identity",
    "IncreaseAtMost",
    "Infra",
    "MetricSource",
    "NewBuild",
    "OnFailure",
    "PauseStep",
    "PinnedRuns",
    "PlanDocument",
    "Position",
    "ProcessInfra",
    "PromoteStep",
    "ProtocolSets",
    "ReadinessSource",
    "Release",
    "RestoreStep",
    "RollbackPolicy",
    "RunStep",
    "SchedulerHandoverStep",
    "SecretText",
    "ServerRelease",
    "Share",
    "ShareStage",
    "SmokeStage",
    "Source",
    "Step",
    "StepArguments",
    "StepKind",
    "Target",
    "TargetNode",
    "Threshold",
    "TopologyDeclaration",
    "UnsetEnvironmentError",
    "Variable",
    "VerifyStep",
    "WorkerCanaryStep",
    "WorkerRelease",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackPolicy:
    """How an automatic rollback behaves."""

    within_s: float = 3600.0
    pinned_runs: PinnedRuns = PinnedRuns.WAIT
    """Never `STRAND`."""
    new_build: NewBuild = NewBuild.FINISH
    forward_only: str | None = None
    """The author's reason for offering no rollback; every `on_failure` is then `HOLD`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the plan with the value it had when the plan was read."""

    name: str
    value: str
    """Of a secret one the reference."""
    secret: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """One reviewed rollout."""

    name: str
    description: str | None
    variables: tuple[Variable, ...]
    target: Target
    infra: Infra | None
    """None: no step of the plan needs any."""
    release: Release
    gates: tuple[GateDeclaration, ...]
    guards: tuple[GuardDeclaration, ...]
    """The four built-in ones first, then the plan's own."""
    steps: tuple[Step, ...]
    on_failure: OnFailure
    rollback: RollbackPolicy
    state: str | None
    """Where journals live; None: the default."""
    canonical: str = field(repr=False)
    """The substituted document as JSON, secrets as references: what a journal carries."""

    @property
    def digest(self) -> str:
        """Identify the plan: comments, layout and order of keys do not matter."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    def gate(self, name: str) -> GateDeclaration:
        """Find a gate that a step names. Raises `KeyError`."""
        for gate in self.gates:
            if gate.name == name:
                return gate
        raise KeyError(name)
