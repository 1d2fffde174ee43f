"""How each kind of record is kept: its key, and what it is looked up by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollout_kit.emulator.model.records import (
    CompatibilityBeat,
    Counter,
    Event,
    Migration,
    Namespace,
    Rollout,
    Run,
    Schedule,
    SchedulerProcess,
    Task,
    Timer,
    Worker,
    Write,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a store keeps one kind of record: its key, and the sets of fields it is looked up by."""

    table: str
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()


LAYOUTS: Mapping[type, Layout] = {
    Namespace: Layout("namespaces", ("name",)),
    Migration: Layout("migrations", ("name",)),
    Worker: Layout(
        "workers", ("namespace", "worker_id"), (("namespace", "task_queue"), ("namespace",))
    ),
    CompatibilityBeat: Layout("compatibility_beats", ("namespace", "worker_id")),
    Rollout: Layout(
        "rollouts", ("namespace", "task_queue", "cohort"), (("namespace", "task_queue"),)
    ),
    Task: Layout(
        "tasks",
        ("task_id",),
        (
            ("namespace", "task_queue", "kind", "state", "compatibility"),
            ("namespace", "task_queue", "state"),
            ("namespace", "state"),
            ("run_id",),
            ("state",),
        ),
    ),
    Timer: Layout("timers", ("timer_id",), (("fired",), ("run_id",))),
    Run: Layout(
        "runs",
        ("run_id",),
        (("namespace", "workflow_id"), ("namespace", "bucket"), ("namespace",), ("parent_run_id",)),
    ),
    Event: Layout("events", ("run_id", "number"), (("run_id",),)),
    Schedule: Layout("schedules", ("namespace", "schedule_id"), (("namespace",),)),
    SchedulerProcess: Layout("scheduler_processes", ("process",)),
    Counter: Layout("counters", ("name",)),
    Write: Layout("writes", ("number",)),
}
