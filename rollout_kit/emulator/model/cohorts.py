"""Build-id cohorts of a task queue: how they are shown, drained, resumed and promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout_kit.emulator.model.moments import SECOND_US, carbon, whole_second, zulu
from rollout_kit.emulator.model.records import CompatibilityBeat, Rollout, Worker
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.store import Rows, next_number

_STATUS_ORDER = ("active", "active_with_draining", "draining", "stale_only", "no_workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """The workers of one build id on one queue, counted as one node counts them at one time."""

    namespace: str
    task_queue: str
    build_id: str | None
    rollout: Rollout | None
    workers: Sequence[Worker]
    active: int
    draining: int
    stale: int

    @property
    def drain_wanted(self) -> bool:
        return self.rollout is not None and self.rollout.draining

    @property
    def status(self) -> str:
        if self.active and (self.drain_wanted or self.draining):
            return "active_with_draining"
        if self.active:
            return "active"
        if self.draining or self.drain_wanted:
            return "draining"
        return "stale_only" if self.stale else "no_workers"

    @property
    def last_heartbeat_us(self) -> int | None:
        return max((worker.last_heartbeat_us for worker in self.workers), default=None)

    @property
    def fingerprint_conflicts(self) -> list[dict[str, object]]:
        """Workflow types registered with more than one code fingerprint under this build id."""
        seen: dict[str, set[str]] = {}
        for worker in self.workers:
            for workflow_type, fingerprint in worker.fingerprints.items():
                seen.setdefault(workflow_type, set()).add(fingerprint)
        return [
            {"workflow_type": workflow_type, "fingerprint_count": len(fingerprints)}
            for workflow_type, fingerprints in sorted(seen.items())
            if len(fingerprints) > 1
        ]

    @property
    def fingerprint_count(self) -> int:
        return len({item for worker in self.workers for item in worker.fingerprints.items()})


def is_stale(worker: Worker, settings: ServerSettings, now_us: int) -> bool:
    """Whether the answering node, by its own cutoff, calls the worker stale."""
    return worker.last_heartbeat_us < now_us - settings.stale_after_s * SECOND_US


def effective_status(worker: Worker, settings: ServerSettings, now_us: int) -> str:
    if is_stale(worker, settings, now_us):
        return "stale"
    return "draining" if worker.draining else "active"


def cohorts_of(
    rows: Rows, settings: ServerSettings, namespace: str, task_queue: str, now_us: int
) -> list[Cohort]:
    """Every cohort that has a worker row or a rollout record, in the order it is listed in."""
    workers: dict[str, list[Worker]] = {}
    for worker in rows.select(Worker, namespace=namespace, task_queue=task_queue):
        workers.setdefault(worker.build_id or "", []).append(worker)
    rollouts = {
        rollout.cohort: rollout
        for rollout in rows.select(Rollout, namespace=namespace, task_queue=task_queue)
    }
    found = []
    for name in sorted({*workers, *rollouts}):
        members = workers.get(name, [])
        statuses = [effective_status(worker, settings, now_us) for worker in members]
        found.append(
            Cohort(
                namespace=namespace,
                task_queue=task_queue,
                build_id=name or None,
                rollout=rollouts.get(name),
                workers=members,
                active=statuses.count("active"),
                draining=statuses.count("draining"),
                stale=statuses.count("stale"),
            )
        )
    found.sort(
        key=lambda cohort: (
            _STATUS_ORDER.index(cohort.status),
            cohort.build_id is None,
            -(cohort.last_heartbeat_us or 0),
        )
    )
    return found


def selected_rollout(rows: Rows, namespace: str, task_queue: str) -> Rollout | None:
    """The record that wins new starts: promoted last among those neither drained nor condemned."""
    candidates = [
        rollout
        for rollout in rows.select(Rollout, namespace=namespace, task_queue=task_queue)
        if rollout.promoted_us is not None
        and not rollout.draining
        and rollout.rolled_back_us is None
    ]
    return max(candidates, key=lambda item: (item.promoted_us, item.record_id), default=None)


def listing(
    rows: Rows, settings: ServerSettings, namespace: str, task_queue: str, now_us: int
) -> dict[str, object]:
    """The body of `GET /api/task-queues/{queue}/build-ids`."""
    selected = selected_rollout(rows, namespace, task_queue)
    return {
        "namespace": namespace,
        "task_queue": task_queue,
        "stale_after_seconds": settings.stale_after_s,
        "build_ids": [
            _row(cohort, settings, selected)
            for cohort in cohorts_of(rows, settings, namespace, task_queue, now_us)
        ],
    }


def intent_fields(
    rollout: Rollout | None, settings: ServerSettings, selected: Rollout | None
) -> dict[str, object]:
    """The fields of a rollout record, as a row and as the answer of a command show them."""
    draining = rollout is not None and rollout.draining
    drained_us = rollout.drained_us if rollout else None
    fields: dict[str, object] = {"drain_intent": "draining" if draining else "active"}
    if settings.generation is Generation.V0_2:
        return fields | {"drained_at": carbon(drained_us)}
    return fields | {
        "drained_at": zulu(drained_us),
        "promoted_at": zulu(rollout.promoted_us if rollout else None),
        "rolled_back_at": zulu(rollout.rolled_back_us if rollout else None),
        "new_start_selected": rollout is not None and rollout == selected,
    }


def _row(cohort: Cohort, settings: ServerSettings, selected: Rollout | None) -> dict[str, object]:
    registered = min((worker.registered_us for worker in cohort.workers), default=None)
    row: dict[str, object] = {
        "build_id": cohort.build_id,
        "rollout_status": cohort.status,
        **intent_fields(cohort.rollout, settings, selected),
        "active_worker_count": cohort.active,
        "draining_worker_count": cohort.draining,
        "stale_worker_count": cohort.stale,
        "total_worker_count": len(cohort.workers),
        "runtimes": sorted({worker.runtime for worker in cohort.workers}),
        "sdk_versions": sorted(
            {worker.sdk_version for worker in cohort.workers if worker.sdk_version}
        ),
        "last_heartbeat_at": carbon(cohort.last_heartbeat_us),
        "first_seen_at": carbon(registered),
    }
    if settings.generation is Generation.V2:
        row["workflow_definition_fingerprint_count"] = cohort.fingerprint_count
        row["workflow_definition_fingerprint_conflicts"] = cohort.fingerprint_conflicts
    return row


def rollout_of(rows: Rows, namespace: str, task_queue: str, build_id: str | None) -> Rollout:
    """The record of a cohort; a fresh one when nobody ever asked anything of it."""
    existing = rows.get(Rollout, namespace, task_queue, build_id or "")
    if existing is not None:
        return existing
    return Rollout(
        namespace=namespace,
        task_queue=task_queue,
        cohort=build_id or "",
        draining=False,
        drained_us=None,
        promoted_us=None,
        rolled_back_us=None,
        record_id=next_number(rows, "rollouts"),
    )


def drain(rows: Rows, settings: ServerSettings, rollout: Rollout, now_us: int) -> Rollout:
    """Record that the cohort shall take no more; repeats keep the first time."""
    drained_us = rollout.drained_us if rollout.draining else whole_second(now_us)
    wanted = replace(rollout, draining=True, drained_us=drained_us)
    rows.put(wanted)
    if settings.rules.drain_stamps_workers:
        stamp_workers(rows, wanted, now_us)
    return wanted


def resume(rows: Rows, rollout: Rollout, now_us: int) -> Rollout:
    """Take the drain back; worker rows become active at once in every generation."""
    wanted = replace(rollout, draining=False, drained_us=None)
    rows.put(wanted)
    stamp_workers(rows, wanted, now_us)
    return wanted


def promote(rows: Rows, rollout: Rollout, now_us: int) -> Rollout:
    """Give the cohort the new starts; each repeat moves the time, which has whole seconds only."""
    wanted = replace(
        rollout,
        draining=False,
        drained_us=None,
        promoted_us=whole_second(now_us),
        rolled_back_us=None,
    )
    rows.put(wanted)
    stamp_workers(rows, wanted, now_us)
    return wanted


def stamp_workers(rows: Rows, rollout: Rollout, now_us: int) -> None:
    """Make the cohort's worker rows say what its record says."""
    for worker in rows.select(Worker, namespace=rollout.namespace, task_queue=rollout.task_queue):
        if worker.build_id == rollout.build_id and worker.draining != rollout.draining:
            rows.put(replace(worker, draining=rollout.draining, updated_us=whole_second(now_us)))


def live_beats(rows: Rows, settings: ServerSettings, now_us: int) -> list[CompatibilityBeat]:
    """Compatibility heartbeats that have not expired."""
    oldest = now_us - settings.compatibility_ttl_s * SECOND_US
    return [beat for beat in rows.select(CompatibilityBeat) if beat.recorded_us > oldest]


def supports(beat: CompatibilityBeat, marker: str | None) -> bool:
    return marker is None or marker in beat.supported or "*" in beat.supported
