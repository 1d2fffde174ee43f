"""Operator metrics: the leaves that gates look at, each computed from the rows of this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rollout_kit.emulator.model import fleet, projections, queues, repair, topology
from rollout_kit.emulator.model.moments import age_ms, carbon, whole_second
from rollout_kit.emulator.model.records import (
    Bucket,
    Run,
    Schedule,
    Task,
    TaskKind,
    TaskState,
)
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.model.tasks import lease_expired
from rollout_kit.emulator.store import Rows

Leaves = dict[str, object]


@dataclass(frozen=True, kw_only=True)  # no slots: what was picked out once is kept
class _Scene:
    """The rows of one namespace that the figures are made of."""

    now_us: int
    newer: bool
    runs: Sequence[Run]
    ready: Sequence[Task]
    leased: Sequence[Task]
    done: Sequence[Task]
    schedules: Sequence[Schedule]

    @cached_property
    def open_runs(self) -> list[Run]:
        return [run for run in self.runs if run.bucket is Bucket.RUNNING]

    @cached_property
    def due(self) -> list[Task]:
        """Ready before this second began: the server's query drops the fraction of its time."""
        limit_us = whole_second(self.now_us)
        return [task for task in self.ready if task.available_us <= limit_us]

    @cached_property
    def overdue(self) -> list[Task]:
        return [task for task in self.ready if repair.dispatch_overdue(task, self.now_us)]

    @cached_property
    def expired(self) -> list[Task]:
        return [task for task in self.leased if lease_expired(task, self.now_us)]

    @cached_property
    def activities(self) -> list[Task]:
        return [task for task in (*self.ready, *self.leased) if task.kind is TaskKind.ACTIVITY]

    @cached_property
    def blocked(self) -> list[Run]:
        return [run for run in self.open_runs if run.blocked]


def snapshot(
    rows: Rows,
    settings: ServerSettings,
    namespace: str,
    now_us: int,
    statics: Mapping[str, object],
) -> Leaves:
    """`operator_metrics` of a namespace; `statics` are the parts that never change."""
    scene = _Scene(
        now_us=now_us,
        newer=settings.generation is Generation.V2,
        runs=rows.select(Run, namespace=namespace),
        ready=rows.select(Task, namespace=namespace, state=TaskState.READY),
        leased=rows.select(Task, namespace=namespace, state=TaskState.LEASED),
        done=rows.select(Task, namespace=namespace, state=TaskState.DONE),
        schedules=rows.select(Schedule, namespace=namespace),
    )
    generated_at = carbon(now_us)
    metrics: Leaves = {
        "generated_at": generated_at,
        "runs": _runs(scene),
        "tasks": _tasks(scene),
        "activities": _activities(scene),
        "backlog": _backlog(scene),
        "repair": repair.empty_candidates(),
        "starts": _starts(scene),
        "history": _history(scene),
        "command_contracts": _command_contracts(scene),
        "projections": projections.leaves(scene.runs, statics),
        "schedules": _schedules(scene),
        "workers": fleet.metrics(rows, settings, namespace, now_us),
        "backend": {"generated_at": generated_at, **_mapping(statics["backend"])},
        "structural_limits": statics["structural_limits"],
        "update_wait": statics["update_wait"],
        "repair_policy": statics["repair_policy"],
        "matching_role": topology.matching_role(settings),
    }
    if scene.newer:
        metrics |= {
            "sticky_execution": {
                "enabled": False,
                "ttl_seconds": 0,
                "active_sticky_runs": 0,
                "hit_rate_last_minute": 0.0,
            },
            "worker_sessions": {"open": 0},
            "capacity_evidence": {},
            "runtime_external_payload_cleanup": {"pending": 0},
        }
    return metrics


def _runs(scene: _Scene) -> Leaves:
    def closed(status: str) -> int:
        return sum(run.status == status for run in scene.runs)

    oldest_us = min((run.progress_us for run in scene.open_runs), default=None)
    return {
        "total": len(scene.runs),
        "current": sum(run.current for run in scene.runs),
        "running": len(scene.open_runs),
        "completed": closed("completed"),
        "failed": closed("failed"),
        "cancelled": closed("cancelled"),
        "terminated": closed("terminated"),
        "archived": 0,
        "repair_needed": 0,
        "oldest_repair_needed_at": None,
        "max_repair_needed_age_ms": 0,
        "claim_failed": 0,
        "compatibility_blocked": len(scene.blocked),
        "waiting": len(scene.open_runs),
        "oldest_wait_started_at": carbon(oldest_us),
        "max_wait_age_ms": age_ms(scene.now_us, oldest_us),
    }


def _tasks(scene: _Scene) -> Leaves:
    expired_us = min((task.lease_expires_us or 0 for task in scene.expired), default=None)
    due_us = min((task.available_us for task in scene.due), default=None)
    overdue_us = min((repair.overdue_since_us(task) for task in scene.overdue), default=None)
    unhealthy_us = min((us for us in (expired_us, overdue_us) if us is not None), default=None)

    def aged(name: str, us: int | None, stamp: str = "at") -> Leaves:
        key = f"oldest_{name}_{stamp}"
        return {key: carbon(us), f"max_{name}_age_ms": age_ms(scene.now_us, us)}

    leaves: Leaves = {
        "open": len(scene.ready) + len(scene.leased),
        "ready": len(scene.ready),
        "ready_due": len(scene.due),
        "delayed": len(scene.ready) - len(scene.due),
        "leased": len(scene.leased),
        "dispatch_failed": 0,
        "claim_failed": 0,
        "dispatch_overdue": len(scene.overdue),
        "lease_expired": len(scene.expired),
        **aged("lease_expired", expired_us),
        **aged("ready_due", due_us),
        **aged("dispatch_overdue", overdue_us, stamp="since"),
        **aged("claim_failed", None),
        **aged("dispatch_failed", None),
        "unhealthy": len(scene.overdue) + len(scene.expired),
        **aged("unhealthy", unhealthy_us),
    }
    if scene.newer:
        open_tasks = [*scene.ready, *scene.leased]
        leaves |= {
            "max_attempt_count": max((task.attempt for task in open_tasks), default=0),
            "max_repair_count": max((task.repair_count for task in open_tasks), default=0),
        }
    return leaves


def _activities(scene: _Scene) -> Leaves:
    running = [task for task in scene.activities if task.started_us is not None]
    retrying = [task for task in scene.activities if task.failed_attempts]
    retrying_us = min((task.created_us for task in retrying), default=None)
    leaves: Leaves = {
        "open": len(scene.activities),
        "pending": len(scene.activities) - len(running),
        "running": len(running),
        "retrying": len(retrying),
        "oldest_retrying_started_at": carbon(retrying_us),
        "max_retrying_age_ms": age_ms(scene.now_us, retrying_us),
        "timeout_overdue": 0,
        "oldest_timeout_overdue_at": None,
        "max_timeout_overdue_age_ms": 0,
        "failed_attempts": sum(task.failed_attempts for task in (*scene.activities, *scene.done)),
        "max_attempt_count": max((max(1, task.attempt) for task in scene.activities), default=0),
    }
    if scene.newer:
        leaves |= {"local_open": 0, "queued_open": len(scene.activities)}
    return leaves


def _backlog(scene: _Scene) -> Leaves:
    blocked_us = min((run.started_us for run in scene.blocked), default=None)
    leaves: Leaves = {
        "runnable_tasks": len(scene.due),
        "delayed_tasks": len(scene.ready) - len(scene.due),
        "leased_tasks": len(scene.leased),
        "retrying_activities": sum(bool(task.failed_attempts) for task in scene.activities),
        "unhealthy_tasks": len(scene.overdue) + len(scene.expired),
        "repair_needed_runs": 0,
        "claim_failed_runs": 0,
        "compatibility_blocked_runs": len(scene.blocked),
        "oldest_compatibility_blocked_started_at": carbon(blocked_us),
        "max_compatibility_blocked_age_ms": age_ms(scene.now_us, blocked_us),
    }
    if scene.newer:
        added, dispatched = queues.last_minute(
            [*scene.ready, *scene.leased, *scene.done], scene.now_us
        )
        leaves |= {"tasks_added_last_minute": added, "tasks_dispatched_last_minute": dispatched}
    return leaves


def _starts(scene: _Scene) -> Leaves:
    pending = [run for run in scene.open_runs if run.status == "pending"]
    waiting = {run.run_id for run in pending}
    oldest_us = min((run.started_us for run in pending), default=None)
    return {
        "pending_runs": len(pending),
        "pending_commands": len(pending),
        "ready_tasks": sum(task.run_id in waiting for task in scene.ready),
        "oldest_pending_start_at": carbon(oldest_us),
        "max_pending_ms": age_ms(scene.now_us, oldest_us),
    }


def _history(scene: _Scene) -> Leaves:
    leaves: Leaves = {
        "continue_as_new_recommended_runs": 0,
        "events": sum(run.events for run in scene.runs),
        "history_orphan_total": 0,
        "max_event_count": max((run.events for run in scene.runs), default=0),
        "max_size_bytes": 0,
    }
    if not scene.newer:
        return leaves | {"event_threshold": 10000, "size_bytes_threshold": 5242880}
    thresholds = {"events": 10000, "size_bytes": 5242880}
    return leaves | {"approaching_budget_runs": 0, "max_fan_out": 0, "thresholds": thresholds}


def _command_contracts(scene: _Scene) -> Leaves:
    return {
        "backfill_needed_runs": len(scene.runs),
        "backfill_available_runs": 0,
        "backfill_unavailable_runs": len(scene.runs),
    }


def _schedules(scene: _Scene) -> Leaves:
    active = [schedule for schedule in scene.schedules if not schedule.paused]
    missed = [
        schedule.next_fire_us
        for schedule in active
        if schedule.next_fire_us is not None and schedule.next_fire_us <= scene.now_us
    ]
    oldest_us = min(missed, default=None)
    return {
        "active": len(active),
        "paused": len(scene.schedules) - len(active),
        "missed": len(missed),
        "oldest_overdue_at": carbon(oldest_us),
        "max_overdue_ms": age_ms(scene.now_us, oldest_us),
        "fires_total": sum(schedule.fires for schedule in scene.schedules),
        "failures_total": sum(schedule.failures for schedule in scene.schedules),
    }


def _mapping(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, Mapping) else {}
