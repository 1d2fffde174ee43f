"""The numbers beside an observation: what ticks. For people and gates, never fingerprinted.

A number that was not measured is `None`, never 0 (rule 14); the reason stands in `unread`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rollout_kit.model.identity import CohortRef, QueueRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A count that may have been cut off: at least `at_least`, exactly that when `complete`."""

    at_least: int
    complete: bool = True

    @property
    def text(self) -> str:
        return str(self.at_least) if self.complete else f"at least {self.at_least}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNumbers:
    """One API node now. `answers` is None when nobody looked, False when it gave no answer."""

    answers: bool | None = None
    ready: bool | None = None
    diagnosis: str | None = None  # the failing readiness checks, in words
    connections: int | None = None  # open connections from the front; None: nothing can count
    processes: int | None = None  # processes the driver counts for this node
    settled: bool = True  # the driver has finished what it was asked
    error: str | None = None  # why there was no answer
    required_marker: str | None = None  # `workers.required_compatibility`; "" where it shows none
    supporters: int | None = None  # `workers.active_workers_supporting_required`


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortNumbers:
    """One cohort now, as server and driver count it."""

    active: int | None = None
    draining: int | None = None
    stale: int | None = None
    total: int | None = None
    processes: int | None = None  # driver's count of live processes; None: it cannot count
    registered: int | None = None  # registrations that carry a live process's worker id
    leases: Count | None = None
    free_slots: bool | None = None  # every worker shows free task slots = capacity
    worked_ago_s: float | None = None  # seconds since it last held a lease or completed a run
    worked_since_start: bool = False  # it worked since its present processes started
    fingerprint_conflicts: tuple[str, ...] = ()  # workflow types with several code fingerprints
    open_runs: Count | None = None  # open runs pinned to this build (unversioned: unpinned ones)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNumbers:
    """One task queue now."""

    stale_after_s: float | None = None
    poll_timeout_s: float | None = None  # None: this server does not show it
    heartbeat_interval_s: float | None = None  # likewise
    ready_workflow_tasks: int | None = None
    ready_activity_tasks: int | None = None
    leases: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerNumbers:
    """The singleton scheduler now."""

    processes: int | None = None
    settled: bool = True
    fires_total: int | None = None
    max_overdue_ms: int | None = None
    active_schedules: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """An open run. `pin=None` is an unpinned run; `described=False` means the pin is not known yet."""

    namespace: str
    workflow_id: str
    run_id: str
    task_queue: str
    workflow_type: str
    pin: str | None
    described: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRuns:
    """One listing of a namespace's open runs. `complete`: every page and every pin was read."""

    namespace: str
    runs: tuple[OpenRun, ...]
    complete: bool
    listed_at_s: float  # monotonic seconds at which the listing ended
    started_at_s: float = 0.0  # monotonic seconds at which it began

    @property
    def progress(self) -> str:
        described = sum(1 for run in self.runs if run.described)
        return f"{described} of {len(self.runs)} open runs read in {self.namespace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNumbers:
    """A job, script or other long work of the driver, by key."""

    state: str  # a JobState's value
    detail: str = ""
    progress: str = ""  # what it waits for, in its own words, while it runs
    exit_status: int | None = None
    pending_migrations: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEnd:
    """Programs of one resource that ended by themselves after the driver had started them.

    The other fields are those of one of them; None: not told.
    """

    count: int = 1
    exit_status: int | None = None  # negative: the signal that ended it
    after_s: float | None = None  # from its start to its end
    last_lines: str = ""  # of what it wrote; known secrets are not in it
    reason: str = ""  # why it does not run, by what is to run it; then nothing need have ended
    may_pass: bool = False  # with a reason: it can run yet without anybody's doing


_NO_NODE, _NO_COHORT, _NO_QUEUE = NodeNumbers(), CohortNumbers(), QueueNumbers()
"""Of what nobody looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that ticks, as far as it was looked at. Keys are names, not fact paths."""

    nodes: Mapping[str, NodeNumbers] = field(default_factory=dict)
    cohorts: Mapping[str, CohortNumbers] = field(default_factory=dict)  # by CohortRef.path
    queues: Mapping[str, QueueNumbers] = field(default_factory=dict)  # by QueueRef.path
    scheduler: SchedulerNumbers | None = None
    maintenance: Mapping[str, int | None] = field(default_factory=dict)  # live processes by name
    open_runs: Mapping[str, OpenRuns] = field(default_factory=dict)  # by namespace
    metrics: Mapping[str, float | None] = field(default_factory=dict)  # operator metrics, dotted
    jobs: Mapping[str, JobNumbers] = field(default_factory=dict)  # by key
    runs: Mapping[str, str] = field(default_factory=dict)  # workflow id -> status, for smoke runs
    pins: Mapping[str, str | None] = field(default_factory=dict)  # workflow id -> pin, smoke runs
    ended: Mapping[str, ProgramEnd] = field(default_factory=dict)  # by the driver's resource
    unread: Mapping[str, str] = field(default_factory=dict)  # what could not be read -> why

    def node(self, name: str) -> NodeNumbers:
        return self.nodes.get(name, _NO_NODE)

    def cohort(self, cohort: CohortRef) -> CohortNumbers:
        return self.cohorts.get(cohort.path, _NO_COHORT)

    def queue(self, queue: QueueRef) -> QueueNumbers:
        return self.queues.get(queue.path, _NO_QUEUE)

    def merged(self, *others: Situation) -> Situation:
        """This situation overlaid with what the others have looked at, one after the other."""
        scheduler = self.scheduler
        found: dict[str, dict[str, Any]] = {name: dict(getattr(self, name)) for name in _MAPPINGS}
        for other in others:
            scheduler = other.scheduler or scheduler
            for name, entries in found.items():
                entries.update(getattr(other, name))
        return Situation(scheduler=scheduler, **found)


_MAPPINGS = tuple(item.name for item in fields(Situation) if item.name != "scheduler")
