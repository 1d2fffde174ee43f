"""Preconditions about who does the work: on the way, at its end, and on the way back."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Undo
from rollout_kit.operations.api import Seen
from rollout_kit.operations.liveness import conflicting, shown, started
from rollout_kit.operations.pins import carried_markers, serves, takes
from rollout_kit.operations.registry import KINDS
from rollout_kit.planning.api import Problem
from rollout_kit.planning.conditions import pins_that_decide_nothing
from rollout_kit.planning.draft import Draft, Stage


def one_code_per_cohort(draft: Draft) -> Iterator[Problem]:
    """Rule 13, before the first write: no cohort of the plan's queues has two codes for one type."""
    for cohort in draft.live.cohorts():
        found = conflicting(draft.situation, cohort) if cohort.queue in draft.scope.queues else None
        if found is not None:
            yield Problem(
                summary="Fingerprints conflict", detail=found.reason, hint=found.hint, rule=13
            )


def served_markers(draft: Draft) -> Iterator[Problem]:
    """Rule 19, beforehand: no operation leaves a marker or a selected build that nobody serves.

    Life is desired workers here. What was unserved before the plan is the `supporters` guard's.
    """
    given_up = set(pins_that_decide_nothing(draft.document))
    told: set[str] = set()
    for stage in draft.stages:
        if not stage.means_to_write:
            continue
        before = dict(_unserved(draft, stage.before))
        for build, holder in _unserved(draft, stage.after):
            if build in before or build in given_up or build in told:
                continue
            told.add(build)
            yield Problem(
                summary="Nobody would serve the new runs",
                detail=f"After {stage.operation.id} nobody serves {build}, and {holder} still pins"
                " new runs to it: they would wait for ever.",
                hint=f"start workers of {build} before it, or change what {holder} pins to first"
                " (`promote`, or `api-cutover` with promote: true)",
                step=stage.operation.step,
                line=stage.operation.line,
                column=stage.operation.column,
                rule=19,
            )


def way_back_is_alive(draft: Draft) -> Iterator[Problem]:
    """Rule 15: what the undos would give work back to is there now, while it can still be mended."""
    if draft.document.rollback.forward_only is not None:
        return
    told: set[str] = set()
    for stage in draft.writes:
        for name, alive, count in _given_back(draft, stage):
            if alive is not False or name in told:
                continue
            told.add(name)
            yield Problem(
                summary="The way back is dead",
                detail=f"A rollback of {stage.operation.id} would give the work back to {name},"
                f" which has {count}.",
                hint="bring it up first, or write rollback: {forward_only: <reason>}",
                step=stage.operation.step,
                line=stage.operation.line,
                column=stage.operation.column,
                rule=15,
            )


def _given_back(draft: Draft, stage: Stage) -> Iterator[tuple[str, bool | None, str]]:
    """Who gets new starts by undoing this: a name, whether it is started now, and its workers."""
    undo = KINDS[stage.operation.kind].compensate(stage.operation, stage.before.facts)
    if not isinstance(undo, Undo):
        return
    world = stage.after
    for operation in (*undo.restore, *undo.retire):
        world = KINDS[operation.kind].expect(operation, world)
    now = Seen(observation=draft.live, situation=draft.situation, at_s=0.0)
    for cohort in world.cohorts():
        if _selected(world, cohort) and not _selected(stage.after, cohort):
            count = shown(draft.situation, cohort)
            yield cohort.label, started((now,), cohort), count
    before = dict(carried_markers(stage.after))
    for holder, marker in carried_markers(world):
        if not isinstance(marker, str) or marker == before.get(holder):
            continue
        servers = [c for c in draft.live.cohorts() if serves(draft.scope, c, marker)]
        alive = [started((now,), cohort) for cohort in servers]
        found = True if True in alive else (None if None in alive else False)
        counts = "; ".join(f"{c.label}: {shown(draft.situation, c)}" for c in servers)
        yield f"build {marker}", found, counts or "no workers at all"


def _unserved(draft: Draft, world: Observation) -> Iterator[tuple[str, str]]:
    """Builds that something gives new starts to and that nobody serves, each with its holder."""
    alive = [cohort for cohort in world.cohorts() if _lives(draft, world, cohort)]
    for holder, marker in carried_markers(world):
        if isinstance(marker, str) and not _taken(draft, world, alive, marker):
            yield marker, holder
    for cohort in world.cohorts():
        if not _selected(world, cohort) or cohort.build_id is None:
            continue
        here = [other for other in alive if other.queue == cohort.queue]
        if not _taken(draft, world, here, cohort.build_id):
            yield cohort.build_id, f"the selection on {cohort.task_queue}"


def _taken(draft: Draft, world: Observation, alive: list[CohortRef], build: str) -> bool:
    return any(takes(world, draft.scope, cohort, build) for cohort in alive)


def _lives(draft: Draft, world: Observation, cohort: CohortRef) -> bool:
    """Desired workers; of a cohort that the driver does not run, what the server counts now."""
    desired = world.cohort(cohort, "replicas")
    if isinstance(desired, int):
        return desired > 0
    now = Seen(observation=draft.live, situation=draft.situation, at_s=0.0)
    return started((now,), cohort) is not False


def _selected(world: Observation, cohort: CohortRef) -> bool:
    return world.cohort(cohort, "selected") is True
