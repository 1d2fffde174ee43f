"""The rows a server keeps.

Every record is flat and made of JSON values, so that a store may keep it as it likes. Times are
microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class TaskKind(StrEnum):
    WORKFLOW = "workflow"
    ACTIVITY = "activity"


class TaskState(StrEnum):
    READY = "ready"
    LEASED = "leased"
    DONE = "done"


class Bucket(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    name: str
    description: str | None
    retention_days: int
    status: str
    created_us: int
    updated_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One applied entry of the bootstrap ledger."""

    name: str
    applied_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    namespace: str
    worker_id: str
    task_queue: str
    build_id: str | None
    runtime: str
    sdk_version: str | None
    workflow_types: Sequence[str]
    fingerprints: Mapping[str, str]
    activity_types: Sequence[str]
    max_workflow_tasks: int
    max_activity_tasks: int
    draining: bool
    last_heartbeat_us: int
    registered_us: int
    updated_us: int
    serves: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    heartbeat_interval_s: int | None = None
    task_slots: Mapping[str, int] | None = None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityBeat:
    """A compatibility heartbeat; a table apart from the registrations, with a life of its own.

    An API node that ran a repair pass beats too, with an empty namespace.
    """

    worker_id: str
    namespace: str
    queue: str | None
    supported: Sequence[str]
    process_id: str
    recorded_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What an operator wants of a cohort; `cohort` is the build id, or "" for the unversioned one."""

    namespace: str
    task_queue: str
    cohort: str
    draining: bool
    drained_us: int | None
    promoted_us: int | None
    rolled_back_us: int | None
    record_id: int

    @property
    def build_id(self) -> str | None:
        return self.cohort or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work for a worker; an activity's whole life is one task with several attempts."""

    task_id: str
    namespace: str
    task_queue: str
    kind: TaskKind
    state: TaskState
    run_id: str
    workflow_id: str
    compatibility: str | None
    created_us: int
    available_us: int
    dispatched_us: int | None = None
    redispatched_us: int | None = None
    lease_owner: str | None = None
    lease_expires_us: int | None = None
    attempt: int = 0
    attempt_id: str | None = None
    repair_count: int = 0
    activity_id: str | None = None
    activity_type: str | None = None
    sequence: int | None = None
    arguments: Mapping[str, object] | None = None
    retry_policy: Mapping[str, object] | None = None
    timeouts_s: Mapping[str, float] | None = None
    scheduled_us: int | None = None
    started_us: int | None = None
    heartbeat_us: int | None = None
    failed_attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    timer_id: str
    run_id: str
    namespace: str
    sequence: int
    delay_s: float
    due_us: int
    fired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    run_id: str
    namespace: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    compatibility: str | None
    status: str
    bucket: Bucket
    current: bool
    run_number: int
    codec: str
    input_blob: str
    started_us: int
    progress_us: int
    business_key: str | None = None
    output: Mapping[str, object] | None = None
    closed_us: int | None = None
    closed_reason: str | None = None
    failure: str | None = None
    execution_timeout_s: int | None = None
    run_timeout_s: int | None = None
    execution_started_us: int | None = None
    wait_kind: str | None = None
    wait_reason: str | None = None
    memo: Mapping[str, object] | None = None
    search_attributes: Mapping[str, object] | None = None
    parent_run_id: str | None = None
    parent_sequence: int | None = None
    retry_policy: Mapping[str, object] | None = None
    retry_attempt: int = 1
    events: int = 0
    commands: int = 1
    sequences: int = 0
    timers: int = 0
    blocked: bool = False
    wake_pending: bool = False
    task_failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One history event of a run."""

    run_id: str
    number: int
    event_id: str
    event_type: str
    payload: Mapping[str, object]
    recorded_us: int
    task_id: str | None = None
    command_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    namespace: str
    schedule_id: str
    spec: Mapping[str, object]
    action: Mapping[str, object]
    overlap_policy: str
    paused: bool
    note: str | None
    next_fire_us: int | None
    last_fire_us: int | None
    fires: int
    failures: int
    created_us: int
    updated_us: int
    jitter_s: int = 0
    max_runs: int | None = None
    latest_workflow_id: str | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerProcess:
    """One process that evaluates schedules, as its own ticks show it."""

    process: str
    marker: str | None
    version: str
    last_tick: int
    last_tick_us: int
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    name: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One mutating request of the control plane, in the order they were taken."""

    number: int
    method: str
    path: str
    role: str
    server_id: str
    at_us: int
    status: int
