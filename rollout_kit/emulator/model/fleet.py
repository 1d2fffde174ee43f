"""The fleet by its compatibility heartbeats: who is alive, and which markers are served."""

from __future__ import annotations

from rollout_kit.emulator.model import cohorts, readiness
from rollout_kit.emulator.model.cohorts import live_beats, supports
from rollout_kit.emulator.model.moments import SECOND_US, carbon, zulu
from rollout_kit.emulator.model.records import CompatibilityBeat, Namespace, Rollout, Worker
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.store import Rows

HEALTH_CHECKS = (
    "backend_capabilities",
    "run_summary_projection",
    "selected_run_projections",
    "history_retention_invariant",
    "command_contract_snapshots",
    "task_transport",
    "activity_path",
    "routing_health",
    "durable_resume_paths",
    "worker_compatibility",
    "scheduler_role",
    "long_poll_wake_acceleration",
)


def beats_of(
    rows: Rows, settings: ServerSettings, namespace: str, now_us: int
) -> list[CompatibilityBeat]:
    beats = live_beats(rows, settings, now_us)
    return sorted(
        (beat for beat in beats if beat.namespace == namespace), key=lambda beat: beat.worker_id
    )


def summary(rows: Rows, settings: ServerSettings, namespace: str, now_us: int) -> dict[str, object]:
    """`worker_fleet` of cluster info."""
    beats = beats_of(rows, settings, namespace, now_us)
    return {
        "namespace": namespace,
        "active_workers": len(beats),
        "active_worker_scopes": len(beats),
        "queues": sorted({beat.queue for beat in beats if beat.queue}),
        "build_ids": sorted({marker for beat in beats for marker in beat.supported}),
        "workers": [
            {
                "worker_id": beat.worker_id,
                "queues": [beat.queue] if beat.queue else [],
                "build_ids": list(beat.supported),
                "recorded_at": carbon(beat.recorded_us),
                "expires_at": carbon(_expiry_us(beat, settings)),
            }
            for beat in beats
        ],
    }


def metrics(rows: Rows, settings: ServerSettings, namespace: str, now_us: int) -> dict[str, object]:
    """`workers` of the operator metrics: the whole fleet in 0.2.x, the namespace's in 2.x."""
    beats = live_beats(rows, settings, now_us)
    if settings.generation is Generation.V2:
        beats = [beat for beat in beats if beat.namespace in (namespace, "")]
    beats.sort(key=lambda beat: beat.worker_id)
    return {
        "compatibility_namespace": None,
        "required_compatibility": settings.marker,
        "active_workers": len(beats),
        "active_worker_scopes": len(beats),
        "active_workers_supporting_required": sum(
            supports(beat, settings.marker) for beat in beats
        ),
        "fleet": [
            {
                "worker_id": beat.worker_id,
                "namespace": beat.namespace or None,
                "host": "emulator",
                "process_id": beat.process_id,
                "connection": None,
                "queue": beat.queue,
                "supported": list(beat.supported),
                "supports_required": supports(beat, settings.marker),
                "recorded_at": carbon(beat.recorded_us),
                "expires_at": carbon(_expiry_us(beat, settings)),
                "source": "database",
            }
            for beat in beats
        ],
    }


def health(rows: Rows, settings: ServerSettings, now_us: int) -> dict[str, object]:
    """The engine's checks, each by its frozen name."""
    fleet_error = readiness.fleet_error(rows, settings, now_us)
    checks = [
        readiness.health_check(name, error=fleet_error if name == "worker_compatibility" else None)
        | {"data": {}}
        for name in HEALTH_CHECKS
    ]
    status = "error" if fleet_error else "ok"
    return {
        "generated_at": carbon(now_us),
        "status": status,
        "healthy": fleet_error is None,
        "checks": checks,
        "categories": {"correctness": status, "acceleration": "ok"},
    }


def coordination_health(rows: Rows, settings: ServerSettings, now_us: int) -> dict[str, object]:
    """The block that cluster info shows with diagnostics, over all namespaces."""
    found = health(rows, settings, now_us)
    error_checks = [] if found["healthy"] else ["worker_compatibility"]
    return {
        "schema": "durable-workflow.v2.coordination-health.contract",
        "version": 2,
        "namespace_scope": "all_namespaces",
        "status": found["status"],
        "http_status": 200 if found["healthy"] else 503,
        "categories": found["categories"],
        "warning_checks": [],
        "error_checks": error_checks,
        "checks": found["checks"],
        "routing_drains": routing_drains(rows, settings, None, now_us),
    }


def routing_drains(
    rows: Rows, settings: ServerSettings, namespace: str | None, now_us: int
) -> dict[str, object]:
    """Every queue that still has a drain, in one namespace or, for None, in all."""
    names = [namespace] if namespace else [item.name for item in rows.select(Namespace)]
    queues = [
        drained
        for name in names
        for queue in queues_of(rows, name)
        if (drained := _queue_drains(rows, settings, name, queue, now_us)) is not None
    ]

    def total(field: str) -> int:
        return sum(int(str(queue[field])) for queue in queues)

    return {
        "queues_with_drains": len(queues),
        "draining_build_id_count": total("draining_build_id_count"),
        "active_worker_count": total("active_worker_count"),
        "draining_worker_count": total("draining_worker_count"),
        "stale_worker_count": total("stale_worker_count"),
        "queues": queues,
    }


def queues_of(rows: Rows, namespace: str) -> list[str]:
    """Queues that a worker registered on or an operator named."""
    named = {
        rollout.task_queue for rollout in rows.select(Rollout) if rollout.namespace == namespace
    }
    return sorted(named | {item.task_queue for item in rows.select(Worker, namespace=namespace)})


def _queue_drains(
    rows: Rows, settings: ServerSettings, namespace: str, queue: str, now_us: int
) -> dict[str, object] | None:
    found = cohorts.cohorts_of(rows, settings, namespace, queue, now_us)
    draining = [cohort for cohort in found if cohort.drain_wanted]
    if not draining:
        return None
    latest_us = max(item.rollout.drained_us or 0 for item in draining if item.rollout is not None)
    return {
        "namespace": namespace,
        "task_queue": queue,
        "active_build_id_count": sum(1 for cohort in found if cohort.active),
        "draining_build_id_count": len(draining),
        "active_worker_count": sum(cohort.active for cohort in found),
        "draining_worker_count": sum(cohort.draining for cohort in found),
        "stale_worker_count": sum(cohort.stale for cohort in found),
        "latest_drained_at": zulu(latest_us),
        "build_ids": [cohort.build_id for cohort in draining],
    }


def _expiry_us(beat: CompatibilityBeat, settings: ServerSettings) -> int:
    return beat.recorded_us + settings.compatibility_ttl_s * SECOND_US
