"""The plan document as the planner reads it: substituted, checked, with every default filled in.

All of the language is importable from here; it says nothing about any live fleet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rollout_kit.document.canonical import digest
from rollout_kit.document.conditions import (
    AddedGuard,
    BuiltInGuard,
    CohortSource,
    GateDeclaration,
    GuardDeclaration,
    GuardName,
    HttpSource,
    MetricSource,
    ReadinessSource,
    Source,
)
from rollout_kit.document.position import Position
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
    UNCOUNTED_WORKERS,
    Acceptance,
    CommandInfra,
    Credentials,
    Engine,
    Infra,
    ManualInfra,
    ProcessInfra,
    PulumiInfra,
    Target,
    TargetNode,
)
from rollout_kit.document.terms import (
    BuildSelector,
    Identity,
    SecretText,
    Share,
    UnsetEnvironmentError,
)
from rollout_kit.document.variables import Variable
from rollout_kit.model.gate import Bound, CohortMeasure, Threshold
from rollout_kit.model.operation import NewBuild, OnFailure, PinnedRuns, RollbackPolicy

__all__ = [
    "UNCOUNTED_WORKERS",
    "Acceptance",
    "AddedGuard",
    "ApiCutoverStep",
    "ApprovalStep",
    "BootstrapStep",
    "Bound",
    "BuildSelector",
    "BuiltInGuard",
    "CanaryStage",
    "CohortMeasure",
    "CohortSource",
    "CommandInfra",
    "Credentials",
    "DrainStep",
    "Engine",
    "GateDeclaration",
    "GuardDeclaration",
    "GuardName",
    "HttpSource",
    "Identity",
    "Infra",
    "ManualInfra",
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
    "PulumiInfra",
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
        return digest(self.canonical)

    def gate(self, name: str) -> GateDeclaration:
        """Find a gate that a step names. Raises `KeyError`."""
        for gate in self.gates:
            if gate.name == name:
                return gate
        raise KeyError(name)
