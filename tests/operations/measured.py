"""Ports for measuring: each answers from a table, and raises what the table holds as an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import HttpSource
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.situation import OpenRun, OpenRuns
from rollout_kit.operations.api import Readers
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortRow,
    CohortTable,
    EngineReader,
    OperatorMetrics,
    QueueDetail,
    Readiness,
    WorkerRow,
)
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraReader,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
)
from rollout_kit.ports.metrics import MetricsReader

T = TypeVar("T")
ORDERS = QueueRef(namespace="orders", task_queue="critical")
SCOPE = Scope(
    target="orders-prod",
    namespace="orders",
    nodes=("api-1", "api-2", "api-3"),
    namespaces=("orders",),
    queues=(ORDERS,),
)


def answered(value: T | Exception) -> T:
    if isinstance(value, Exception):
        raise value
    return value


def cohort(build: str | None, queue: QueueRef = ORDERS) -> CohortRef:
    return CohortRef(namespace=queue.namespace, task_queue=queue.task_queue, build_id=build)


def row(
    build: str | None,
    *,
    active: int = 2,
    draining: int = 0,
    stale: int = 0,
    selected: bool | None = None,
    queue: QueueRef = ORDERS,
) -> CohortRow:
    return CohortRow(
        cohort=cohort(build, queue),
        drain_intent="active",
        active=active,
        draining=draining,
        stale=stale,
        total=active + draining + stale,
        selected=selected,
    )


def run(name: str, pin: str | None, *, described: bool = True, queue: QueueRef = ORDERS) -> OpenRun:
    return OpenRun(
        namespace=queue.namespace,
        workflow_id=name,
        run_id=f"run-{name}",
        task_queue=queue.task_queue,
        workflow_type="order",
        pin=pin if described else None,
        described=described,
    )


def ready(*, failing: Mapping[str, str] | None = None) -> Readiness:
    return Readiness(
        ready=not failing, http_status=503 if failing else 200, failing=dict(failing or {})
    )


@dataclass
class TableEngine:
    """An engine whose answers are given; queues without rows are there and empty."""

    rows: dict[QueueRef, tuple[CohortRow, ...] | Exception] = field(default_factory=dict)
    runs: dict[str, tuple[OpenRun, ...] | Exception] = field(default_factory=dict)
    all_read: bool = True
    metrics: dict[str, Mapping[str, float | None] | Exception] = field(default_factory=dict)
    readiness_of: dict[str, Readiness | Exception] = field(default_factory=dict)
    admin: bool = True
    all_namespaces: tuple[str, ...] | Exception = ("orders",)
    markers: bool = False

    def readiness(self, node: str | None) -> Readiness:
        return answered(self.readiness_of.get(node or "", ready()))

    def cluster_info(self, node: str | None) -> ClusterInfo:
        return ClusterInfo(
            server_id=node or "front",
            version="2.0.0",
            control_plane="2",
            worker_protocol="1.19",
            accepts_lower_minors=True,
        )

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable:
        rows = answered(self.rows.get(queue, ()))
        return CohortTable(
            queue=queue, stale_after_s=30.0, rows=rows, shows_selection=not self.markers
        )

    def queue(self, queue: QueueRef) -> QueueDetail:
        return QueueDetail(
            queue=queue,
            ready_workflow_tasks=0,
            ready_activity_tasks=0,
            leased_tasks=0,
            leases=(),
            leases_cut_off=False,
            pollers=(),
        )

    def queues(self, namespace: str) -> tuple[str, ...]:
        return tuple(q.task_queue for q in self.rows if q.namespace == namespace)

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]:
        return ()

    def namespaces(self) -> tuple[str, ...]:
        return answered(self.all_namespaces)

    def operator_metrics(self, namespace: str, node: str | None = None) -> OperatorMetrics:
        return OperatorMetrics(values=answered(self.metrics[namespace]), required_marker=None)

    def has_admin(self) -> bool:
        return self.admin

    def open_runs(self, namespace: str) -> OpenRuns:
        runs = answered(self.runs.get(namespace, ()))
        return OpenRuns(namespace=namespace, runs=runs, complete=self.all_read, listed_at_s=1.0)


@dataclass
class TableInfra:
    """A driver that knows the nodes' membership and markers, and the work that it was given."""

    detached: frozenset[str] = frozenset()
    marker: str | None = None
    specs: dict[CohortRef, CohortSpec] = field(default_factory=dict)
    jobs: dict[str, JobStatus | Exception] = field(default_factory=dict)

    def answers(self) -> frozenset[Answers]:
        return frozenset(Answers)

    def attached(self, node: str) -> bool:
        return node not in self.detached

    def connections(self, node: str) -> int | None:
        return 0

    def node_spec(self, node: str) -> ProcessSpec:
        return ProcessSpec(image="server", marker=self.marker)

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return (LiveProcess(pid=1),)

    def scheduler_spec(self) -> ProcessSpec | None:
        return ProcessSpec(image="server", marker=self.marker)

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        return (LiveProcess(pid=2),)

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        return {}

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        return self.specs

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        found = self.specs.get(cohort)
        return tuple(LiveProcess(pid=n) for n in range(found.replicas if found else 0))

    def work(self, key: str) -> JobStatus:
        return answered(self.jobs.get(key, JobStatus(state=JobState.UNKNOWN)))


@dataclass
class TableNumbers:
    """`ports.metrics`, with one answer for everything."""

    number: float | Exception = 0.0

    def http_number(self, source: HttpSource) -> float:
        return answered(self.number)


def readers(
    engine: TableEngine | None = None,
    infra: TableInfra | None = None,
    numbers: TableNumbers | None = None,
    *,
    scope: Scope = SCOPE,
    key: str = "",
) -> Readers:
    return Readers(
        engine=cast("EngineReader", engine or TableEngine()),
        infra=cast("InfraReader", infra or TableInfra()),
        metrics=cast("MetricsReader", numbers or TableNumbers()),
        scope=scope,
        key=key,
    )
