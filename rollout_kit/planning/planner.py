"""From a document and an observation to the ordered operations, or to every reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.document.plan import PlanDocument, Step
from rollout_kit.model.capability import Capability
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.gate import GuardSpec
from rollout_kit.model.observation import Observation
from rollout_kit.model.situation import Situation
from rollout_kit.planning.api import Problem, World
from rollout_kit.planning.blast_radius import radius_notes, skew_notes
from rollout_kit.planning.conditions import guard_specs
from rollout_kit.planning.draft import Draft, Stage, staged
from rollout_kit.planning.preconditions import acceptable, accepted, unmet
from rollout_kit.planning.registry import STEPS
from rollout_kit.planning.scope import scope_of

WHOLE_PLAN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """The plan, why it must not start (nothing: it may), and what preview says of each step.

    `notes` by step id; under `WHOLE_PLAN` what concerns all of it.
    """

    plan: ExecutionPlan
    problems: tuple[Problem, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan(
    document: PlanDocument,
    live: Observation,
    situation: Situation,
    capabilities: frozenset[Capability],
) -> Planning:
    """Expand every step against the world that the steps before it are expected to leave.

    Pure: the same input always yields the same operations, ids and order. Problems are collected,
    all of them, so that one look at the fleet is enough to mend the plan.
    """
    scope = scope_of(document)
    world = World(
        document=document,
        scope=scope,
        live=live,
        observation=live,
        situation=situation,
        capabilities=capabilities,
    )
    stages: list[Stage] = []
    problems: list[Problem] = []
    notes: dict[str, tuple[str, ...]] = {}
    for step in document.steps:
        expansion = STEPS[step.uses.value].expand(step, world)
        added = staged(expansion.operations, world.observation, situation)
        if added:
            world = replace(world, observation=added[-1].after)
        stages += added
        problems += (_placed(problem, step) for problem in expansion.problems)
        notes[step.id] = (*expansion.notes, *radius_notes(added))
    draft = Draft(
        document=document,
        scope=scope,
        live=live,
        situation=situation,
        capabilities=capabilities,
        stages=tuple(stages),
    )
    guards, guard_notes = guard_specs(document)
    problems += unmet(draft)
    skew = skew_notes(stages, document.release.skew_window_at_most_s)
    notes[WHOLE_PLAN] = (*skew, *guard_notes, *accepted(problems, document))
    return Planning(
        plan=_execution_plan(draft, guards=guards),
        problems=tuple(p for p in _distinct(problems) if not acceptable(p, document)),
        notes=notes,
    )


def _placed(problem: Problem, step: Step) -> Problem:
    """A step's problem stands in the file where the step does, unless it says better."""
    place = step.position
    if problem.line or place is None:
        return replace(problem, step=problem.step or step.id)
    return replace(problem, step=problem.step or step.id, line=place.line, column=place.column)


def _distinct(problems: list[Problem]) -> tuple[Problem, ...]:
    """Each once, in the order of the file; what concerns the whole plan comes first."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.line, p.column)))


def _execution_plan(draft: Draft, *, guards: tuple[GuardSpec, ...]) -> ExecutionPlan:
    document = draft.document
    operations = tuple(stage.operation for stage in draft.stages)
    ids = [operation.id for operation in operations]
    assert len(ids) == len(set(ids)), "two operations of a plan never share an id"
    return ExecutionPlan(
        scope=draft.scope,
        operations=operations,
        guards=guards,
        on_failure=document.on_failure,
        rollback=document.rollback,
        capabilities=tuple(sorted(draft.capabilities)),
        no_answer_for_s=document.target.no_answer_for_s,
        skew_window_at_most_s=document.release.skew_window_at_most_s,
        steps={step.id: step.name for step in document.steps},
    )
