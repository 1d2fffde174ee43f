"""The plan document as the planner reads it: substituted, checked, with every default filled in.

All of the language is importable from here; it says nothing about any live fleet.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

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


class Engine(enum.StrEnum):
    """The workflow server that a plan can address."""

    DURABLE_WORKFLOW = "durable-workflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNode:
    """An API node, addressable on its own."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are to the server: references into the environment, never values."""

    operator: SecretText
    admin: SecretText | None
    """None: what needs it reads "not judged"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A precondition that the fleet does not meet and the author accepts, with the reason."""

    precondition: str
    """As in `outage`."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The fleet that the plan is for."""

    name: str
    """The key of lock and journal."""
    engine: Engine
    url: str
    """Load-balanced, for control-plane calls."""
    namespace: str
    namespaces: tuple[str, ...]
    """All that this plan may touch, `namespace` first."""
    credentials: Credentials
    nodes: tuple[TargetNode, ...]
    accept: tuple[Acceptance, ...]
    no_answer_for_s: float = 120.0
    """How long silence is no drift, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfra:
    """Processes of one host, under the process driver."""

    fleet: str
    """Path of the fleet file; a relative one starts at the folder of the plan."""


Infra: TypeAlias = ProcessInfra


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSets:
    """Protocol versions that the new server speaks; None where undeclared."""

    control_plane: tuple[str, ...] | None
    worker: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyDeclaration:
    """What a new node shows of its place in the fleet; None: as before."""

    shape: str | None
    process_class: str | None
    roles: tuple[str, ...] | None
    matching_role: tuple[tuple[str, str | bool], ...]
    """Fields of the matching role that the new node shows, by their names on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRelease:
    """The server version to leave and the one to reach; equal ones are a restart."""

    from_: str
    to: str
    image: str
    revision: str
    """Of the schema; `to` unless the plan names one."""
    from_image: str | None
    identity: Identity
    protocols: ProtocolSets | None
    topology: TopologyDeclaration | None

    @property
    def is_restart(self) -> bool:
        """Tell a restart on another image digest from a change of version."""
        return self.from_ == self.to


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRelease:
    """The build to leave and the one to reach on one queue."""

    task_queue: str
    namespace: str
    from_: BuildSelector | None
    """None: the queue has no cohort that this plan would leave."""
    to: str | None
    """None: the entry only declares what `from_` serves and speaks."""
    image: str | None
    """None only without `to`."""
    replicas: int | None
    """None only without `to`."""
    serves: tuple[str, ...]
    """Other build ids whose runs it can replay; `*` is all."""
    protocol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What changes."""

    server: ServerRelease | None
    workers: tuple[WorkerRelease, ...]
    independent_queues: tuple[str, ...]
    """Queues whose runs never carry a pin of these builds."""
    skew_window_at_most_s: float | None
    """How long two versions may live together; exceeding it holds. None: unbounded."""


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
