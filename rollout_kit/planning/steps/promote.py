"""`promote`: give all new starts to one build, by selection or by a walk of markers."""

from __future__ import annotations

from rollout_kit.document.plan import PromoteStep, Step, StepKind
from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Operation
from rollout_kit.operations.cohort_acts import ResumeCohortArguments
from rollout_kit.operations.liveness import DRAINING
from rollout_kit.operations.pins import PinRules
from rollout_kit.planning.api import Expansion, Problem, World
from rollout_kit.planning.cohort_operations import (
    lives,
    named,
    others_of,
    release_of,
    select,
    subject,
)
from rollout_kit.planning.marker_walk import Walk, walk_all
from rollout_kit.planning.pin_reach import reach
from rollout_kit.planning.scope import cohort_in
from rollout_kit.planning.unit import after_unit, operation


class PromotePlanner:
    uses = StepKind.PROMOTE.value

    def expand(self, step: Step, world: World) -> Expansion:
        with_ = step.with_
        assert isinstance(with_, PromoteStep)
        cohorts = tuple(cohort_in(q, with_.cohort) for q in named(with_.task_queues, world))
        resumed = tuple(
            op for cohort in cohorts for op in resume(step, cohort, world, with_.within_s)
        )
        back = tuple(c for c in cohorts if _drains(c, world) and lives(c, world))
        given = give_starts(step, cohorts, world, within_s=with_.within_s, brought=back)
        return Expansion(
            operations=(*resumed, *given.operations), problems=given.problems, notes=given.notes
        )


def resume(step: Step, cohort: CohortRef, world: World, within_s: float) -> tuple[Operation, ...]:
    """Take back its drain, where there is one: while it drains it would get no task."""
    if not _drains(cohort, world):
        return ()
    arguments = ResumeCohortArguments(
        cohort=cohort, others=others_of(cohort, world), rules=PinRules.of(world.scope)
    )
    path = f"{subject(cohort.queue, world)}/resume"
    return (operation(step, world.document, path, "resume_cohort", arguments, within_s=within_s),)


def give_starts(
    step: Step,
    cohorts: tuple[CohortRef, ...],
    world: World,
    *,
    within_s: float,
    brought: tuple[CohortRef, ...] = (),
) -> Expansion:
    """All new starts to these cohorts, with the step's gates; refused where nobody serves their pins.

    Args:
        brought: cohorts that the step itself has brought up by then.
    """
    found = reach(cohorts, brought, world)
    problems = [*found.problems, *(_not_there(entry.task_queue) for entry in found.missing)]
    marker = cohorts[0].build_id
    if Capability.MARKER_ROUTING in world.capabilities and marker is not None:
        walk = Walk(step=step, world=world, marker=marker, within_s=within_s)
        walked = walk_all(walk)
        return Expansion(
            operations=walked.operations,
            problems=(*problems, *walked.problems),
            notes=found.notes,
        )
    selections = tuple(
        select(
            step,
            f"{subject(cohort.queue, world)}/promote",
            cohort,
            world,
            within_s=within_s,
            n=_wanted(cohort, world),
        )
        for cohort in cohorts
    )
    judged = after_unit(step, "", world, bake_s=0, follows=tuple(op.id for op in selections))
    return Expansion(operations=(*selections, *judged), problems=tuple(problems), notes=found.notes)


def _drains(cohort: CohortRef, world: World) -> bool:
    return world.observation.cohort(cohort, "drain_intent") == DRAINING


def _wanted(cohort: CohortRef, world: World) -> int:
    """The desired count of a cohort that this rollout starts, 1 of any other."""
    entry = release_of(cohort.queue, world)
    replicas = world.observation.cohort(cohort, "replicas")
    if entry is None or entry.to != cohort.build_id or not isinstance(replicas, int):
        return 1
    autoscaled = world.observation.cohort(cohort, "autoscaled") is True
    return 1 if autoscaled else max(1, replicas)


def _not_there(task_queue: str) -> Problem:
    return Problem(
        summary="The build is not there yet",
        detail=f"release.workers brings it to {task_queue}, and no earlier step starts it there:"
        " it would get runs that nobody works on.",
        hint="put a `worker-canary` of this queue before the promotion",
    )
