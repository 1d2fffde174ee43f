"""`drain`: take a cohort out of service and prove that it is gone."""

from __future__ import annotations

from rollout_kit.document.plan import DrainStep, Step, StepKind
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.cohort_operations import named, take_away, too_short
from rollout_kit.planning.scope import cohort_in
from rollout_kit.planning.unit import after_unit


class DrainPlanner:
    uses = StepKind.DRAIN.value

    def expand(self, step: Step, world: World) -> Expansion:
        with_ = step.with_
        assert isinstance(with_, DrainStep)
        cohorts = tuple(cohort_in(q, with_.cohort) for q in named(with_.task_queues, world))
        operations = take_away(
            step, cohorts, world, pinned_runs=with_.pinned_runs, within_s=with_.within_s
        )
        writes = tuple(op.id for op in operations if op.kind in ("drain_cohort", "stop_cohort"))
        return Expansion(
            operations=(*operations, *after_unit(step, "", world, bake_s=0, follows=writes)),
            problems=too_short(cohorts, world, with_.within_s),
        )
