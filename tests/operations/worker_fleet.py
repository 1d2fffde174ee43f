"""Workers, queues and runs in memory behind the ports; time is a number that tests move.

It behaves as the two generations do: with a selector a draining worker's rows flip at once and polls are
refused; without one drain is a label. A stopped worker's row stays until it is stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.model import codec
from rollout_kit.model.execution_plan import Scope, ServedPin
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    LeftRunning,
    Operation,
    RollbackPolicy,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import OpenRun, OpenRuns, ProgramEnd
from rollout_kit.operations.api import Context, OperationKind, Readers, Seen, Writers
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortRow,
    CohortTable,
    Lease,
    Poller,
    QueueDetail,
    Readiness,
    RunStatus,
    StartRequest,
    WorkerRow,
)
from rollout_kit.ports.errors import NotYet, OutsideError
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
    RemoveCohort,
    SetCohort,
)

ORDERS = QueueRef(namespace="orders", task_queue="critical")
MAIL = QueueRef(namespace="orders", task_queue="mail")
STALE_S = 4.0
POLL_S = 2.0


def at(build: str | None, queue: QueueRef = ORDERS) -> CohortRef:
    return CohortRef(namespace=queue.namespace, task_queue=queue.task_queue, build_id=build)


OLD, NEW = at("old"), at("new")


@dataclass
class FakeWorker:
    worker_id: str
    cohort: CohortRef
    beat_s: float
    alive: bool = True


@dataclass
class Record:
    intent: str = "active"
    promoted: int = 0
    rolled_back: bool = False


@dataclass(kw_only=True)
class WorkerFleet:
    """The whole world; its engine and infra halves are the same object."""

    selector: bool = True
    beats: bool = True
    now_s: float = 100.0
    records: dict[CohortRef, Record] = field(default_factory=dict)
    registrations: list[FakeWorker] = field(default_factory=list)
    specs: dict[CohortRef, CohortSpec] = field(default_factory=dict)
    leases: dict[str, str] = field(default_factory=dict)  # task id -> worker id
    leases_cut_off: bool = False
    slots_shown: bool = False
    runs: dict[str, OpenRun] = field(default_factory=dict)  # run id -> open run
    closed: dict[str, str] = field(default_factory=dict)  # workflow id -> status
    undescribed: bool = False
    markers: dict[str, str | None] = field(default_factory=dict)
    attached: dict[str, bool] = field(default_factory=dict)
    scheduler_marker: str | None = None
    ready_tasks: int = 0
    conflicts: tuple[str, ...] = ()
    other_namespaces: tuple[str, ...] = ()
    fails: OutsideError | None = None  # every read of the engine
    driver_fails: OutsideError | None = None
    can: frozenset[Answers] = frozenset(Answers)
    ends: dict[str, ProgramEnd] = field(default_factory=dict)  # resource -> what ended by itself
    jobs: dict[str, JobStatus] = field(default_factory=dict)
    crash_loop: bool = False  # what is started dies at once
    smoke_ends: str = ""  # status to which started runs come at once; "": they stay open
    compatibility_beats: bool = True
    wrote: list[str] = field(default_factory=list)
    serves: tuple[ServedPin, ...] = ()
    independent: tuple[QueueRef, ...] = ()
    serial: int = 0

    # ---- building

    def deploy(self, cohort: CohortRef, workers: int = 2, image: str = "") -> WorkerFleet:
        """Set up: the cohort runs."""
        image = image or f"app:{cohort.build_id}"
        self.specs[cohort] = CohortSpec(image=image, replicas=workers)
        self._converge(cohort)
        return self

    def select(self, cohort: CohortRef) -> WorkerFleet:
        record = self._record(cohort)
        record.promoted = 1 + max(item.promoted for item in self.records.values())
        return self

    def drained(self, cohort: CohortRef) -> WorkerFleet:
        self._record(cohort).intent = "draining"
        return self

    def run_open(
        self, workflow: str, pin: str | None, queue: QueueRef = ORDERS, run_id: str = ""
    ) -> WorkerFleet:
        run_id = run_id or f"{workflow}/1"
        self.runs[run_id] = OpenRun(
            namespace=queue.namespace,
            workflow_id=workflow,
            run_id=run_id,
            task_queue=queue.task_queue,
            workflow_type="order",
            pin=pin,
            described=True,
        )
        return self

    def lease(self, cohort: CohortRef, count: int = 1) -> WorkerFleet:
        worker = next(w for w in self.registrations if w.cohort == cohort)
        self.leases |= {f"{worker.worker_id}/{n}": worker.worker_id for n in range(count)}
        return self

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    def kill(self, cohort: CohortRef) -> None:
        """Its processes die; their registrations stay until they are stale."""
        for worker in self.registrations:
            if worker.cohort == cohort and worker.alive:
                self._beat(worker)
                worker.alive = False

    # ---- engine

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable:
        self._answer()
        found = [c for c in self.records if c.queue == queue]
        rows = tuple(self._row(cohort) for cohort in found)
        return CohortTable(
            queue=queue,
            stale_after_s=STALE_S,
            rows=rows,
            shows_selection=self.selector and bool(rows),
        )

    def queue(self, queue: QueueRef) -> QueueDetail:
        self._answer()
        here = [w for w in self.registrations if w.cohort.queue == queue]
        ids = {w.worker_id for w in here}
        leases = tuple(
            Lease(task_id=task, task_type="workflow", workflow_id="w", worker_id=who, expired=False)
            for task, who in self.leases.items()
            if who in ids or who.startswith("stranger")
        )
        pollers = tuple(
            Poller(
                worker_id=w.worker_id,
                build_id=w.cohort.build_id,
                status=self._status(w),
                stale=self._status(w) == "stale",
            )
            for w in here
        )
        return QueueDetail(
            queue=queue,
            ready_workflow_tasks=self.ready_tasks,
            ready_activity_tasks=0,
            leased_tasks=len(leases),
            leases=leases[:50],
            leases_cut_off=self.leases_cut_off or len(leases) >= 50,
            pollers=pollers,
        )

    def queues(self, namespace: str) -> tuple[str, ...]:
        self._answer()
        return tuple(dict.fromkeys(c.task_queue for c in self.records if c.namespace == namespace))

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]:
        self._answer()
        busy = set(self.leases.values())
        return tuple(
            WorkerRow(
                worker_id=w.worker_id,
                build_id=w.cohort.build_id,
                task_queue=w.cohort.task_queue,
                status=self._status(w),
                sdk_version=None,
                free_slots=(w.worker_id not in busy) if self.slots_shown else None,
            )
            for w in self.registrations
            if w.cohort.queue == queue
        )

    def namespaces(self) -> tuple[str, ...]:
        self._answer()
        return ("orders", *self.other_namespaces)

    def has_admin(self) -> bool:
        return False

    def cluster_info(self, node: str | None) -> ClusterInfo:
        self._answer()
        return ClusterInfo(
            server_id=node or "any",
            version="1",
            control_plane="2",
            worker_protocol="1.19",
            accepts_lower_minors=True,
            poll_timeout_s=POLL_S,
        )

    def readiness(self, node: str | None) -> Readiness:
        self._answer()
        return Readiness(ready=True, http_status=200)

    def open_runs(self, namespace: str) -> OpenRuns:
        self._answer()
        found = tuple(run for run in self.runs.values() if run.namespace == namespace)
        if self.undescribed:
            found = tuple(replace(run, described=False, pin=None) for run in found)
        return OpenRuns(
            namespace=namespace,
            runs=found,
            complete=not self.undescribed,
            listed_at_s=self.now_s,
            started_at_s=self.now_s,
        )

    def run(self, namespace: str, workflow_id: str) -> RunStatus | None:
        self._answer()
        for run in self.runs.values():
            if run.workflow_id == workflow_id:
                return RunStatus(
                    workflow_id=workflow_id,
                    run_id=run.run_id,
                    status="running",
                    terminal=False,
                    pin=run.pin,
                )
        if workflow_id in self.closed:
            status, _, pin = self.closed[workflow_id].partition("@")
            return RunStatus(
                workflow_id=workflow_id, run_id="1", status=status, terminal=True, pin=pin or None
            )
        return None

    def drain(self, cohort: CohortRef) -> None:
        self._wrote(f"drain {cohort.label}")
        self._record(cohort).intent = "draining"

    def resume(self, cohort: CohortRef) -> None:
        self._wrote(f"resume {cohort.label}")
        self._record(cohort).intent = "active"

    def promote(self, cohort: CohortRef) -> None:
        if not self.compatibility_beats:
            raise NotYet("no compatibility heartbeat yet")
        self._wrote(f"promote {cohort.label}")
        self.select(cohort)

    def start(self, request: StartRequest) -> None:
        self._wrote(f"start {request.workflow_id} at {request.node or 'front'}")
        assert request.workflow_id not in self.closed, "a closed run's id is never reused"
        pin = request.build_id if request.node is None else self.markers[request.node]
        self.run_open(request.workflow_id, pin, request.queue)
        if self.smoke_ends:
            self.close(request.workflow_id, self.smoke_ends)

    def close(self, workflow_id: str, status: str = "completed") -> None:
        for run_id, run in list(self.runs.items()):
            if run.workflow_id == workflow_id:
                del self.runs[run_id]
                self.closed[workflow_id] = f"{status}@{run.pin or ''}"

    def terminate(self, namespace: str, workflow_id: str) -> None:
        self._wrote(f"terminate {workflow_id}")
        self.close(workflow_id, "terminated")

    # ---- infra

    def answers(self) -> frozenset[Answers]:
        return self.can

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        self._drive()
        return dict(self.specs)

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        self._drive()
        alive = [w for w in self.registrations if w.cohort == cohort and w.alive]
        return tuple(LiveProcess(pid=n, worker_id=w.worker_id) for n, w in enumerate(alive))

    def ended(self, resource: str) -> ProgramEnd | None:
        return self.ends.get(resource)

    def node_spec(self, node: str) -> ProcessSpec:
        self._drive()
        return ProcessSpec(image="server:1", marker=self.markers[node])

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return (LiveProcess(pid=1),)

    def is_attached(self, node: str) -> bool:
        return self.attached.get(node, True)

    def connections(self, node: str) -> int | None:
        return 0

    def scheduler_spec(self) -> ProcessSpec | None:
        self._drive()
        if self.scheduler_marker is None:
            return None
        return ProcessSpec(image="server:1", marker=self.scheduler_marker)

    def work(self, key: str) -> JobStatus:
        return self.jobs.get(key, JobStatus(state=JobState.UNKNOWN))

    def begin(self, key: str, change: InfraChange) -> None:
        self.jobs[key] = JobStatus(state=JobState.SUCCEEDED)
        if isinstance(change, RemoveCohort):
            self._wrote(f"remove {change.cohort.label}")
            assert self.specs.pop(change.cohort).replicas == 0
            return
        assert isinstance(change, SetCohort)
        self._wrote(f"set {change.cohort.label} to {change.spec.replicas} of {change.spec.image}")
        self.specs[change.cohort] = change.spec
        self._converge(change.cohort)

    # ---- inside

    def _answer(self) -> None:
        if self.fails is not None:
            raise self.fails

    def _drive(self) -> None:
        if self.driver_fails is not None:
            raise self.driver_fails

    def _wrote(self, what: str) -> None:
        self._answer()
        self.wrote.append(what)

    def _record(self, cohort: CohortRef) -> Record:
        return self.records.setdefault(cohort, Record())

    def _converge(self, cohort: CohortRef) -> None:
        wanted = self.specs[cohort].replicas
        alive = [w for w in self.registrations if w.cohort == cohort and w.alive]
        for worker in alive[wanted:]:
            self._beat(worker)
            worker.alive = False
        for _ in range(wanted - len(alive)):
            if self.crash_loop:
                break
            self.serial += 1
            worker_id = f"{cohort.task_queue}:{cohort.build_id}:{self.serial}"
            self.registrations.append(
                FakeWorker(worker_id=worker_id, cohort=cohort, beat_s=self.now_s)
            )
            self._record(cohort)

    def _beat(self, worker: FakeWorker) -> None:
        if worker.alive and self.beats:
            worker.beat_s = self.now_s

    def _status(self, worker: FakeWorker) -> str:
        self._beat(worker)
        if self.now_s - worker.beat_s > STALE_S:
            return "stale"
        draining = self._record(worker.cohort).intent == "draining"
        flipped = self.selector or (self.beats and worker.alive)
        return "draining" if draining and flipped else "active"

    def _row(self, cohort: CohortRef) -> CohortRow:
        record = self.records[cohort]
        found = [self._status(w) for w in self.registrations if w.cohort == cohort]
        promoted = [
            (r.promoted, c)
            for c, r in self.records.items()
            if c.queue == cohort.queue and r.promoted and r.intent == "active"
        ]
        selected = bool(promoted) and max(promoted, key=lambda item: item[0])[1] == cohort
        return CohortRow(
            cohort=cohort,
            drain_intent=record.intent,
            active=found.count("active"),
            draining=found.count("draining"),
            stale=found.count("stale"),
            total=len(found),
            selected=selected if self.selector else None,
            rolled_back=record.rolled_back,
            fingerprint_conflicts=self.conflicts if cohort == NEW else (),
        )


class _Infra:
    """The driver's half, where `attached` is a question and not a table."""

    def __init__(self, fleet: WorkerFleet) -> None:
        self._fleet = fleet

    def attached(self, node: str) -> bool:
        return self._fleet.is_attached(node)

    def __getattr__(self, name: str) -> object:
        return getattr(self._fleet, name)


def scope_of(fleet: WorkerFleet) -> Scope:
    return Scope(
        target="t",
        namespace="orders",
        nodes=tuple(fleet.markers),
        namespaces=("orders",),
        queues=(ORDERS,),
        serves=fleet.serves,
        independent_queues=fleet.independent,
    )


def readers(fleet: WorkerFleet, key: str = "") -> Readers:
    return Readers(
        engine=fleet,  # type: ignore[arg-type]
        infra=_Infra(fleet),  # type: ignore[arg-type]
        metrics=None,  # type: ignore[arg-type]
        scope=scope_of(fleet),
        key=key,
    )


def operation(
    kind: str,
    arguments: object,
    *,
    id: str = "",  # noqa: A002 - as the operation calls it
    rollback: RollbackPolicy | None = None,
) -> Operation:
    return Operation(
        id=id or f"step/{kind}",
        kind=kind,
        step="step",
        arguments=codec.to_json(arguments),
        rollback=rollback or RollbackPolicy(),
    )


def kind_of(op: Operation) -> OperationKind:
    return KINDS[op.kind]


def key_of(op: Operation) -> str:
    return f"rollout/{op.id}/1"


def look(fleet: WorkerFleet, op: Operation) -> Seen:
    return kind_of(op).observe(op, readers(fleet, key_of(op)), fleet.now_s)


def change(fleet: WorkerFleet, op: Operation) -> ChangeKind:
    seen = look(fleet, op)
    return kind_of(op).preview(op, seen.observation, seen.situation).kind


def sentence(fleet: WorkerFleet, op: Operation) -> str:
    seen = look(fleet, op)
    return kind_of(op).preview(op, seen.observation, seen.situation).sentence


def context(
    fleet: WorkerFleet, op: Operation, *, since_s: float | None = None, **more: object
) -> Context:
    since = fleet.now_s if since_s is None else since_s
    return Context(now_s=fleet.now_s, since_s=since, key=key_of(op), **more)  # type: ignore[arg-type]


def ready(fleet: WorkerFleet, op: Operation, **more: object) -> Verification:
    return kind_of(op).ready_to_apply(op, look(fleet, op), context(fleet, op, **more))


def carry_out(
    fleet: WorkerFleet, op: Operation, *, for_s: float = 60.0, **more: object
) -> Verification:
    """Do with one operation what an executor does, in virtual time; what it came to."""
    kind, began_s, history = kind_of(op), fleet.now_s, []
    sent = False
    last: Verification = Waiting(retry_after_s=0.0, progress="not begun")
    while fleet.now_s - began_s <= for_s:
        seen = look(fleet, op)
        history.append(seen)
        ctx = context(fleet, op, since_s=began_s, **more)
        found = kind.preview(op, seen.observation, seen.situation)
        if found.kind is ChangeKind.UPDATE and not sent:
            last = kind.ready_to_apply(op, seen, ctx)
            if isinstance(last, Done):
                kind.apply(op, key_of(op), Writers(engine=fleet, infra=_Infra(fleet)))  # type: ignore[arg-type]
                sent = True
                history = []
                continue
        elif found.kind is ChangeKind.BLOCKED:
            raise AssertionError(f"{op.id} is blocked: {found.sentence}")
        else:
            last = kind.verify(op, history, ctx)
        if not isinstance(last, Waiting):
            return last
        fleet.pass_time(max(0.25, last.retry_after_s))
    return last


def undo_all(
    fleet: WorkerFleet, operations: tuple[Operation, ...], **more: object
) -> list[Verification]:
    """Carry out an undo list; it stops at the first thing that is not done."""
    found: list[Verification] = []
    for number, op in enumerate(operations, start=1):
        named = replace(op, id=f"undo/{op.id}/{number}")
        found.append(carry_out(fleet, named, undoing=True, **more))
        if isinstance(found[-1], LeftRunning | Waiting):
            break
    return found
