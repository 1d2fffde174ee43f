"""A plan on its way: every operation between the world before it and the world after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from rollout_kit.document.plan import PlanDocument, Step
from rollout_kit.model.capability import Capability
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.observation import Facts, Observation
from rollout_kit.model.operation import Change, ChangeKind, Operation
from rollout_kit.model.situation import Situation
from rollout_kit.operations.registry import KINDS


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One operation, what it would do to `before`, and the world it is expected to leave."""

    operation: Operation
    change: Change
    before: Observation
    after: Observation

    @property
    def writes(self) -> bool:
        return self.change.kind is ChangeKind.UPDATE

    @property
    def means_to_write(self) -> bool:
        """Whether it writes, or would if nothing stood in its way."""
        return self.change.kind in (ChangeKind.UPDATE, ChangeKind.BLOCKED)

    @cached_property
    def changed(self) -> Facts:
        """The facts that it is expected to change, with their new values."""
        before = self.before.facts
        return {k: v for k, v in self.after.facts.items() if k not in before or before[k] != v}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What the preconditions judge: the whole way at once."""

    document: PlanDocument
    scope: Scope
    live: Observation
    situation: Situation
    capabilities: frozenset[Capability]
    stages: tuple[Stage, ...]

    @cached_property
    def writes(self) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages if stage.writes)

    @cached_property
    def moves_markers(self) -> bool:
        """Whether an API node or the scheduler is to carry another marker than now."""
        return any(
            fact.endswith("/marker") and fact.startswith(("node/", "scheduler/"))
            for stage in self.writes
            for fact in stage.changed
        )

    def step(self, step_id: str) -> Step:
        for step in self.document.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)


def staged(
    operations: Iterable[Operation], world: Observation, situation: Situation
) -> tuple[Stage, ...]:
    """Lead the expected world through these operations. Only an update changes it."""
    stages: list[Stage] = []
    for operation in operations:
        kind = KINDS[operation.kind]
        change = kind.preview(operation, world, situation)
        after = kind.expect(operation, world) if change.kind is not ChangeKind.NO_OP else world
        stages.append(Stage(operation=operation, change=change, before=world, after=after))
        world = after
    return tuple(stages)
