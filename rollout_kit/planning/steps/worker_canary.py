"""`worker-canary`: bring up the new cohorts and give them work in judged stages."""

from __future__ import annotations

from rollout_kit.document.plan import (
    CanaryStage,
    ShareStage,
    SmokeStage,
    Step,
    StepKind,
    WorkerCanaryStep,
    WorkerRelease,
)
from rollout_kit.document.terms import Share
from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Operation
from rollout_kit.operations.cohort_acts import AwaitCohortArguments, Strength
from rollout_kit.operations.starts import selected_on
from rollout_kit.planning.api import Expansion, Problem, World
from rollout_kit.planning.cohort_operations import (
    bring_up,
    lives,
    named,
    release_of,
    select,
    smoke_runs,
    smokes_before,
    subject,
)
from rollout_kit.planning.marker_walk import Walk, walk_stages
from rollout_kit.planning.pin_reach import reach
from rollout_kit.planning.scope import cohort_in, queue_of
from rollout_kit.planning.unit import after_unit, operation


class WorkerCanaryPlanner:
    uses = StepKind.WORKER_CANARY.value

    def expand(self, step: Step, world: World) -> Expansion:
        with_ = step.with_
        assert isinstance(with_, WorkerCanaryStep)
        # An entry that only declares what a queue serves brings nothing to it.
        found = (release_of(queue, world) for queue in named(with_.task_queues, world))
        release = tuple(entry for entry in found if entry is not None)
        if Capability.MARKER_ROUTING in world.capabilities:
            return _by_marker(step, with_, release, world)
        return _by_selector(step, with_, release, world)


def _by_selector(
    step: Step, with_: WorkerCanaryStep, release: tuple[WorkerRelease, ...], world: World
) -> Expansion:
    """Smoke, then all new starts: a selector has no percentage."""
    cohorts = tuple(_to(entry) for entry in release)
    found = reach(cohorts, cohorts, world)
    problems = [*found.problems, *(_no_share(s) for s in with_.stages if _is_part(s))]
    operations = [
        op
        for entry in (*release, *found.missing)
        for op in _select_current(step, entry, world, within_s=with_.within_s)
    ]
    operations += _bring_up_all(step, with_, release, found.missing, world)
    for number, stage in enumerate(with_.stages, start=1):
        operations += _selector_stage(step, with_, stage, number, cohorts, world)
    operations += _proved(step, with_, release, operations, world)
    return Expansion(
        operations=tuple(operations),
        problems=tuple(problems),
        notes=(*found.notes, *_notes(with_, release)),
    )


def _by_marker(
    step: Step, with_: WorkerCanaryStep, release: tuple[WorkerRelease, ...], world: World
) -> Expansion:
    """The marker is the process's: every cohort of the release is started before the first stage."""
    everything = tuple(e for e in world.document.release.workers if e.to is not None)
    builds = {entry.to for entry in everything}
    if len(builds) > 1:
        return Expansion(problems=(_several_builds(builds),))
    cohorts = tuple(_to(entry) for entry in everything)
    found = reach(cohorts[:1], cohorts, world)
    rest = tuple(entry for entry in everything if entry not in release)
    operations = [*_bring_up_all(step, with_, release, rest, world)]
    marker = everything[0].to
    assert marker is not None, "the release entries with `to` were chosen"
    way = Walk(step=step, world=world, marker=marker, within_s=with_.within_s)
    walk = walk_stages(way, with_.stages, tuple(_to(entry) for entry in release))
    operations += walk.operations
    operations += _proved(step, with_, release, operations, world)
    return Expansion(
        operations=tuple(operations),
        problems=(*found.problems, *walk.problems),
        notes=(*found.notes, *walk.notes, *_notes(with_, release)),
    )


def _select_current(
    step: Step, entry: WorkerRelease, world: World, *, within_s: float
) -> tuple[Operation, ...]:
    """Rule 11: with two cohorts and nothing selected, new runs would be pinned to nobody."""
    queue = queue_of(entry)
    if entry.from_ is None or selected_on(world.observation, queue) is not None:
        return ()
    current = cohort_in(queue, entry.from_)
    alive = lives(current, world)
    if alive is False or (world.document.rollback.forward_only is not None and not alive):
        return ()
    path = f"{subject(queue, world)}/select-current"
    return (select(step, path, current, world, within_s=within_s),)


def _bring_up_all(
    step: Step,
    with_: WorkerCanaryStep,
    own: tuple[WorkerRelease, ...],
    beside: tuple[WorkerRelease, ...],
    world: World,
) -> list[Operation]:
    operations: list[Operation] = []
    for entry in (*own, *beside):
        wanted = _replicas(with_, entry) if entry in own else entry.replicas or 1
        operations += bring_up(
            step, _to(entry), world, image=entry.image, replicas=wanted, within_s=with_.within_s
        )
    return operations


def _selector_stage(
    step: Step,
    with_: WorkerCanaryStep,
    stage: CanaryStage,
    number: int,
    cohorts: tuple[CohortRef, ...],
    world: World,
) -> tuple[Operation, ...]:
    match stage:
        case SmokeStage():
            unit = tuple(smoke_runs(step, stage, number, cohort, world) for cohort in cohorts)
            name = f"smoke-{number}"
        case ShareStage():
            unit = tuple(
                select(
                    step,
                    f"share-{number}/{subject(cohort.queue, world)}/promote",
                    cohort,
                    world,
                    within_s=with_.within_s,
                )
                for cohort in cohorts
            )
            name = f"share-{number}"
    follows = tuple(op.id for op in unit)
    return (*unit, *after_unit(step, name, world, bake_s=stage.bake_s, follows=follows))


def _proved(
    step: Step,
    with_: WorkerCanaryStep,
    release: tuple[WorkerRelease, ...],
    before: list[Operation],
    world: World,
) -> tuple[Operation, ...]:
    """The end of a canary: what was judged has to be seen working, not only running."""
    writes = tuple(op.id for op in before if not op.kind.startswith(("await", "bake", "judge")))
    return tuple(
        operation(
            step,
            world.document,
            f"{subject(queue_of(entry), world)}/proved",
            "await_cohort",
            AwaitCohortArguments(
                cohort=_to(entry),
                strength=Strength.PROVED,
                n=_replicas(with_, entry),
                smokes=smokes_before(step, queue_of(entry), world),
            ),
            within_s=with_.within_s,
            because="alive is not the same as working",
            follows=writes,
        )
        for entry in release
    )


def _to(entry: WorkerRelease) -> CohortRef:
    return cohort_in(queue_of(entry), entry.to)


def _replicas(with_: WorkerCanaryStep, entry: WorkerRelease) -> int:
    """Workers of the new cohort: the step's number or share, else the release's."""
    full = entry.replicas or 1
    match with_.replicas:
        case None:
            return full
        case int():
            return with_.replicas
        case Share():
            return with_.replicas.of(full)


def _is_part(stage: CanaryStage) -> bool:
    return isinstance(stage, ShareStage) and stage.share.percent < 100


def _notes(with_: WorkerCanaryStep, release: tuple[WorkerRelease, ...]) -> tuple[str, ...]:
    """What a reviewer should know: a cohort that may get everything with fewer workers than planned."""
    all_starts = any(isinstance(s, ShareStage) and s.share.percent == 100 for s in with_.stages)
    return tuple(
        f"{_to(entry).label} gets all new starts with {_replicas(with_, entry)} of"
        f" {entry.replicas} workers"
        for entry in release
        if all_starts and _replicas(with_, entry) < (entry.replicas or 1)
    )


def _no_share(stage: CanaryStage) -> Problem:
    share = stage.share.label if isinstance(stage, ShareStage) else ""
    return Problem(
        summary="This server has no share of new starts",
        detail=f"The stage asks for {share}, and a selector gives a build all new starts or none:"
        " the size of a cohort is not traffic.",
        hint="use a `smoke` stage (runs of the rollout's own on the new build), then `share: 100%`",
    )


def _several_builds(builds: set[str | None]) -> Problem:
    names = ", ".join(sorted(str(build) for build in builds))
    return Problem(
        summary="More than one build under one marker",
        detail=f"This server pins new runs to the marker of the node that starts them, on every"
        f" queue alike, and the release brings {names}.",
        hint="give every entry of `release.workers` the same `to`, or make it one plan a build",
    )
