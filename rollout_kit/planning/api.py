"""What a step planner is given and what it answers. A new step is one file and one registry line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from rollout_kit.document.plan import PlanDocument, Step
from rollout_kit.model.capability import Capability
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Operation
from rollout_kit.model.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why this plan cannot be carried out on this fleet: a blocker before the first write."""

    summary: str
    detail: str
    hint: str = ""
    step: str = ""
    line: int = 0
    column: int = 0
    rule: int | None = None  # the safety rule that it would break
    accept: str | None = None  # the `target.accept` key that lets it pass, with a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a step planner sees: the world as the steps before it will have left it.

    `observation` is threaded: after each step every operation's `expect` is folded in. `live` is what
    was really observed before the first step; `situation` likewise (numbers are never predicted).
    """

    document: PlanDocument
    scope: Scope
    live: Observation
    observation: Observation
    situation: Situation
    capabilities: frozenset[Capability]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What one step becomes."""

    operations: tuple[Operation, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)  # what preview says of the step


class StepPlanner(Protocol):
    """One `uses`. Pure; the same input always yields the same operations, ids and order."""

    uses: str

    def expand(self, step: Step, world: World) -> Expansion: ...
