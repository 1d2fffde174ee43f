"""Repair: what is overdue or lost, and the pass that sets it going again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rollout_kit.emulator.model import outcomes, runs
from rollout_kit.emulator.model.cohorts import supports
from rollout_kit.emulator.model.moments import SECOND_US, age_ms, carbon, whole_second
from rollout_kit.emulator.model.records import (
    Bucket,
    CompatibilityBeat,
    Namespace,
    Run,
    Task,
    TaskKind,
    TaskState,
    Timer,
)
from rollout_kit.emulator.model.settings import Condition, ServerSettings
from rollout_kit.emulator.model.tasks import lease_expired, release_expired
from rollout_kit.emulator.store import Rows

REDISPATCH_AFTER_S = 3
SCAN_LIMIT = 25


def dispatch_overdue(task: Task, now_us: int) -> bool:
    """Ready for longer than the redispatch time, counted anew after each repair.

    The server compares with a time without a fraction, so it may notice a second late.
    """
    if task.state is not TaskState.READY or task.available_us > now_us:
        return False
    return overdue_since_us(task) <= whole_second(now_us) - REDISPATCH_AFTER_S * SECOND_US


def overdue_since_us(task: Task) -> int:
    return max(task.created_us, task.available_us, task.redispatched_us or 0)


def needs_repair(task: Task, now_us: int) -> bool:
    return dispatch_overdue(task, now_us) or lease_expired(task, now_us)


def open_tasks(rows: Rows) -> list[Task]:
    return [*rows.select(Task, state=TaskState.READY), *rows.select(Task, state=TaskState.LEASED)]


def candidates(rows: Rows, now_us: int) -> dict[str, object]:
    """What a repair pass would look at, over all namespaces."""
    found = [task for task in open_tasks(rows) if needs_repair(task, now_us)]
    scopes: dict[tuple[str, str, str], list[Task]] = {}
    for task in sorted(found, key=lambda task: task.created_us):
        key = (task.namespace, task.task_queue, task.compatibility or "")
        scopes.setdefault(key, []).append(task)
    selected = _fair_selection(scopes)
    total = len(found)
    return {
        **_counts(total, min(total, SCAN_LIMIT)),
        "scan_limit": SCAN_LIMIT,
        "scan_strategy": "scope_fair_round_robin",
        "existing_task_scan_limit_reached": total > SCAN_LIMIT,
        "missing_task_scan_limit_reached": False,
        "scan_pressure": total > SCAN_LIMIT,
        **_ages(found, now_us),
        "scopes": [
            {
                "scope_key": f"{namespace}:{queue}:{marker or 'any'}",
                "connection": None,
                "queue": queue,
                "compatibility": marker or None,
                **_counts(len(tasks), selected[namespace, queue, marker]),
                **_ages(tasks, now_us),
                "scan_limited_by_global_policy": selected[namespace, queue, marker] < len(tasks),
            }
            for (namespace, queue, marker), tasks in scopes.items()
        ],
    }


def empty_candidates() -> dict[str, object]:
    """The figures of the operator metrics, which are zero over HTTP in every generation."""
    return {
        **_counts(0, 0),
        "scan_limit": SCAN_LIMIT,
        "scan_strategy": "scope_fair_round_robin",
        "existing_task_scan_limit_reached": False,
        "missing_task_scan_limit_reached": False,
        "scan_pressure": False,
        **_ages([], 0),
        "scopes": [],
    }


def repair_pass(
    rows: Rows, settings: ServerSettings, now_us: int, *, run_ids: Sequence[str] = ()
) -> dict[str, object]:
    """Give expired leases back, dispatch again what is overdue, look at each open run anew."""
    found = [
        task
        for task in open_tasks(rows)
        if needs_repair(task, now_us) and (not run_ids or task.run_id in run_ids)
    ][:SCAN_LIMIT]
    selected, failed = len(found), list[Task]()
    if settings.meets(Condition.PASSES_FAIL):
        found, failed = [], found
    expired_runs = _wake_expired_runs(rows, now_us)
    release_expired(rows, found, now_us)
    for task in found:
        if task.state is TaskState.READY:
            count = task.repair_count + 1
            rows.put(replace(task, redispatched_us=now_us, repair_count=count))
    if settings.rules.repairing_node_beats:
        _beat_as_node(rows, settings, now_us)
    project_blocked(rows, settings, now_us)
    return {
        "selected_command_contract_candidates": 0,
        "backfilled_command_contracts": 0,
        "command_contract_backfill_unavailable": 0,
        "command_contract_failures": [],
        "existing_task_failures": [
            {"task_id": task.task_id, "message": "The task could not be dispatched."}
            for task in failed
        ],
        "missing_run_failures": [],
        "connection": None,
        "queue": None,
        "run_ids": list(run_ids),
        "instance_id": None,
        "respect_throttle": False,
        "throttled": False,
        "selected_existing_task_candidates": selected,
        "selected_missing_task_candidates": 0,
        "selected_total_candidates": selected,
        "repaired_existing_tasks": len(found),
        "repaired_missing_tasks": 0,
        "dispatched_tasks": len(found) + expired_runs,
        "deadline_expired_candidates": expired_runs,
        "deadline_expired_tasks_created": expired_runs,
        "deadline_expired_failures": [],
        "activity_timeout_candidates": 0,
        "activity_timeouts_enforced": 0,
        "activity_timeout_failures": [],
    }


def fire_timers(rows: Rows, now_us: int) -> int:
    """Fire what is due; how many is returned."""
    due = [timer for timer in rows.select(Timer, fired=False) if timer.due_us <= now_us]
    for timer in sorted(due, key=lambda timer: timer.due_us):
        outcomes.timer_fired(rows, timer, now_us)
    return len(due)


def project_blocked(
    rows: Rows, settings: ServerSettings, now_us: int, *, only: Run | None = None
) -> None:
    """Mark open runs whose pin nobody supports: a projection, true when it was made.

    The node that makes it counts as a supporter of its own marker.
    """
    open_runs = (
        [only]
        if only
        else [
            run
            for namespace in rows.select(Namespace)
            for run in rows.select(Run, namespace=namespace.name, bucket=Bucket.RUNNING)
        ]
    )
    oldest = now_us - settings.compatibility_ttl_s * SECOND_US
    beats = [beat for beat in rows.select(CompatibilityBeat) if beat.recorded_us > oldest]
    for run in open_runs:
        served = run.compatibility in (None, settings.marker) or any(
            supports(beat, run.compatibility) for beat in beats
        )
        if run.blocked == served:
            rows.put(replace(run, blocked=not served))


def _wake_expired_runs(rows: Rows, now_us: int) -> int:
    """Give each run beyond its deadline a workflow task, if it has none; how many is returned."""
    expired = [
        run
        for namespace in rows.select(Namespace)
        for run in rows.select(Run, namespace=namespace.name, bucket=Bucket.RUNNING)
        if past_deadline(run, now_us) and not _workflow_task_open(rows, run)
    ]
    for run in expired:
        runs.wake(rows, run, now_us)
    return len(expired)


def _workflow_task_open(rows: Rows, run: Run) -> bool:
    return any(
        task.kind is TaskKind.WORKFLOW and task.state is not TaskState.DONE
        for task in rows.select(Task, run_id=run.run_id)
    )


def time_out(rows: Rows, run: Run, now_us: int) -> None:
    """End a run beyond its deadline: what the server does when its workflow task is claimed."""
    outcomes.child_closed(rows, runs.close(rows, run, "failed", now_us, reason="timed_out"), now_us)


def past_deadline(run: Run, now_us: int) -> bool:
    deadlines = (deadline_us(run.started_us, run.run_timeout_s),
                 deadline_us(run.execution_started_us, run.execution_timeout_s))  # fmt: skip
    return any(deadline is not None and deadline <= now_us for deadline in deadlines)


def deadline_us(start_us: int | None, timeout_s: int | None) -> int | None:
    if start_us is None or timeout_s is None:
        return None
    return start_us + timeout_s * SECOND_US


def _beat_as_node(rows: Rows, settings: ServerSettings, now_us: int) -> None:
    """The node that repairs shows up in the fleet itself, and supports its own marker."""
    supported = list(settings.supported_markers or ([settings.marker] if settings.marker else []))
    rows.put(
        CompatibilityBeat(
            worker_id=f"node:{settings.server_id}",
            namespace="",
            queue=None,
            supported=supported,
            process_id="1",
            recorded_us=now_us,
        )
    )


def _fair_selection(
    scopes: dict[tuple[str, str, str], list[Task]],
) -> dict[tuple[str, str, str], int]:
    """How many of each scope one scan takes, in turns, until it is full."""
    selected = dict.fromkeys(scopes, 0)
    left = SCAN_LIMIT
    while left and any(selected[key] < len(tasks) for key, tasks in scopes.items()):
        for key, tasks in scopes.items():
            if left and selected[key] < len(tasks):
                selected[key] += 1
                left -= 1
    return selected


def _counts(total: int, selected: int) -> dict[str, object]:
    return {
        "existing_task_candidates": total,
        "missing_task_candidates": 0,
        "total_candidates": total,
        "selected_existing_task_candidates": selected,
        "selected_missing_task_candidates": 0,
        "selected_total_candidates": selected,
    }


def _ages(tasks: Sequence[Task], now_us: int) -> dict[str, object]:
    oldest_us = min((task.created_us for task in tasks), default=None)
    return {
        "oldest_task_candidate_created_at": carbon(oldest_us),
        "oldest_missing_run_started_at": None,
        "max_task_candidate_age_ms": age_ms(now_us, oldest_us),
        "max_missing_run_age_ms": 0,
    }
