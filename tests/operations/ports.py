"""A fleet in memory behind the ports: what operation kinds are tested against, one change at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.model import codec
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import HttpSource
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.operation import Announcement, Change, Group, Operation, Verification
from rollout_kit.model.situation import OpenRuns, ProgramEnd
from rollout_kit.operations.api import Context, OperationKind, Readers, Seen, Writers
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortRow,
    CohortTable,
    OperatorMetrics,
    QueueDetail,
    Readiness,
    RunStatus,
    StartRequest,
    Topology,
    WorkerRow,
)
from rollout_kit.ports.errors import InFlight, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetMaintenance,
    SetScheduler,
)

OLD = "server:0.2.9"
NEW = "server:0.2.10"
VERSIONS = {OLD: "0.2.9", NEW: "0.2.10"}
ORDERS = QueueRef(namespace="default", task_queue="orders")
SILENT = Unavailable("connection refused")


@dataclass(kw_only=True)
class FakeNode:
    """One node: what the driver runs, and what it answers. `fails`: every call of it raises this."""

    spec: ProcessSpec
    ready: bool = True
    failing: dict[str, str] = field(default_factory=dict)
    version: str | None = None  # None: what its image is known to be
    server_id: str | None = None  # None: its name
    marker: str | None = None  # as it says; None: as its spec says
    control_plane: str = "2"
    worker_protocol: str = "1.19"
    topology: Topology | None = None
    provenance: str | None = None
    attached: bool = True
    connections: int | None = 0
    processes: int = 1
    fails: OutsideError | None = None
    builds: tuple[str, ...] = ("old",)


@dataclass(kw_only=True)
class Fleet:
    """The whole world; its engine and infra halves are the same object. Jobs end as `job_ends` says."""

    nodes: dict[str, FakeNode]
    scheduler: ProcessSpec | None = None
    scheduler_alive: int | None = 0  # None: its processes cannot be counted now
    maintenance: dict[str, ProcessSpec] = field(default_factory=dict)
    maintenance_alive: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    job_ends: dict[str, JobStatus] = field(default_factory=dict)  # job name -> what it comes to
    cohort_replicas: dict[CohortRef, int] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    admin: bool = True
    can: frozenset[Answers] = frozenset(Answers)
    ends: dict[str, ProgramEnd] = field(default_factory=dict)  # resource -> what ended by itself
    driver_fails: OutsideError | None = None
    begun: list[tuple[str, InfraChange]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    poll_timeout_s: float = 2.0
    target_answers: str | None = None  # the node behind the target's address; None: the first

    # ---- engine

    def _node(self, node: str | None) -> FakeNode:
        found = self.nodes[node or next(iter(self.nodes))]
        if found.fails is not None:
            raise found.fails
        return found

    def readiness(self, node: str | None) -> Readiness:
        self.asked.append(f"readiness {node}")
        found = self._node(node)
        status = 200 if found.ready else 503
        return Readiness(ready=found.ready, http_status=status, failing=found.failing)

    def cluster_info(self, node: str | None) -> ClusterInfo:
        self.asked.append(f"info {node}")
        node = node or self.target_answers
        found = self._node(node)
        return ClusterInfo(
            server_id=found.server_id or node or "",
            version=found.version or VERSIONS.get(found.spec.image, "unknown"),
            control_plane=found.control_plane,
            worker_protocol=found.worker_protocol,
            accepts_lower_minors=True,
            topology=found.topology,
            provenance=found.provenance,
            poll_timeout_s=self.poll_timeout_s,
        )

    def operator_metrics(self, namespace: str, node: str | None = None) -> OperatorMetrics:
        self.asked.append(f"metrics {node}")
        if not self.admin:
            raise Refused("403", trouble=Trouble.AUTH)
        found = self._node(node)
        marker = found.marker if found.marker is not None else found.spec.marker
        return OperatorMetrics(values=dict(self.metrics), required_marker=marker)

    def has_admin(self) -> bool:
        return self.admin

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable:
        found = self._node(node)
        rows = tuple(
            CohortRow(
                cohort=CohortRef(
                    namespace=queue.namespace, task_queue=queue.task_queue, build_id=build
                ),
                drain_intent="active",
                active=1,
                draining=0,
                stale=0,
                total=1,
                selected=None,
            )
            for build in found.builds
        )
        return CohortTable(queue=queue, stale_after_s=4.0, rows=rows, shows_selection=False)

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
        return (ORDERS.task_queue,)

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]:
        return ()

    def namespaces(self) -> tuple[str, ...]:
        return ("default",)

    def open_runs(self, namespace: str) -> OpenRuns:
        return OpenRuns(namespace=namespace, runs=(), complete=True, listed_at_s=0.0)

    def run(self, namespace: str, workflow_id: str) -> RunStatus | None:
        return None

    def marker_attribute(self) -> str:
        return "DW_V2_CURRENT_COMPATIBILITY"

    def drain(self, cohort: CohortRef) -> None:
        raise AssertionError("no operation on nodes drains")

    resume = promote = drain

    def start(self, request: StartRequest) -> None:
        raise AssertionError("no operation on nodes starts runs")

    def terminate(self, namespace: str, workflow_id: str) -> None:
        raise AssertionError("no operation on nodes ends runs")

    # ---- infra

    def _driver(self) -> None:
        if self.driver_fails is not None:
            raise self.driver_fails

    def answers(self) -> frozenset[Answers]:
        return self.can

    def node_spec(self, node: str) -> ProcessSpec:
        self._driver()
        return self.nodes[node].spec

    def attached(self, node: str) -> bool:
        self._driver()
        return self.nodes[node].attached

    def connections(self, node: str) -> int | None:
        self._driver()
        return self.nodes[node].connections

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        self._driver()
        return _processes(self.nodes[node].processes)

    def scheduler_spec(self) -> ProcessSpec | None:
        self._driver()
        return self.scheduler

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        self._driver()
        if self.scheduler_alive is None:
            raise SILENT
        return _processes(self.scheduler_alive)

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        self._driver()
        return dict(self.maintenance)

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        self._driver()
        return _processes(self.maintenance_alive.get(name, 1))

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        return {
            cohort: CohortSpec(image="worker", replicas=count)
            for cohort, count in self.cohort_replicas.items()
        }

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        return _processes(self.cohort_replicas.get(cohort, 0))

    def ended(self, resource: str) -> ProgramEnd | None:
        return self.ends.get(resource)

    def knows_image(self, image: str) -> bool:
        return image in VERSIONS

    def work(self, key: str) -> JobStatus:
        self._driver()
        return self.jobs.get(key, JobStatus(state=JobState.UNKNOWN))

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        return ()

    def begin(self, key: str, change: InfraChange) -> None:
        self._driver()
        self.begun.append((key, change))
        self.jobs[key] = JobStatus(state=JobState.SUCCEEDED)
        match change:
            case SetAttached():
                self.nodes[change.node].attached = change.attached
            case ReplaceNode():
                self.nodes[change.node].spec = change.spec
            case SetScheduler():
                self.scheduler = change.spec
                self.scheduler_alive = 0 if change.spec is None else 1
            case SetMaintenance():
                self.maintenance[change.name] = change.spec
            case RunJob():
                self.jobs[key] = self.job_ends.get(change.job, JobStatus(state=JobState.RUNNING))
            case _:
                raise AssertionError(f"no operation on nodes begins {change}")

    def stop(self, key: str) -> None:
        raise AssertionError("no operation on nodes stops work")

    # ---- what kinds are given

    def http_number(self, source: HttpSource) -> float:
        raise AssertionError("no operation on nodes asks elsewhere")

    def readers(self, key: str = "") -> Readers:
        scope = Scope(
            target="prod",
            namespace="default",
            nodes=tuple(self.nodes),
            namespaces=("default",),
            queues=(ORDERS,),
            revision="0.2.10",
        )
        return Readers(engine=self, infra=self, metrics=self, scope=scope, key=key)

    def writers(self) -> Writers:
        return Writers(engine=self, infra=self)


def fleet(*names: str, **settings: object) -> Fleet:
    """Nodes of the old version, attached and ready; api-1 to api-3 unless named."""
    names = names or ("api-1", "api-2", "api-3")
    nodes = {name: FakeNode(spec=ProcessSpec(image=OLD, server_id=name)) for name in names}
    return replace(Fleet(nodes=nodes), **settings)  # type: ignore[arg-type]


def operation(
    kind: str, arguments: object, *, goal: Mapping[str, object] | None = None
) -> Operation:
    group = Group(id="api/api-1", goal=dict(goal)) if goal is not None else None  # type: ignore[arg-type]
    return Operation(
        id=f"api/{kind}", kind=kind, step="api", arguments=codec.to_json(arguments), group=group
    )


def context(now_s: float = 0.0, since_s: float = 0.0, *, undoing: bool = False) -> Context:
    return Context(now_s=now_s, since_s=since_s, key="r/op/1", undoing=undoing)


@dataclass(kw_only=True)
class Run:
    """One operation on a fleet, look by look, as an executor takes it."""

    fleet: Fleet
    op: Operation
    now_s: float = 0.0
    undoing: bool = False
    history: list[Seen] = field(default_factory=list)

    KEY = "r/op/1"

    @property
    def kind(self) -> OperationKind:
        return KINDS[self.op.kind]

    def context(self) -> Context:
        return context(self.now_s, undoing=self.undoing)

    def look(self, at_s: float | None = None) -> Seen:
        self.now_s = self.now_s if at_s is None else at_s
        self.history.append(self.kind.observe(self.op, self.fleet.readers(self.KEY), self.now_s))
        return self.history[-1]

    def preview(self) -> Change:
        seen = self.look()
        return self.kind.preview(self.op, seen.observation, seen.situation)

    def ready(self) -> Verification:
        return self.kind.ready_to_apply(self.op, self.look(), self.context())

    def apply(self) -> None:
        self.kind.apply(self.op, self.KEY, self.fleet.writers())
        self.history.clear()

    def verify(self, at_s: float | None = None) -> Verification:
        self.look(at_s)
        return self.kind.verify(self.op, self.history, self.context())

    def undo(self) -> tuple[Operation, ...]:
        """What restores the fleet as it is now."""
        undo = self.kind.compensate(self.op, self.look().facts)
        return getattr(undo, "restore", ())


def run_to_end(
    fleet: Fleet, op: Operation, *, undoing: bool = False, looks: int = 50
) -> Verification:
    """Carry one operation out as an executor would, a second a look; the last thing it said."""
    run = Run(fleet=fleet, op=op, undoing=undoing)
    if run.preview().kind == "update":
        said = run.ready()
        if type(said).__name__ != "Done":
            return said
        run.apply()
    for _ in range(looks):
        run.now_s += 1.0
        said = run.verify()
        if type(said).__name__ != "Waiting":
            return said
    return said


def pending() -> InFlight:
    return InFlight("still being asked")


def _processes(count: int) -> tuple[LiveProcess, ...]:
    return tuple(LiveProcess(pid=1000 + n) for n in range(count))
