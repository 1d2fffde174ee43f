"""A whole fleet in one process: the product's own executor, engine adapter and JSON over the emulator.

Only clock, exchange, infrastructure and journal are other ones. `World.apply()` runs a plan until it is
over, held or interrupted; time passes only where somebody sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Unpack
from urllib.parse import unquote

from rollout_kit.document.plan import PlanDocument
from rollout_kit.document.read import read_plan
from rollout_kit.document.substitute import Purpose
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.wire import Request as ServerRequest
from rollout_kit.execution.executor import End, Executor
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.memory_journal import MemoryJournal
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import Event
from rollout_kit.model.state import RolloutState
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.simulation.effects import Who
from rollout_kit.simulation.people import People
from rollout_kit.simulation.process import Process
from rollout_kit.simulation.site import FROM, NEW, OLD, QUEUES, TO, Shape, Site, cohort
from rollout_kit.transport.messages import Request, Response

__all__ = [
    "ENVIRONMENT",
    "FROM",
    "NEW",
    "OLD",
    "QUEUES",
    "QUICK",
    "TO",
    "UnusablePlan",
    "World",
    "cohort",
    "plans_folder",
]

ENVIRONMENT = {
    "DURABLE_WORKFLOW_SERVER_URL": "http://front",
    "DW_OPERATOR_TOKEN": "operator-token",
    "DW_ADMIN_TOKEN": "admin-token",
    "DW_API_1_URL": "http://api-1",
    "DW_API_2_URL": "http://api-2",
    "DW_API_3_URL": "http://api-3",
}
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
"""The shipped plans for a world: its names, and seconds where people write minutes."""


class UnusablePlan(ValueError):
    """The text is no plan that can be applied here; the message has every diagnostic."""


class World(Site):
    """A site with the product at work on it; see `Site` for what stands there.

    `before_request`, `after_request` and `answer` see what the product sends, as it goes over the
    network. `admin`: whether the product is given the admin token.
    """

    def __init__(self, generation: Generation = Generation.V2, **shape: Unpack[Shape]) -> None:
        self.journal = JournalStore()
        self.people = People()
        self.before_request: Callable[[Request], None] = lambda _: None
        self.after_request: Callable[[Request], None] = lambda _: None
        self.answer: Callable[[Request, Response], Response] = lambda _, response: response
        self.admin = True
        self.rollouts = 0
        super().__init__(generation, **shape)

    def document(self, plan: str = "rolling-upgrade.yaml", **variables: str) -> PlanDocument:
        """A shipped plan, made for this world."""
        versions = {"server_from": FROM[self.generation], "server_to": TO[self.generation]}
        text = (plans_folder() / plan).read_text(encoding="utf-8")
        return _usable(text, plan, QUICK | versions | variables)

    def read(self, text: str) -> PlanDocument:
        """This text as a plan. Raises `UnusablePlan`."""
        return _usable(text, "plan.yaml", {})

    def process(self) -> Process:
        """A fresh process of the tool, with nothing wrong with it."""
        lock = MemoryLock()
        journal = MemoryJournal(
            self.journal,
            clock=self.clock,
            actor="me",
            lock=lock,
            attendance=Attendance(self.clock),
        )
        return Process(
            clock=self.clock,
            lock=lock,
            journal=journal,
            exchange=self.exchange,
            infra=self.fleet,
            approvals=self.people,
            admin=self.admin,
        )

    def outside(self, document: PlanDocument) -> tuple[Readers, Writers]:
        return self.process().outside(document)

    def preview(self, document: PlanDocument) -> Preview:
        readers, _ = self.outside(document)
        return preview(document, readers, self.clock.monotonic_s())

    def executor(self, document: PlanDocument, *events: Event, wait: bool = False) -> Executor:
        """Attach to the journal as it is; a fresh one is begun with this document's plan."""
        if not self.journal.data:
            self.rollouts += 1
        rollout = f"r-{self.rollouts}"
        return self.process().executor(document, *events, rollout=rollout, wait=wait)

    def apply(self, document: PlanDocument, *events: Event) -> tuple[End, RolloutState]:
        executor = self.executor(document, *events)
        end = executor.run()
        return end, executor.state

    def exchange(self, request: Request) -> Response:
        """The network: by host name to a node, or through the front."""
        self.before_request(request)
        response = self.deliver(request)
        self.after_request(request)
        return self.answer(request, response)

    def deliver(self, request: Request) -> Response:
        """The request as it arrives. Raises `Unavailable` where nobody listens."""
        host, path, raw_path, query = _address(request.url)
        sent = ServerRequest(
            method=request.method,
            path=path,
            raw_path=raw_path,
            query=query,
            headers={
                k.lower(): v if isinstance(v, str) else v.reveal()
                for k, v in request.headers.items()
            },
            body=request.body,
        )
        if host == "front":
            answer = self.fleet.front(sent, Who.TOOL)
        else:
            answer = self.fleet.node(host, sent, Who.TOOL)
        if answer is None:
            raise Unavailable(f"{host} refused the connection", trouble=Trouble.NETWORK)
        headers = {"content-type": answer.content_type}
        for name, value in answer.headers:
            headers[name.lower()] = value
        return Response(status=answer.status, headers=headers, body=answer.payload)


@lru_cache(maxsize=4096)
def _address(url: str) -> tuple[str, str, str, dict[str, str]]:
    """Host, path, path as sent, query: the same few are asked for over and over."""
    host, _, rest = url.removeprefix("http://").partition("/")
    bare, _, query = f"/{rest}".partition("?")
    asked = dict(part.split("=", 1) for part in query.split("&") if part)
    return host, unquote(bare), bare, asked


def plans_folder() -> Path:
    """Where the shipped plans lie: in an installed package, or in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "plans"
    return installed if installed.is_dir() else package.parent / "pipelines" / "plans"


def _usable(text: str, file: str, variables: dict[str, str]) -> PlanDocument:
    reading = read_plan(
        text, file=file, variables=variables, environment=ENVIRONMENT, purpose=Purpose.APPLY
    )
    if reading.document is None:
        raise UnusablePlan("\n".join(str(found) for found in reading.diagnostics))
    return reading.document
