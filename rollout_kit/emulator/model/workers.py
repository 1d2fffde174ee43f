"""Worker registrations: arriving, beating, leaving, and how operators see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.cohorts import effective_status
from rollout_kit.emulator.model.moments import SECOND_US, carbon, whole_second
from rollout_kit.emulator.model.records import (
    CompatibilityBeat,
    Counter,
    Rollout,
    Task,
    TaskState,
    Worker,
)
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.store import Rows, new_id, next_number

_RETENTION = "retention_pass_us"
_RETENTION_EVERY_US = 60 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a worker says of itself."""

    namespace: str
    worker_id: str | None
    task_queue: str
    runtime: str
    build_id: str | None = None
    sdk_version: str | None = None
    workflow_types: Sequence[str] = ()
    fingerprints: Mapping[str, str] | None = None
    activity_types: Sequence[str] = ()
    max_workflow_tasks: int = 100
    max_activity_tasks: int = 100
    serves: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    heartbeat_interval_s: int | None = None
    task_slots: Mapping[str, int] | None = None


class DefinitionChanged(Exception):
    """The same worker id came back with other code for a workflow type."""

    def __init__(self, workflow_type: str) -> None:
        super().__init__(workflow_type)
        self.workflow_type = workflow_type


def register(rows: Rows, settings: ServerSettings, wanted: Registration, now_us: int) -> Worker:
    """Add or renew a worker; it is draining from the start when its cohort is.

    Raises DefinitionChanged when a fingerprint differs from the one of its earlier registration.
    """
    worker_id = wanted.worker_id or new_id(rows, now_us).upper()
    before = rows.get(Worker, wanted.namespace, worker_id)
    fingerprints = dict(wanted.fingerprints or {})
    if before is not None:
        for workflow_type, fingerprint in before.fingerprints.items():
            if fingerprints.get(workflow_type, fingerprint) != fingerprint:
                raise DefinitionChanged(workflow_type)
        if settings.generation is Generation.V2:
            release_leases(rows, before, now_us)
    seen_us = whole_second(now_us)
    worker = Worker(
        namespace=wanted.namespace,
        worker_id=worker_id,
        task_queue=wanted.task_queue,
        build_id=wanted.build_id,
        runtime=wanted.runtime,
        sdk_version=wanted.sdk_version,
        workflow_types=list(wanted.workflow_types),
        fingerprints=fingerprints,
        activity_types=list(wanted.activity_types),
        max_workflow_tasks=wanted.max_workflow_tasks,
        max_activity_tasks=wanted.max_activity_tasks,
        draining=_drain_wanted(
            rows, settings, wanted.namespace, wanted.task_queue, wanted.build_id
        ),
        last_heartbeat_us=seen_us,
        registered_us=before.registered_us if before else seen_us,
        updated_us=seen_us,
        serves=list(wanted.serves),
        capabilities=list(wanted.capabilities),
        heartbeat_interval_s=wanted.heartbeat_interval_s,
        task_slots=wanted.task_slots,
        token=f"{next_number(rows, 'registrations'):032x}",
    )
    rows.put(worker)
    if settings.rules.register_beats:
        beat(rows, worker, now_us)
    return worker


def heartbeat(
    rows: Rows,
    settings: ServerSettings,
    worker: Worker,
    now_us: int,
    *,
    task_slots: Mapping[str, int] | None = None,
) -> Worker:
    """Note that the worker lives; its row takes over what its cohort's record says."""
    seen_us = whole_second(now_us)
    renewed = replace(
        worker,
        last_heartbeat_us=seen_us,
        updated_us=seen_us,
        draining=_drain_wanted(
            rows, settings, worker.namespace, worker.task_queue, worker.build_id
        ),
        task_slots=task_slots if task_slots is not None else worker.task_slots,
    )
    rows.put(renewed)
    beat(rows, renewed, now_us)
    return renewed


def retention_due(rows: Rows, now_us: int) -> bool:
    """Whether a heartbeat at this moment runs the small retention pass: one a minute does."""
    latest = rows.get(Counter, _RETENTION)
    if latest is not None and now_us - latest.value < _RETENTION_EVERY_US:
        return False
    rows.put(Counter(name=_RETENTION, value=now_us))
    return True


def beat(rows: Rows, worker: Worker, now_us: int) -> None:
    supported = [worker.build_id] if worker.build_id else []
    rows.put(
        CompatibilityBeat(
            worker_id=worker.worker_id,
            namespace=worker.namespace,
            queue=worker.task_queue,
            supported=[*supported, *worker.serves],
            process_id=str(20000 + now_us // 1000 % 10000),
            recorded_us=now_us,
        )
    )


def deregister(rows: Rows, worker: Worker, now_us: int) -> int:
    """The worker says good-bye itself: its leases are given back; how many is returned."""
    released = release_leases(rows, worker, now_us)
    rows.delete(worker)
    forget_beat(rows, worker)
    return released


def forget_beat(rows: Rows, worker: Worker) -> None:
    known = rows.get(CompatibilityBeat, worker.namespace, worker.worker_id)
    if known is not None:
        rows.delete(known)


def release_leases(rows: Rows, worker: Worker, now_us: int) -> int:
    """Make ready what the worker holds."""
    held = [
        task
        for task in rows.select(Task, namespace=worker.namespace, state=TaskState.LEASED)
        if task.lease_owner == worker.worker_id
    ]
    for task in held:
        rows.put(
            replace(
                task,
                state=TaskState.READY,
                lease_owner=None,
                lease_expires_us=None,
                available_us=now_us,
            )
        )
    return len(held)


def row(
    worker: Worker, settings: ServerSettings, now_us: int, *, detail: bool
) -> dict[str, object]:
    """A worker as `GET /api/workers` lists it, or as its own path shows it."""
    shown: dict[str, object] = {
        "worker_id": worker.worker_id,
        "namespace": worker.namespace,
        "task_queue": worker.task_queue,
        "runtime": worker.runtime,
        "sdk_version": worker.sdk_version,
        "build_id": worker.build_id,
        "supported_workflow_types": list(worker.workflow_types),
        "workflow_definition_fingerprints": dict(worker.fingerprints) or [],
        "supported_activity_types": list(worker.activity_types),
        "max_concurrent_workflow_tasks": worker.max_workflow_tasks,
        "max_concurrent_activity_tasks": worker.max_activity_tasks,
        "status": effective_status(worker, settings, now_us),
        "last_heartbeat_at": carbon(worker.last_heartbeat_us),
        "registered_at": carbon(worker.registered_us),
    }
    if settings.generation is Generation.V2:
        shown |= {
            "capabilities": list(worker.capabilities),
            "workflow_command_contracts": [],
            "task_slots": dict(worker.task_slots) if worker.task_slots else [],
            "process_metrics": [],
            "heartbeat_interval_seconds": worker.heartbeat_interval_s
            or settings.heartbeat_interval_s,
        }
    if detail:
        shown["updated_at"] = carbon(worker.updated_us)
        if settings.generation is Generation.V2:
            shown["stale_after_seconds"] = settings.stale_after_s
    return shown


def _drain_wanted(
    rows: Rows, settings: ServerSettings, namespace: str, task_queue: str, build_id: str | None
) -> bool:
    """What the cohort's record says; an image from before build ids does not know the record."""
    if ledger.release(settings.image_version) < ledger.BUILD_IDS_SINCE:
        return False
    rollout = rows.get(Rollout, namespace, task_queue, build_id or "")
    return rollout is not None and rollout.draining
