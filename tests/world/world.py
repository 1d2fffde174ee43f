"""A whole fleet in one process: the product's own executor, engine adapter and JSON over the emulator.

Only clock, exchange, infrastructure and journal are other ones. `World.apply()` runs a plan until it is
over, held or interrupted; time passes only where somebody sleeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rollout_kit.document.plan import PlanDocument
from rollout_kit.document.read import read_plan
from rollout_kit.document.substitute import Purpose
from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model import ledger, passes, repair
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.wire import Request as ServerRequest
from rollout_kit.emulator.wire import Response as ServerResponse
from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.execution.executor import End, Executor, Shell
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.memory_journal import MemoryJournal
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import Attached, Event, RolloutStarted
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.state import RolloutState
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.planning.scope import scope_of
from rollout_kit.ports.approvals import PersonRecord
from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.ports.infra import CohortSpec, ProcessSpec
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.secret import Secret
from tests.world.clock import VirtualClock
from tests.world.fleet import MemoryFleet, ServerImage
from tests.world.workers import Worker

PLANS = Path(__file__).parents[2] / "pipelines" / "plans"
FROM, TO = (
    {Generation.V2: "2.3.14", Generation.V0_2: "0.2.9"},
    {
        Generation.V2: "2.4.0",
        Generation.V0_2: "0.2.10",
    },
)
QUEUES = ("orders", "billing")
OLD, NEW = "build-1", "build-2"
ENVIRONMENT = {
    "DURABLE_WORKFLOW_SERVER_URL": "http://front",
    "DW_OPERATOR_TOKEN": "operator-token",
    "DW_ADMIN_TOKEN": "admin-token",
    "DW_API_1_URL": "http://api-1",
    "DW_API_2_URL": "http://api-2",
    "DW_API_3_URL": "http://api-3",
}


class People:
    """What people left beside the journal."""

    def __init__(self) -> None:
        self.records: tuple[PersonRecord, ...] = ()

    def read(self) -> tuple[PersonRecord, ...]:
        return self.records


class World:
    """Three nodes, a scheduler, two queues with two old workers each, and a little load.

    `workers`: how many old workers each queue has. `scheduled`: whether a scheduler runs.
    `calm`: its workers live once a second instead of twice.
    """

    def __init__(
        self,
        generation: Generation = Generation.V2,
        *,
        nodes: int = 3,
        queues: tuple[str, ...] = QUEUES,
        workers: int = 2,
        load: bool = True,
        scheduled: bool = True,
        calm: bool = False,
    ) -> None:
        self.generation = generation
        self.queues = queues
        self.workers = workers
        self.scheduled = scheduled
        self.calm = calm
        self._lived_at_s = 0.0
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.images = {
            "server:old": ServerImage(version=FROM[generation]),
            "server:new": ServerImage(version=TO[generation]),
        }
        self.fleet = MemoryFleet(self.clock, self.store, generation, self.images)
        self.fleet.worker_images |= {"orders:old", "orders:new"}
        self.journal = JournalStore()
        self.people = People()
        self.before_request: Callable[[Request], None] = lambda _: None
        self.after_request: Callable[[Request], None] = lambda _: None
        self.answer: Callable[[Request, Response], Response] = lambda _, response: response
        self.load = load
        self.admin = True
        """Whether the product is given the admin token."""
        self.started: list[str] = []
        self.rollouts = 0
        self._started_at_s = 0.0
        self._ticked_at_s = 0.0
        self._bring_up(nodes)

    # --- the fleet --------------------------------------------------------------------------

    def _bring_up(self, nodes: int) -> None:
        with self.store.write() as rows:
            now_us = to_us(self.clock.now())
            ledger.bootstrap(rows, FROM[self.generation], "default", now_us)
        marker = OLD if self.generation is Generation.V0_2 and self.queues else None
        for number in range(1, nodes + 1):
            name = f"api-{number}"
            self.fleet.start_node(
                name,
                ProcessSpec(
                    image="server:old",
                    marker=marker,
                    server_id=name,
                    environment={"DW_V2_MULTI_NODE": "true"},
                ),
            )
            self.fleet.nodes[name].up_at_s = 0.0
        if self.scheduled:
            self.fleet.scheduler = ProcessSpec(
                image="server:old", marker=marker, environment={"SCHEDULER_TICK_SECONDS": "1"}
            )
        for queue in self.queues:
            spec = CohortSpec(image="orders:old", replicas=self.workers)
            self.fleet.start_cohort(cohort(queue, OLD), spec)
        self.clock.live = self._live
        self.clock.sleep(3.0)
        if self.generation is Generation.V2:
            for queue in self.queues:
                self.control(
                    "POST", f"/api/task-queues/{queue}/build-ids/promote", {"build_id": OLD}
                )
        self.clock.sleep(3.0)

    def _live(self) -> None:
        if not self.calm or self.clock.elapsed_s - self._lived_at_s >= 1.0:
            self._lived_at_s = self.clock.elapsed_s
            self.fleet.live()
        if self.clock.elapsed_s - self._ticked_at_s >= 1.0:
            self._ticked_at_s = self.clock.elapsed_s
            self._tick()
        if self.load and self.clock.elapsed_s - self._started_at_s >= 2.0:
            self._started_at_s = self.clock.elapsed_s
            kind = "long" if len(self.started) % 4 == 3 else "short"
            queue = self.queues[len(self.started) % len(self.queues)]
            self.start(f"load-{len(self.started)}", kind, queue)

    def _tick(self) -> None:
        """A second of scheduler and maintenance."""
        now_us = to_us(self.clock.now())
        with self.store.write() as rows:
            repair.fire_timers(rows, now_us)
            if self.fleet.scheduler is not None:
                spec = self.fleet.scheduler
                settings = ServerSettings(
                    generation=self.generation,
                    version=self.images[spec.image].version,
                    marker=spec.marker,
                )
                passes.scheduler_tick(rows, settings, process=spec.image, now_us=now_us)

    def team(self, namespace: str, queue: str, build: str | None) -> Worker:
        """Another team's namespace, with a worker of theirs on this queue."""
        self.control("POST", "/api/namespaces", {"name": namespace})
        worker = Worker(
            worker_id=f"{namespace}:{queue}",
            namespace=namespace,
            task_queue=queue,
            build_id=build,
            token="worker-token",
            protocol="1.0" if self.generation is Generation.V0_2 else "1.19",
            beats=self.generation is Generation.V2,
        )
        self.fleet.strangers.append(worker)
        self.clock.sleep(2.0)
        return worker

    def start(
        self, workflow_id: str, workflow_type: str, queue: str, *, namespace: str = "default"
    ) -> None:
        body = {
            "workflow_type": workflow_type,
            "workflow_id": workflow_id,
            "task_queue": queue,
            "duplicate_policy": "use-existing",
        }
        answer = self.control("POST", "/api/workflows", body, namespace=namespace)
        if answer is not None and answer.status in (200, 201) and namespace == "default":
            self.started.append(workflow_id)

    def control(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        namespace: str = "default",
    ) -> ServerResponse | None:
        """A call through the front with the admin token."""
        return self.fleet.front(
            ServerRequest(
                method=method,
                path=path.split("?", maxsplit=1)[0],
                raw_path=path,
                query=dict(p.split("=") for p in path.partition("?")[2].split("&") if p),
                headers=_headers("admin-token") | {"x-namespace": namespace},
                body=json.dumps(body).encode() if body is not None else b"",
            )
        )

    def cohorts(self, queue: str) -> dict[str | None, dict[str, object]]:
        """Rows of the queue's build ids, by build."""
        answer = self.control("GET", f"/api/task-queues/{queue}/build-ids")
        assert answer is not None
        rows = json.loads(answer.payload)["build_ids"]
        return {row["build_id"]: row for row in rows}

    def lost(self) -> list[str]:
        """Started runs that are neither completed nor claimable by a live cohort."""
        found = []
        for workflow_id in self.started:
            answer = self.control("GET", f"/api/workflows/{workflow_id}")
            assert answer is not None
            run = json.loads(answer.payload)
            served = {ref.build_id for ref, c in self.fleet.cohorts.items() if c.workers}
            if run["status"] != "completed" and (
                run["is_terminal"] or run["compatibility"] not in served
            ):
                found.append(f"{workflow_id}: {run['status']} pinned to {run['compatibility']}")
        return found

    # --- the product ------------------------------------------------------------------------

    def document(self, plan: str = "rolling-upgrade.yaml", **variables: str) -> PlanDocument:
        text = (PLANS / plan).read_text(encoding="utf-8")
        reading = read_plan(
            text,
            file=plan,
            variables=QUICK
            | {
                "server_from": FROM[self.generation],
                "server_to": TO[self.generation],
            }
            | variables,
            environment=ENVIRONMENT,
            purpose=Purpose.APPLY,
        )
        assert reading.document is not None, "\n".join(str(d) for d in reading.diagnostics)
        return reading.document

    def read(self, text: str) -> PlanDocument:
        reading = read_plan(
            text, file="plan.yaml", variables={}, environment=ENVIRONMENT, purpose=Purpose.APPLY
        )
        assert reading.document is not None, "\n".join(str(d) for d in reading.diagnostics)
        return reading.document

    def outside(self, document: PlanDocument) -> tuple[Readers, Writers]:
        client = JsonClient(
            exchange=self.exchange,
            flights=InlineFlights(),
            patience=Patience(
                monotonic_s=self.clock.monotonic_s, sleep=self.clock.sleep, jitter=lambda: 0.5
            ),
        )
        engine = DurableWorkflowEngine(
            url=document.target.url,
            nodes={node.name: node.url for node in document.target.nodes},
            operator=Secret("operator-token"),
            admin=Secret("admin-token") if self.admin else None,
            client=client,
            monotonic_s=self.clock.monotonic_s,
        )
        readers = Readers(
            engine=engine, infra=self.fleet, metrics=NoMetrics(), scope=scope_of(document)
        )
        return readers, Writers(engine=engine, infra=self.fleet)

    def preview(self, document: PlanDocument) -> Preview:
        readers, _ = self.outside(document)
        return preview(document, readers, self.clock.monotonic_s())

    def executor(self, document: PlanDocument, *events: Event, wait: bool = False) -> Executor:
        """Attach to the journal as it is; a fresh one is begun with this document's plan."""
        readers, writers = self.outside(document)
        lock = MemoryLock()
        journal = MemoryJournal(
            self.journal,
            clock=self.clock,
            actor="me",
            lock=lock,
            attendance=Attendance(self.clock),
        )
        shell = Shell(
            journal=journal,
            lock=lock,
            readers=readers,
            writers=writers,
            approvals=self.people,
            clock=self.clock,
            reporters=(),
            actor="me",
        )
        if not journal.read():
            found = preview(document, readers, self.clock.monotonic_s())
            assert not found.problems, "\n".join(f"{p.summary}: {p.detail}" for p in found.problems)
            assert found.execution_plan is not None
            self.rollouts += 1
            journal.append(
                RolloutStarted(
                    rollout=f"r-{self.rollouts}",
                    plan=document.name,
                    digest=document.digest,
                    document=document.canonical,
                    target=document.target.name,
                    execution_plan=found.execution_plan,
                    tool_version="test",
                )
            )
        journal.append(Attached(host="h", boot_id="b", pid_namespace="n", pid=1, command="apply"))
        for event in events:
            journal.append(event)
        return Executor(shell, wait_for_people=wait)

    def apply(self, document: PlanDocument, *events: Event) -> tuple[End, RolloutState]:
        executor = self.executor(document, *events)
        end = executor.run()
        return end, executor.state

    def exchange(self, request: Request) -> Response:
        """The network: by host name to a node, or through the front."""
        self.before_request(request)
        host, _, path = request.url.removeprefix("http://").partition("/")
        path = f"/{path}"
        bare, _, query = path.partition("?")
        sent = ServerRequest(
            method=request.method,
            path=_unquote(bare),
            raw_path=bare,
            query=dict(p.split("=", 1) for p in query.split("&") if p),
            headers={
                k.lower(): v.reveal() if isinstance(v, Secret) else v
                for k, v in request.headers.items()
            },
            body=request.body,
        )
        answer = self.fleet.front(sent) if host == "front" else self.fleet.node(host, sent)
        if answer is None:
            raise Unavailable(f"{host} refused the connection", trouble=Trouble.NETWORK)
        self.after_request(request)
        response = Response(
            status=answer.status,
            headers={"content-type": answer.content_type}
            | {k.lower(): v for k, v in answer.headers},
            body=answer.payload,
        )
        return self.answer(request, response)


class NoMetrics:
    """Implements `ports.metrics.MetricsReader` for plans without HTTP gates."""

    def http_number(self, source: object) -> float:
        raise AssertionError(f"no plan here asks for {source}")


def cohort(queue: str, build: str | None) -> CohortRef:
    return CohortRef(namespace="default", task_queue=queue, build_id=build)


def _headers(token: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/json",
        "x-namespace": "default",
        "x-durable-workflow-control-plane-version": "2",
    }


def _unquote(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)


QUICK = {
    "server_image": "server:new",
    "worker_from": OLD,
    "worker_to": NEW,
    "worker_image": "orders:new",
    "replicas": "2",
    "target": "test",
    "namespace": "default",
    "workflows_queue": "orders",
    "activities_queue": "billing",
    "bake": "4s",
    "node_bake": "1s",
    "hold": "2s",
    "sample_every": "1s",
    "gate_within": "60s",
    "node_within": "60s",
    "canary_within": "120s",
    "drain_within": "300s",
    "smoke_count": "2",
    "open_runs_at_most": "50",
}
