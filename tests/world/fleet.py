"""A fleet in memory behind `ports.infra`: nodes are emulated servers, workers are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rollout_kit.emulator.app import NoAnswer, build
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation, ServerSettings, Tokens
from rollout_kit.emulator.store import Store
from rollout_kit.emulator.wire import Request, Response
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from tests.world.clock import VirtualClock
from tests.world.workers import Worker

TOKENS = Tokens(worker="worker-token", operator="operator-token", admin="admin-token")


@dataclass(frozen=True)
class ServerImage:
    """What an image's server really is: its version, and how long it takes to come up."""

    version: str
    starts_in_s: float = 1.0
    comes_up: bool = True


@dataclass
class Node:
    """One API node as a process: what runs, since when it answers."""

    spec: ProcessSpec
    attached: bool = True
    up_at_s: float = 0.0
    handle: Callable[[Request], Response] | None = None


@dataclass
class Cohort:
    spec: CohortSpec
    workers: list[Worker] = field(default_factory=list)


class MemoryFleet:
    """Implements `ports.infra.Infra`; `fail_job` and `hang` are the breakages a test wants."""

    def __init__(
        self,
        clock: VirtualClock,
        store: Store,
        generation: Generation,
        images: Mapping[str, ServerImage],
        *,
        poll_timeout_s: int = 2,
        namespace: str = "default",
    ) -> None:
        self.clock = clock
        self.store = store
        self.generation = generation
        self.images = images
        self.poll_timeout_s = poll_timeout_s
        self.namespace = namespace
        self.nodes: dict[str, Node] = {}
        self.cohorts: dict[CohortRef, Cohort] = {}
        self.scheduler: ProcessSpec | None = None
        self.maintenance: dict[str, ProcessSpec] = {}
        self.jobs: dict[str, JobStatus] = {}
        self.fail_job = ""
        self.hangs: dict[str, frozenset[str]] = {}
        self.serves: dict[str, tuple[str, ...]] = {}
        self.strangers: list[Worker] = []
        """Workers of other teams: no driver of ours knows them."""
        self.worker_images: set[str] = set()
        self.begun: list[tuple[str, InfraChange]] = []
        self._serial = 0

    # --- starting a fleet -------------------------------------------------------------------

    def start_node(self, name: str, spec: ProcessSpec) -> None:
        image = self.images[spec.image]
        attached = self.nodes[name].attached if name in self.nodes else True
        settings = ServerSettings(
            generation=self.generation,
            server_id=spec.server_id or name,
            version=image.version,
            image=image.version,
            marker=spec.marker,
            tokens=TOKENS,
            poll_timeout_s=self.poll_timeout_s,
            heartbeat_interval_s=1,
            stale_after_override_s=4,
            workflow_lease_s=5,
            activity_lease_s=5,
        )
        self.nodes[name] = Node(
            spec=spec,
            attached=attached,
            up_at_s=self.clock.elapsed_s + image.starts_in_s if image.comes_up else float("inf"),
            handle=build(settings, self.store, self.clock.now),
        )

    def start_cohort(self, cohort: CohortRef, spec: CohortSpec) -> None:
        found = self.cohorts.setdefault(cohort, Cohort(spec=spec))
        found.spec = spec
        found.workers = found.workers[: spec.replicas]
        while len(found.workers) < spec.replicas:
            self._serial += 1
            build = cohort.build_id
            found.workers.append(
                Worker(
                    worker_id=f"{cohort.task_queue}:{build}:{len(found.workers)}:{self._serial}",
                    namespace=cohort.namespace,
                    task_queue=cohort.task_queue,
                    build_id=build,
                    token="worker-token",
                    protocol="1.0" if self.generation is Generation.V0_2 else "1.19",
                    beats=self.generation is Generation.V2,
                    hangs=self.hangs.get(build or "", frozenset()),
                    serves=self.serves.get(build or "", ()),
                )
            )

    def live(self) -> None:
        """A quarter second of everybody's life."""
        for cohort in self.cohorts.values():
            for worker in cohort.workers:
                worker.live(self.clock.elapsed_s, self.front)
        for stranger in self.strangers:
            stranger.live(self.clock.elapsed_s, self.front)

    def up(self, name: str) -> bool:
        node = self.nodes.get(name)
        return node is not None and node.handle is not None and node.up_at_s <= self.clock.elapsed_s

    def front(self, request: Request) -> Response | None:
        """Through the load balancer: the first attached node that answers, turn by turn."""
        names = [name for name, node in self.nodes.items() if node.attached]
        self._turn = getattr(self, "_turn", 0) + 1
        for offset in range(len(names)):
            name = names[(self._turn + offset) % len(names)]
            if self.up(name):
                return self.node(name, request)
        return None

    def node(self, name: str, request: Request) -> Response | None:
        if not self.up(name):
            return None
        handle = self.nodes[name].handle
        assert handle is not None
        try:
            return handle(request)
        except NoAnswer:
            return None

    # --- ports.infra ------------------------------------------------------------------------

    def answers(self) -> frozenset[Answers]:
        return frozenset(Answers)

    def node_spec(self, node: str) -> ProcessSpec:
        return self.nodes[node].spec

    def attached(self, node: str) -> bool:
        return self.nodes[node].attached

    def connections(self, node: str) -> int | None:
        return 1 if self.nodes[node].attached else 0

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return (LiveProcess(pid=1),) if node in self.nodes else ()

    def scheduler_spec(self) -> ProcessSpec | None:
        return self.scheduler

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        return () if self.scheduler is None else (LiveProcess(pid=2),)

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        return dict(self.maintenance)

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        return (LiveProcess(pid=3),) if name in self.maintenance else ()

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        return {ref: cohort.spec for ref, cohort in self.cohorts.items()}

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        found = self.cohorts.get(cohort)
        workers = found.workers if found else []
        return tuple(LiveProcess(pid=100 + n, worker_id=w.worker_id) for n, w in enumerate(workers))

    def knows_image(self, image: str) -> bool:
        return image in self.images or image in self.worker_images

    def work(self, key: str) -> JobStatus:
        return self.jobs.get(key, JobStatus(state=JobState.UNKNOWN))

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        return tuple(
            Announcement(operation=op, resources=(repr(change),), kinds=(), changed=())
            for op, change in changes
        )

    def begin(self, key: str, change: InfraChange) -> None:
        self.begun.append((key, change))
        self.jobs[key] = self._do(change)

    def stop(self, key: str) -> None:
        self.jobs.pop(key, None)

    def _do(self, change: InfraChange) -> JobStatus:
        match change:
            case SetAttached():
                self.nodes[change.node].attached = change.attached
            case ReplaceNode():
                self.start_node(change.node, change.spec)
            case SetScheduler():
                self.scheduler = change.spec
            case SetMaintenance():
                self.maintenance[change.name] = change.spec
            case SetCohort():
                self.start_cohort(change.cohort, change.spec)
            case RunJob():
                return self._job(change)
            case RunCommand():
                return JobStatus(state=JobState.SUCCEEDED, exit_status=0)
        return JobStatus(state=JobState.SUCCEEDED, exit_status=0)

    def _job(self, job: RunJob) -> JobStatus:
        if job.job == self.fail_job:
            return JobStatus(state=JobState.FAILED, exit_status=1, detail="migration broke")
        version = self.images[job.image].version
        now_us = to_us(self.clock.now())
        if job.job == "bootstrap":
            with self.store.write() as rows:
                ledger.bootstrap(rows, version, self.namespace, now_us)
            return JobStatus(state=JobState.SUCCEEDED, exit_status=0)
        with self.store.read() as rows:
            shown = json.dumps(ledger.status(rows, version))
        return JobStatus(state=JobState.SUCCEEDED, exit_status=0, output=shown)


def with_marker(spec: ProcessSpec, marker: str | None) -> ProcessSpec:
    return replace(spec, marker=marker)
