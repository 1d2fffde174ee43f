"""`restore`: put a good build back in place of a bad one, by hand and without a journal of before."""

from __future__ import annotations

from rollout_kit.document.plan import RestoreStep, Step, StepKind
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Operation
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.cohort_operations import bring_up, named, take_away, too_short
from rollout_kit.planning.scope import cohort_in, queue_of
from rollout_kit.planning.steps.promote import give_starts


class RestorePlanner:
    uses = StepKind.RESTORE.value

    def expand(self, step: Step, world: World) -> Expansion:
        """Scale good up, resume it, wait for it, give it the new starts; then take the bad one away."""
        with_ = step.with_
        assert isinstance(with_, RestoreStep)
        queues = named(with_.task_queues, world)
        good = tuple(cohort_in(queue, with_.good) for queue in queues)
        bad = tuple(cohort_in(queue, with_.bad) for queue in queues)
        operations: list[Operation] = []
        for cohort, instead in zip(good, bad, strict=True):
            image, replicas = _size(cohort, instead, world)
            operations += bring_up(
                step, cohort, world, image=image, replicas=replicas, within_s=with_.within_s
            )
        given = give_starts(step, good, world, within_s=with_.within_s, brought=good)
        operations += given.operations
        operations += take_away(
            step, bad, world, pinned_runs=with_.pinned_runs, within_s=with_.within_s
        )
        return Expansion(
            operations=tuple(operations),
            problems=(*given.problems, *too_short(bad, world, with_.within_s)),
            notes=given.notes,
        )


def _size(good: CohortRef, bad: CohortRef, world: World) -> tuple[str | None, int]:
    """What the release says of the good build; else the driver's image, as many as there are now."""
    for entry in world.document.release.workers:
        if cohort_in(queue_of(entry), entry.to) == good and entry.to is not None:
            return entry.image, entry.replicas or 1
    wanted = [world.observation.cohort(cohort, "replicas") for cohort in (good, bad)]
    return None, max([1, *(count for count in wanted if isinstance(count, int))])
