"""Fleets as the planner sees them: facts and numbers of both generations, changed in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.document.plan import PlanDocument
from rollout_kit.model.capability import Capability
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import (
    BOOTSTRAP_REVISION,
    SCHEDULER_RUNNING,
    FactValue,
    Observation,
    capability_fact,
    cohort_fact,
    node_fact,
)
from rollout_kit.model.situation import (
    CohortNumbers,
    NodeNumbers,
    OpenRun,
    OpenRuns,
    QueueNumbers,
    Situation,
)
from rollout_kit.operations.queues import queue_fact
from rollout_kit.operations.specs import spec_facts
from rollout_kit.planning.planner import Planning, plan
from rollout_kit.ports.infra import ProcessSpec
from tests.document.plans import ENVIRONMENT, changed, read

OLD, NEW = "server-old", "server-new"
VERSIONS = {OLD: "0.2.9", NEW: "0.2.10", "server-older": "0.1.7"}
FLEET_ENVIRONMENT = {"DW_V2_MULTI_NODE": "true", "DB_HOST": "db", "CACHE_STORE": "redis"}
SELECTOR = frozenset(
    {
        Capability.PROMOTE,
        Capability.DRAIN_REFUSES_POLLS,
        Capability.PINNED_START,
        Capability.TOPOLOGY,
    }
)
MARKER = frozenset({Capability.MARKER_ROUTING})


@dataclass(frozen=True, kw_only=True)
class Workers:
    """One cohort: what is desired, what is there."""

    replicas: int = 6
    image: str = "workers-1"
    active: int | None = None
    """None: as many as are desired."""
    selected: bool | None = None
    drain_intent: str = "active"
    conflicts: tuple[str, ...] = ()

    @property
    def live(self) -> int:
        return self.replicas if self.active is None else self.active


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everything of the old version, with workers of build-1 at work: what most plans start from."""

    capabilities: frozenset[Capability] = SELECTOR
    images: Mapping[str, str] = field(default_factory=lambda: {"api-1": OLD, "api-2": OLD})
    markers: Mapping[str, str | None] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    topology: str = "standalone_server/server_http_node/api_ingress/"
    scheduler: str = OLD
    heartbeats: bool = True
    revision: str | None = "0.2.9"
    cohorts: Mapping[CohortRef, Workers] = field(default_factory=dict)
    runs: tuple[OpenRun, ...] = ()
    more: Mapping[str, FactValue] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def observation(self) -> Observation:
        facts: dict[str, FactValue] = {BOOTSTRAP_REVISION: self.revision}
        facts["bootstrap/ran"] = self.revision
        for name, image in self.images.items():
            facts |= self._node(name, image)
        spec = ProcessSpec(image=self.scheduler, marker=self.markers.get("scheduler"))
        facts |= spec_facts(lambda attribute: f"scheduler/{attribute}", spec)
        facts[SCHEDULER_RUNNING] = True
        for cohort, workers in self.cohorts.items():
            facts[queue_fact(cohort.queue)] = True
            facts[cohort_fact(cohort, "drain_intent")] = workers.drain_intent
            facts[cohort_fact(cohort, "selected")] = workers.selected
            facts[cohort_fact(cohort, "image")] = workers.image if workers.replicas else None
            facts[cohort_fact(cohort, "replicas")] = workers.replicas
        for capability in Capability:
            facts[capability_fact(capability)] = capability in self.capabilities
        return Observation(facts={**facts, **self.more})

    def _node(self, name: str, image: str) -> dict[str, FactValue]:
        spec = ProcessSpec(
            image=image,
            marker=self.markers.get(name),
            environment=self.environments.get(name, FLEET_ENVIRONMENT),
        )
        newer = Capability.TOPOLOGY in self.capabilities
        shown: dict[str, FactValue] = {
            "version": VERSIONS[image],
            "control_plane": "2",
            "worker_protocol": "1.19" if newer else "1.0",
            "accepts_lower_minors": newer,
            "topology": self.topology if newer else None,
            "attached": True,
            "server_id": None,
            "provenance": None,
            "ref": None,
            "poll_timeout_s": 30.0,
        }
        facts = {node_fact(name, attribute): value for attribute, value in shown.items()}
        return facts | spec_facts(lambda attribute: node_fact(name, attribute), spec)

    @property
    def situation(self) -> Situation:
        listings: dict[str, OpenRuns] = {
            "orders": OpenRuns(namespace="orders", runs=(), complete=True, listed_at_s=0.0)
        }
        for run in self.runs:
            runs = (*(listings[run.namespace].runs if run.namespace in listings else ()), run)
            listings[run.namespace] = OpenRuns(
                namespace=run.namespace, runs=runs, complete=True, listed_at_s=0.0
            )
        return Situation(
            nodes={name: NodeNumbers(answers=True, ready=True) for name in self.images},
            cohorts={c.path: self._numbers(workers) for c, workers in self.cohorts.items()},
            queues={
                c.queue.path: QueueNumbers(
                    stale_after_s=30.0, ready_workflow_tasks=0, ready_activity_tasks=0
                )
                for c in self.cohorts
            },
            open_runs=listings,
            unread=self.unread,
        )

    def _numbers(self, workers: Workers) -> CohortNumbers:
        active = workers.live if self.heartbeats else 0
        return CohortNumbers(
            active=active,
            draining=0,
            stale=workers.live - active,
            total=workers.live,
            processes=workers.live,
            registered=workers.live,
            fingerprint_conflicts=workers.conflicts,
        )

    def having(self, cohorts: Mapping[CohortRef, Workers]) -> Fleet:
        """With these cohorts instead of, or beside, those it has."""
        return replace(self, cohorts={**self.cohorts, **cohorts})

    def planned(self, document: PlanDocument) -> Planning:
        return plan(document, self.observation, self.situation, self.capabilities)


def critical(build: str | None, namespace: str = "orders", queue: str = "critical") -> CohortRef:
    return CohortRef(namespace=namespace, task_queue=queue, build_id=build)


def run(name: str, pin: str | None, queue: QueueRef | None = None) -> OpenRun:
    queue = queue or QueueRef(namespace="orders", task_queue="critical")
    return OpenRun(
        namespace=queue.namespace,
        workflow_id=name,
        run_id=name,
        task_queue=queue.task_queue,
        workflow_type="order",
        pin=pin,
        described=True,
    )


def newer() -> Fleet:
    """A 2.x fleet: build-1 is selected."""
    return Fleet(cohorts={critical("build-1"): Workers(selected=True)})


def older() -> Fleet:
    """A 0.2.x fleet: every node and the scheduler carry build-1."""
    names = ("api-1", "api-2", "scheduler")
    return Fleet(
        capabilities=MARKER,
        markers=dict.fromkeys(names, "build-1"),
        cohorts={critical("build-1"): Workers()},
    )


def arrived(fleet: Fleet) -> Fleet:
    """The fleet after the good plan."""
    selector = Capability.PROMOTE in fleet.capabilities
    old = Workers(replicas=0, selected=False if selector else None, drain_intent="draining")
    new = Workers(image="workers-2", selected=True if selector else None)
    return replace(
        fleet,
        images=dict.fromkeys(fleet.images, NEW),
        markers=dict.fromkeys(fleet.markers, "build-2"),
        scheduler=NEW,
        revision="0.2.10",
    ).having({critical("build-1"): old, critical("build-2"): new})


def idle(fleet: Fleet) -> Fleet:
    """Its workers send no heartbeats and have nothing to do: all rows are stale."""
    return replace(fleet, heartbeats=False)


def document(*replacements: tuple[str, str], steps: str = "") -> PlanDocument:
    """The good plan with texts replaced; `steps` replaces all of its steps."""
    text = changed(*replacements)
    if steps:
        head, _, rest = text.partition("steps:\n")
        text = f"{head}steps:\n{steps}on_failure:{rest.partition('on_failure:')[2]}"
    reading = read(text, environment=ENVIRONMENT)
    assert reading.document is not None, reading.errors
    return reading.document
