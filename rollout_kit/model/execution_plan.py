"""The ordered operations that the planner derived from a document and an observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout_kit.model.capability import Capability
from rollout_kit.model.gate import GuardSpec
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.operation import OnFailure, Operation, RollbackPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPin:
    """A cohort that serves runs pinned to another build (`*`: to any)."""

    cohort: CohortRef
    serves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What of the world this plan looks at. Names only: addresses belong to the adapters."""

    target: str
    namespace: str
    nodes: tuple[str, ...]
    namespaces: tuple[str, ...]  # every declared namespace, the target's first
    queues: tuple[QueueRef, ...]  # queues the plan names
    independent_queues: tuple[QueueRef, ...] = ()
    serves: tuple[ServedPin, ...] = ()
    revision: str | None = None  # the bootstrap revision the plan leads to


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPlan:
    """Planned once; the journal carries it, and resume never plans again."""

    scope: Scope
    operations: tuple[Operation, ...]
    guards: tuple[GuardSpec, ...] = ()
    on_failure: OnFailure = OnFailure.ROLLBACK  # of the plan: what a breached guard leads to
    rollback: RollbackPolicy = field(default_factory=RollbackPolicy)
    capabilities: tuple[Capability, ...] = ()
    no_answer_for_s: float = 120.0
    skew_window_at_most_s: float | None = None
    steps: Mapping[str, str] = field(default_factory=dict)  # step id -> title, in order

    def operation(self, operation_id: str) -> Operation:
        for operation in self.operations:
            if operation.id == operation_id:
                return operation
        raise KeyError(operation_id)
