"""A workflow server as a rollout sees it. Only `Engine` can write; operations observe with the reader.

Every call returns within five seconds. A slower read stays in flight inside its adapter and answers
`InFlight` until it is there; a server that gives no answer raises `Unavailable`. Counts that the
answer lacks are `None` or raise `Incompatible`: a missing count is never zero (rule 14).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.situation import OpenRuns


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`GET /api/ready` of one node; a 503 body is data, not an error."""

    ready: bool
    http_status: int
    failing: Mapping[str, str] = field(default_factory=dict)  # check -> what it says

    @property
    def diagnosis(self) -> str:
        return "; ".join(f"{check}: {text}" for check, text in self.failing.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What a node believes it is, and its process-local matching role."""

    shape: str
    process_class: str
    roles: tuple[str, ...]
    matching: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)

    @property
    def canonical(self) -> str:
        """One line that differs exactly when anything of it differs."""
        role = ",".join(f"{key}={self.matching[key]}" for key in sorted(self.matching))
        return f"{self.shape}/{self.process_class}/{'+'.join(sorted(self.roles))}/{role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterInfo:
    """`GET /api/cluster/info` of one node (None for fields that this server does not show)."""

    server_id: str
    version: str
    control_plane: str
    worker_protocol: str
    accepts_lower_minors: bool  # 2.x rule; otherwise the accepted set is the single string
    topology: Topology | None = None
    provenance: str | None = None  # source@ref#commit; needs the admin token and server consent
    poll_timeout_s: float | None = None
    heartbeat_interval_s: float | None = None
    stale_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRow:
    """One row of a queue's build ids."""

    cohort: CohortRef
    drain_intent: str  # active | draining ("active" where the earliest servers leave it out)
    active: int
    draining: int
    stale: int
    total: int
    selected: bool | None  # None: this server has no selector
    rolled_back: bool = False
    fingerprint_conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortTable:
    """`GET …/build-ids`. `last_heartbeat_ago` needs server time and is left to the adapter."""

    queue: QueueRef
    stale_after_s: float
    rows: tuple[CohortRow, ...]
    shows_selection: bool

    def row(self, cohort: CohortRef) -> CohortRow | None:
        return next((row for row in self.rows if row.cohort == cohort), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    task_id: str
    task_type: str
    workflow_id: str
    worker_id: str
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Poller:
    worker_id: str
    build_id: str | None
    status: str
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDetail:
    """`GET /api/task-queues/{q}`. `leases_cut_off`: the server lists at most fifty."""

    queue: QueueRef
    ready_workflow_tasks: int
    ready_activity_tasks: int
    leased_tasks: int
    leases: tuple[Lease, ...]
    leases_cut_off: bool
    pollers: tuple[Poller, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A registration. `free_slots`: all task slots are free; None where slots are not shown."""

    worker_id: str
    build_id: str | None
    task_queue: str
    status: str
    sdk_version: str | None
    free_slots: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetMember:
    worker_id: str
    supported: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorMetrics:
    """`GET /api/system/operator-metrics` (admin). Leaves dotted; null leaves are None, absent absent."""

    values: Mapping[str, float | None]
    required_marker: str | None
    fleet: tuple[FleetMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One run. `status` as the server spells it: completed, failed, running, …"""

    workflow_id: str
    run_id: str
    status: str
    terminal: bool
    pin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """Start one run. The workflow id is the idempotency key: sent again, the active run answers."""

    queue: QueueRef
    workflow_type: str
    workflow_id: str
    run_timeout_s: int
    build_id: str | None  # None: the server's routing decides
    node: str | None  # None: through the target's own address


class EngineReader(Protocol):
    """What any rollout may ask. `node=None` asks through the target's load-balanced address."""

    def readiness(self, node: str | None) -> Readiness: ...

    def cluster_info(self, node: str | None) -> ClusterInfo: ...

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable: ...

    def queue(self, queue: QueueRef) -> QueueDetail: ...

    def queues(self, namespace: str) -> tuple[str, ...]:
        """Names of the namespace's task queues with workers, backlog or leases."""
        ...

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]: ...

    def namespaces(self) -> tuple[str, ...]: ...

    def operator_metrics(self, namespace: str, node: str | None = None) -> OperatorMetrics:
        """Needs the admin token: Refused (AUTH) without one."""
        ...

    def has_admin(self) -> bool:
        """Whether an admin credential was given; what needs one is else "not read"."""
        ...

    def open_runs(self, namespace: str) -> OpenRuns:
        """A fresh listing with the pins known so far; at most 2,000 new describes per queue and look."""
        ...

    def run(self, namespace: str, workflow_id: str) -> RunStatus | None:
        """None: no such workflow."""
        ...

    def marker_attribute(self) -> str:
        """The environment variable that gives an API node its marker, as the driver's spec spells it."""
        ...


class Engine(EngineReader, Protocol):
    """The writes. Each is sent once; a lost answer raises Unavailable, and the caller looks."""

    def drain(self, cohort: CohortRef) -> None: ...

    def resume(self, cohort: CohortRef) -> None: ...

    def promote(self, cohort: CohortRef) -> None:
        """Raises NotYet while no compatibility heartbeat of the build is there."""
        ...

    def start(self, request: StartRequest) -> None: ...

    def terminate(self, namespace: str, workflow_id: str) -> None: ...
