"""One process of the tool inside a world: its clock, its lock, its journal, its way to the fleet."""

from __future__ import annotations

from dataclasses import dataclass, field

from rollout_kit.document.plan import ManualInfra, PlanDocument
from rollout_kit.drivers.manual.driver import ManualDriver
from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.execution.executor import Executor, Shell
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.model.events import Attached, Event, RolloutStarted
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.planning.scope import scope_of
from rollout_kit.ports.approvals import ApprovalReader
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import Infra
from rollout_kit.ports.journal import Journal
from rollout_kit.ports.lock import Lock
from rollout_kit.ports.metrics import MetricsReader
from rollout_kit.ports.reporter import Reporter
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Exchange
from rollout_kit.transport.secret import Secret

NOBODY = Attached(host="h", boot_id="b", pid_namespace="n", pid=1, command="apply")
TOOL_VERSION = "test"


class Blocked(ValueError):
    """A preview refuses the plan: `preview` says why."""

    def __init__(self, found: Preview) -> None:
        super().__init__("\n".join(f"{p.summary}: {p.detail}" for p in found.problems))
        self.preview = found


class NoMetrics:
    """Implements `ports.metrics.MetricsReader` for plans without HTTP gates."""

    def http_number(self, source: object) -> float:
        raise Refused(f"there is nothing behind {source} in this world")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What one process of the tool works with. `admin`: whether it was given the admin token."""

    clock: Clock
    lock: Lock
    journal: Journal
    exchange: Exchange
    infra: Infra
    approvals: ApprovalReader
    metrics: MetricsReader = field(default_factory=NoMetrics)
    reporters: tuple[Reporter, ...] = ()
    attached: Attached = NOBODY
    actor: str = "me"
    admin: bool = True

    def outside(self, document: PlanDocument) -> tuple[Readers, Writers]:
        """The product's own engine adapter and transport, without threads and sockets."""
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
        infra = self.infra
        if isinstance(document.infra, ManualInfra):
            infra = ManualDriver(engine, document)
        readers = Readers(
            engine=engine, infra=infra, metrics=self.metrics, scope=scope_of(document)
        )
        return readers, Writers(engine=engine, infra=infra)

    def executor(
        self, document: PlanDocument, *events: Event, rollout: str, wait: bool = False
    ) -> Executor:
        """Attach to the journal as it is; a fresh one is begun as `rollout` with this document's plan.

        Raises:
            Blocked: the plan is refused before the first write.
        """
        readers, writers = self.outside(document)
        if not self.journal.read():
            found = preview(document, readers, self.clock.monotonic_s())
            if found.problems or found.execution_plan is None:
                raise Blocked(found)
            started = RolloutStarted(
                rollout=rollout,
                plan=document.name,
                digest=document.digest,
                document=document.canonical,
                target=document.target.name,
                execution_plan=found.execution_plan,
                tool_version=TOOL_VERSION,
            )
            self.journal.append(started)
        self.journal.append(self.attached)
        for event in events:
            self.journal.append(event)
        shell = Shell(
            journal=self.journal,
            lock=self.lock,
            readers=readers,
            writers=writers,
            approvals=self.approvals,
            clock=self.clock,
            reporters=self.reporters,
            actor=self.actor,
        )
        return Executor(shell, wait_for_people=wait)
