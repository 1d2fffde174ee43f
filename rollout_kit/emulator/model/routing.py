"""Which build a run is pinned to, and which worker may claim which task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.emulator.model.cohorts import Cohort, cohorts_of, selected_rollout
from rollout_kit.emulator.model.records import TaskKind, Worker
from rollout_kit.emulator.model.settings import ServerSettings
from rollout_kit.emulator.store import Rows

ANY_PIN = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDraining:
    """Why a start is refused: nobody takes work any more and somebody is being drained."""

    active: int
    draining: int
    stale: int
    draining_build_ids: Sequence[str | None]


def pin_for_start(  # noqa: PLR0913 - what the decision depends on
    rows: Rows,
    settings: ServerSettings,
    *,
    namespace: str,
    task_queue: str,
    workflow_type: str,
    explicit: str | None,
    now_us: int,
) -> str | None:
    """The build id that a new run carries for life, or None when any worker may have it."""
    if not settings.rules.selector_routing:
        return settings.marker
    if explicit is not None:
        return explicit
    selected = selected_rollout(rows, namespace, task_queue)
    if selected is not None:
        return selected.build_id
    active = [
        cohort
        for cohort in cohorts_of(rows, settings, namespace, task_queue, now_us)
        if cohort.active and not cohort.drain_wanted
    ]
    advertising = [cohort for cohort in active if _advertises(cohort, workflow_type)]
    if len(advertising) == 1:
        return advertising[0].build_id
    if len(active) == 1:
        return active[0].build_id
    return None


def start_gate(
    rows: Rows, settings: ServerSettings, namespace: str, task_queue: str, now_us: int
) -> QueueDraining | None:
    """Why a start on this queue is refused, or None when it is taken."""
    if not settings.rules.start_gate:
        return None
    cohorts = cohorts_of(rows, settings, namespace, task_queue, now_us)
    draining = [cohort for cohort in cohorts if cohort.drain_wanted or cohort.draining]
    active = sum(cohort.active for cohort in cohorts)
    if active or not draining:
        return None
    return QueueDraining(
        active=active,
        draining=sum(cohort.draining for cohort in cohorts),
        stale=sum(cohort.stale for cohort in cohorts),
        draining_build_ids=[cohort.build_id for cohort in draining],
    )


def claimable_pins(
    worker: Worker, kind: TaskKind, settings: ServerSettings
) -> Sequence[str | None]:
    """The pins whose tasks this worker gets; None stands for no pin, ANY_PIN for all there are."""
    pins: list[str | None] = [worker.build_id, *worker.serves]
    takes_unpinned = (
        kind is TaskKind.WORKFLOW or settings.rules.versioned_workers_take_unpinned_activities
    )
    if worker.build_id is not None and takes_unpinned:
        pins.append(None)
    return list(dict.fromkeys(pins))


def _advertises(cohort: Cohort, workflow_type: str) -> bool:
    return any(workflow_type in worker.workflow_types for worker in cohort.workers)
