"""Passes over all rows: activity timeouts, retention, the tick of a scheduler, maintenance."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.emulator.model import outcomes, repair, schedules
from rollout_kit.emulator.model.moments import SECOND_US, carbon
from rollout_kit.emulator.model.records import (
    Bucket,
    Counter,
    Event,
    Run,
    SchedulerProcess,
    Task,
    TaskKind,
    TaskState,
    Timer,
)
from rollout_kit.emulator.model.settings import ServerSettings
from rollout_kit.emulator.store import Rows, next_number

SCAN_LIMIT = 100
OVERLAPS = "scheduler_overlaps"
TICKS = "scheduler_ticks"

_DONE_KEPT_US = 120 * SECOND_US
_TYPES_SHOWN = 20
_PROJECTIONS = (
    "run_summaries",
    "run_waits",
    "run_timeline_entries",
    "run_timer_entries",
    "run_lineage_entries",
)


_FAILURE_LABELS = {
    "namespace": "request_scope_not_label",
    "workflow_type": {
        "cardinality_class": "bounded_series",
        "limit": _TYPES_SHOWN,
        "selection": "top_by_max_consecutive_failures_then_name",
    },
}
_DRIFT_LABELS = {
    "namespace": "server_scope_no_label",
    "table": {
        "cardinality_class": "finite_projection_table_inventory",
        "values": list(_PROJECTIONS),
        "selection": "fixed_projection_table_inventory",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What one tick of a scheduler did, and whether another scheduler ticks beside it."""

    started: int
    timeouts: int
    overlapped: bool


def scheduler_tick(rows: Rows, settings: ServerSettings, *, process: str, now_us: int) -> Tick:
    """One evaluation of schedules and timeouts by `process`.

    There is no leader lease, as in the server: two schedulers both work. When another process has
    ticked since this one's last tick, both were alive at once, and the overlap is counted.
    """
    known = rows.get(SchedulerProcess, process)
    latest = rows.get(Counter, TICKS)
    overlapped = known is not None and latest is not None and known.last_tick != latest.value
    if overlapped:
        next_number(rows, OVERLAPS)
    rows.put(
        SchedulerProcess(
            process=process,
            marker=settings.marker,
            version=settings.image_version,
            last_tick=next_number(rows, TICKS),
            last_tick_us=now_us,
            ticks=known.ticks + 1 if known else 1,
        )
    )
    fired = schedules.evaluate(rows, settings, now_us)
    timeouts = enforce_timeouts(rows, now_us)
    _forget_done_tasks(rows, now_us)
    return Tick(started=fired.started, timeouts=timeouts, overlapped=overlapped)


def scheduler_overlaps(rows: Rows) -> int:
    counter = rows.get(Counter, OVERLAPS)
    return 0 if counter is None else counter.value


def maintenance_pass(rows: Rows, settings: ServerSettings, now_us: int) -> int:
    """Fire timers and repair what is lost; how many things were set going is returned."""
    fired = repair.fire_timers(rows, now_us)
    report = repair.repair_pass(rows, settings, now_us)
    return fired + int(str(report["repaired_existing_tasks"]))


def work_waits(rows: Rows, now_us: int) -> bool:
    """Whether a maintenance pass would find anything: asked before a write is begun."""
    if any(timer.due_us <= now_us for timer in rows.select(Timer, fired=False)):
        return True
    return any(repair.needs_repair(task, now_us) for task in repair.open_tasks(rows))


def overdue_activities(rows: Rows, now_us: int) -> list[Task]:
    """Activities beyond one of their own timeouts."""
    found = [
        task
        for task in repair.open_tasks(rows)
        if task.kind is TaskKind.ACTIVITY and _timed_out(task, now_us)
    ]
    return found[:SCAN_LIMIT]


def enforce_timeouts(rows: Rows, now_us: int) -> int:
    """Fail what is overdue, as its retry policy says; how many is returned."""
    overdue = overdue_activities(rows, now_us)
    for task in overdue:
        failure = {"message": "activity timed out", "type": "ActivityTimeout"}
        outcomes.activity_failed(rows, task, failure, now_us)
    return len(overdue)


def expired_runs(rows: Rows, namespace: str, cutoff_us: int) -> list[Run]:
    return [
        run
        for run in rows.select(Run, namespace=namespace)
        if run.closed_us is not None and run.closed_us < cutoff_us
    ][:SCAN_LIMIT]


def prune(rows: Rows, namespace: str, cutoff_us: int) -> int:
    """Delete closed runs with their history; how many is returned."""
    expired = expired_runs(rows, namespace, cutoff_us)
    for run in expired:
        for event in rows.select(Event, run_id=run.run_id):
            rows.delete(event)
        for task in rows.select(Task, run_id=run.run_id):
            rows.delete(task)
        for timer in rows.select(Timer, run_id=run.run_id):
            rows.delete(timer)
        rows.delete(run)
    return len(expired)


def task_metrics(rows: Rows, namespace: str, now_us: int) -> dict[str, object]:
    """The body of `GET /api/system/metrics`."""
    failing: dict[str, int] = {}
    tasks = 0
    for run in rows.select(Run, namespace=namespace, bucket=Bucket.RUNNING):
        if run.task_failures:
            tasks += 1
            before = failing.get(run.workflow_type, 0)
            failing[run.workflow_type] = max(before, run.task_failures)
    worst = sorted(failing.items(), key=lambda item: (-item[1], item[0]))[:_TYPES_SHOWN]
    failures = {
        "max_consecutive_failures": max(failing.values(), default=0),
        "failed_task_count": tasks,
        "workflow_type_count": len(failing),
        "workflow_type_limit": _TYPES_SHOWN,
        "workflow_types_truncated": len(failing) > _TYPES_SHOWN,
        "suppressed_workflow_type_count": max(0, len(failing) - _TYPES_SHOWN),
        "suppressed_failed_task_count": 0,
        "label_cardinality_policy": _FAILURE_LABELS,
        "by_workflow_type": [
            {"workflow_type": name, "max_consecutive_failures": count} for name, count in worst
        ],
    }
    drift = {
        "total": 0,
        "table_count": len(_PROJECTIONS),
        "tables_with_drift": 0,
        "scope": "server",
        "label_cardinality_policy": _DRIFT_LABELS,
        "by_table": [{"table": table, "needs_rebuild": 0} for table in _PROJECTIONS],
    }
    return {
        "generated_at": carbon(now_us),
        "namespace": namespace,
        "metrics": {
            "dw_workflow_task_consecutive_failures": failures,
            "dw_projection_drift_total": drift,
        },
        "cardinality": {
            "metric_label_sets": {
                "dw_workflow_task_consecutive_failures": _FAILURE_LABELS,
                "dw_projection_drift_total": _DRIFT_LABELS,
            }
        },
    }


def _timed_out(task: Task, now_us: int) -> bool:
    limits = task.timeouts_s or {}
    started = task.started_us if task.state is TaskState.LEASED else None
    heard = task.heartbeat_us or started
    waiting = task.available_us if task.state is TaskState.READY else None
    since = {
        "start_to_close_timeout": started,
        "heartbeat_timeout": heard,
        "schedule_to_start_timeout": waiting,
        "schedule_to_close_timeout": task.scheduled_us,
    }
    return any(
        start_us is not None and name in limits and now_us - start_us > limits[name] * SECOND_US
        for name, start_us in since.items()
    )


def _forget_done_tasks(rows: Rows, now_us: int) -> None:
    """Finished tasks count for a minute in the metrics, then for nothing."""
    for task in rows.select(Task, state=TaskState.DONE):
        if max(task.created_us, task.dispatched_us or 0) < now_us - _DONE_KEPT_US:
            rows.delete(task)
