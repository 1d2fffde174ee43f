"""Task queues as operators see them: pollers, backlog, leases, repair, admission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.emulator.model import repair
from rollout_kit.emulator.model.cohorts import effective_status, is_stale
from rollout_kit.emulator.model.moments import SECOND_US, carbon
from rollout_kit.emulator.model.records import Task, TaskKind, TaskState, Worker
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.model.tasks import lease_expired
from rollout_kit.emulator.store import Rows

LEASES_SHOWN = 50
_QUERY_CAPACITY = 1024
_MINUTE_US = 60 * SECOND_US
_UNLIMITED = (
    "server_max_active_leases_per_queue",
    "server_remaining_active_lease_capacity",
    "server_max_active_leases_per_namespace",
    "server_remaining_namespace_active_lease_capacity",
    "server_max_dispatches_per_minute",
    "server_remaining_dispatch_capacity",
    "server_max_dispatches_per_minute_per_namespace",
    "server_remaining_namespace_dispatch_capacity",
    "server_dispatch_budget_group",
    "server_max_dispatches_per_minute_per_budget_group",
    "server_remaining_budget_group_dispatch_capacity",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    name: str
    workers: Sequence[Worker]
    ready: Sequence[Task]
    leased: Sequence[Task]
    recent: Sequence[Task]
    leased_in_namespace: Sequence[Task]


def names(rows: Rows, namespace: str) -> list[str]:
    """Queues with a worker row or an open task."""
    found = {worker.task_queue for worker in rows.select(Worker, namespace=namespace)}
    for state in (TaskState.READY, TaskState.LEASED):
        found |= {task.task_queue for task in rows.select(Task, namespace=namespace, state=state)}
    return sorted(found)


def summary(
    rows: Rows, settings: ServerSettings, namespace: str, name: str, now_us: int
) -> dict[str, object]:
    """A row of the list of queues."""
    queue = _gather(rows, namespace, name, now_us)
    return {
        "name": name,
        "stats": _stats(queue, settings, now_us),
        "repair": _repair(queue, now_us),
        "admission": _admission(queue, settings, now_us),
    }


def describe(
    rows: Rows, settings: ServerSettings, namespace: str, name: str, now_us: int
) -> dict[str, object]:
    """The body of `GET /api/task-queues/{queue}`: a queue that nobody knows is an empty one."""
    queue = _gather(rows, namespace, name, now_us)
    leases = sorted(queue.leased, key=lambda task: (task.lease_expires_us or 0, task.task_id))
    return {
        "name": name,
        "pollers": [_poller(worker, settings, now_us) for worker in queue.workers],
        "stats": _stats(queue, settings, now_us),
        "current_leases": [_lease(task, now_us) for task in leases[:LEASES_SHOWN]],
        "repair": _repair(queue, now_us),
        "admission": _admission(queue, settings, now_us),
    }


def _gather(rows: Rows, namespace: str, name: str, now_us: int) -> _Queue:
    def tasks(state: TaskState) -> Sequence[Task]:
        return rows.select(Task, namespace=namespace, task_queue=name, state=state)

    ready = [task for task in tasks(TaskState.READY) if task.available_us <= now_us]
    return _Queue(
        name=name,
        workers=rows.select(Worker, namespace=namespace, task_queue=name),
        ready=ready,
        leased=tasks(TaskState.LEASED),
        recent=[task for task in tasks(TaskState.DONE) if task.created_us > now_us - _MINUTE_US],
        leased_in_namespace=rows.select(Task, namespace=namespace, state=TaskState.LEASED),
    )


def _poller(worker: Worker, settings: ServerSettings, now_us: int) -> dict[str, object]:
    expires_us = worker.last_heartbeat_us + settings.stale_after_s * SECOND_US
    return {
        "worker_id": worker.worker_id,
        "runtime": worker.runtime,
        "sdk_version": worker.sdk_version,
        "build_id": worker.build_id,
        "last_heartbeat_at": carbon(worker.last_heartbeat_us),
        "heartbeat_expires_at": carbon(expires_us),
        "status": effective_status(worker, settings, now_us),
        "is_stale": is_stale(worker, settings, now_us),
        "supported_workflow_types": list(worker.workflow_types),
        "supported_activity_types": list(worker.activity_types),
        "max_concurrent_workflow_tasks": worker.max_workflow_tasks,
        "max_concurrent_activity_tasks": worker.max_activity_tasks,
    }


def _stats(queue: _Queue, settings: ServerSettings, now_us: int) -> dict[str, object]:
    oldest = min(queue.ready, key=lambda task: task.available_us, default=None)
    age_s = None if oldest is None else (now_us - oldest.available_us) // SECOND_US
    stale = sum(is_stale(worker, settings, now_us) for worker in queue.workers)
    newer = settings.generation is Generation.V2
    stats: dict[str, object] = {
        "approximate_backlog_count": len(queue.ready),
        "approximate_backlog_age": None if age_s is None else _label(age_s),
        "approximate_backlog_age_seconds": age_s,
        "oldest_ready_task": None
        if oldest is None
        else {
            "task_id": oldest.task_id,
            "task_type": oldest.kind,
            "workflow_id": oldest.workflow_id,
            "run_id": oldest.run_id,
            "available_at": carbon(oldest.available_us),
            "age_seconds": age_s,
        },
        "workflow_tasks": _task_counts(queue, TaskKind.WORKFLOW, now_us, recent=newer),
        "activity_tasks": _task_counts(queue, TaskKind.ACTIVITY, now_us, recent=newer),
        "pollers": {
            "active_count": len(queue.workers) - stale,
            "stale_count": stale,
            "stale_after_seconds": settings.stale_after_s,
        },
    }
    if newer:
        added, dispatched = last_minute([*queue.ready, *queue.leased, *queue.recent], now_us)
        stats |= {"tasks_added_last_minute": added, "tasks_dispatched_last_minute": dispatched}
    return stats


def last_minute(tasks: Sequence[Task], now_us: int) -> tuple[int, int]:
    """How many distinct tasks were added, and dispatched, within the last minute."""
    since_us = now_us - _MINUTE_US
    added = sum(task.created_us > since_us for task in tasks)
    return added, sum((task.dispatched_us or 0) > since_us for task in tasks)


def _task_counts(queue: _Queue, kind: TaskKind, now_us: int, *, recent: bool) -> dict[str, object]:
    leased = [task for task in queue.leased if task.kind is kind]
    counts: dict[str, object] = {
        "ready_count": sum(task.kind is kind for task in queue.ready),
        "leased_count": len(leased),
        "expired_lease_count": sum(lease_expired(task, now_us) for task in leased),
    }
    if recent:
        mine = [task for task in (*queue.ready, *queue.leased, *queue.recent) if task.kind is kind]
        added, dispatched = last_minute(mine, now_us)
        counts |= {"added_last_minute": added, "dispatched_last_minute": dispatched}
    return counts


def _lease(task: Task, now_us: int) -> dict[str, object]:
    shown: dict[str, object] = {
        "task_id": task.task_id,
        "task_type": task.kind,
        "workflow_id": task.workflow_id,
        "run_id": task.run_id,
        "lease_owner": task.lease_owner,
        "lease_expires_at": carbon(task.lease_expires_us),
        "is_expired": lease_expired(task, now_us),
    }
    if task.kind is TaskKind.WORKFLOW:
        return shown | {"workflow_task_attempt": task.attempt}
    return shown | {"activity_attempt_id": task.attempt_id, "attempt_number": task.attempt}


def _repair(queue: _Queue, now_us: int) -> dict[str, object]:
    overdue = sum(repair.dispatch_overdue(task, now_us) for task in queue.ready)
    expired = sum(lease_expired(task, now_us) for task in queue.leased)
    return {
        "candidates": overdue + expired,
        "dispatch_failed": 0,
        "expired_leases": expired,
        "dispatch_overdue": overdue,
        "needs_attention": overdue + expired > 0,
        "policy": {"redispatch_after_seconds": repair.REDISPATCH_AFTER_S},
    }


def _admission(queue: _Queue, settings: ServerSettings, now_us: int) -> dict[str, object]:
    active = [
        worker for worker in queue.workers if effective_status(worker, settings, now_us) == "active"
    ]
    return {
        "workflow_tasks": _slots(
            queue, TaskKind.WORKFLOW, len(active), sum(item.max_workflow_tasks for item in active)
        ),
        "activity_tasks": _slots(
            queue, TaskKind.ACTIVITY, len(active), sum(item.max_activity_tasks for item in active)
        ),
        "query_tasks": {
            "budget_source": "server.query_tasks.max_pending_per_queue",
            "max_pending_per_queue": _QUERY_CAPACITY,
            "approximate_pending_count": 0,
            "remaining_pending_capacity": _QUERY_CAPACITY,
            "lock_required": True,
            "lock_supported": True,
            "status": "accepting",
        },
    }


def _slots(queue: _Queue, kind: TaskKind, active: int, slots: int) -> dict[str, object]:
    leased = sum(task.kind is kind for task in queue.leased)
    status = "accepting" if leased < slots else "saturated" if slots else "no_slots"
    return {
        "budget_source": f"worker_registration.max_concurrent_{kind}_tasks",
        "server_budget_source": f"server.admission.{kind}_tasks.max_active_leases_per_queue",
        "active_worker_count": active,
        "configured_slot_count": slots,
        "leased_count": leased,
        "ready_count": sum(task.kind is kind for task in queue.ready),
        "available_slot_count": max(0, slots - leased),
        "server_active_lease_count": leased,
        "server_namespace_active_lease_count": sum(
            task.kind is kind for task in queue.leased_in_namespace
        ),
        "server_dispatch_count_this_minute": 0,
        "server_namespace_dispatch_count_this_minute": 0,
        "server_budget_group_dispatch_count_this_minute": 0,
        **dict.fromkeys(_UNLIMITED),
        "server_lock_required": False,
        "server_lock_supported": True,
        "status": status if active else "no_active_workers",
    }


def _label(age_s: int) -> str:
    hours, rest = divmod(age_s, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
