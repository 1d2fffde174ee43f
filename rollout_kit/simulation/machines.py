"""The machines of a fleet in memory: nodes are emulated servers, workers are simulated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import assert_never

from rollout_kit.emulator.app import build
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Store
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from rollout_kit.simulation.clock import VirtualClock
from rollout_kit.simulation.effects import (
    BootstrapRun,
    CohortChanged,
    Effect,
    Happening,
    MaintenanceStarted,
    NodeAttached,
    NodeDetached,
    NodeStarted,
    NodeStopped,
    SchedulerStarted,
    SchedulerStopped,
    Who,
)
from rollout_kit.simulation.members import NEVER, Cohort, Node, ServerImage, settings_of
from rollout_kit.simulation.workers import Worker


class Machines:
    """Nodes, workers, scheduler; `fail_job` and `hangs` are the breakages a test wants.

    `tell` is told every change of the fleet, by whoever's hand.
    """

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
        self.scheduler_starts = 0
        self.leaving: list[tuple[ProcessSpec, int, float]] = []
        """Schedulers that were told to stop, which start each was, until when its process lives."""
        self.stop_takes_s = 0.0
        self.maintenance: dict[str, ProcessSpec] = {}
        self.jobs: dict[str, JobStatus] = {}
        self.fail_job = ""
        self.commands_fail = False
        self.hangs: dict[str, frozenset[str]] = {}
        self.serves: dict[str, tuple[str, ...]] = {}
        self.strangers: list[Worker] = []
        """Workers of other teams: no driver of ours knows them."""
        self.worker_images: set[str] = set()
        self.begun: list[tuple[str, InfraChange]] = []
        self.tell: Callable[[Happening], None] | None = None
        self._serial = 0

    def happened(self, effect: Effect, who: Who, key: str = "") -> None:
        """Tell it on."""
        if self.tell is not None:
            self.tell(Happening(at_s=self.clock.elapsed_s, who=who, effect=effect, key=key))

    # --- starting a fleet -------------------------------------------------------------------

    def start_node(
        self, name: str, spec: ProcessSpec, who: Who = Who.PERSON, key: str = ""
    ) -> None:
        """Stop what runs as this node, start this spec."""
        image = self.images[spec.image]
        before = self.nodes.get(name)
        if before is not None:
            self.happened(NodeStopped(node=name), who, key)
        up_at_s = self.clock.elapsed_s + image.starts_in_s if image.comes_up else NEVER
        settings = settings_of(name, spec, self.generation, image.version, self.poll_timeout_s)
        self.nodes[name] = Node(
            spec=spec,
            settings=settings,
            attached=before.attached if before else True,
            up_at_s=up_at_s,
            handle=build(settings, self.store, self.clock.now),
        )
        started = NodeStarted(
            node=name,
            image=spec.image,
            version=image.version,
            marker=spec.marker,
            up_at_s=up_at_s,
        )
        self.happened(started, who, key)

    def kill_node(self, name: str) -> None:
        """Its process dies; the spec stays, and nobody starts it again."""
        if self.nodes[name].up_at_s != NEVER:
            self.nodes[name].up_at_s = NEVER
            self.happened(NodeStopped(node=name), Who.FATE)

    def start_cohort(
        self, cohort: CohortRef, spec: CohortSpec, who: Who = Who.PERSON, key: str = ""
    ) -> None:
        """As many workers as the spec wants: more are started, the last ones stopped."""
        found = self.cohorts.get(cohort)
        before = found.spec.replicas if found else 0
        if found is None:
            found = self.cohorts[cohort] = Cohort(spec=spec)
        stopped = tuple(worker.worker_id for worker in found.workers[spec.replicas :])
        found.spec = spec
        found.workers = found.workers[: spec.replicas]
        while len(found.workers) < spec.replicas:
            found.workers.append(self._worker(cohort, len(found.workers)))
        changed = CohortChanged(
            cohort=cohort, image=spec.image, before=before, after=spec.replicas, stopped=stopped
        )
        self.happened(changed, who, key)

    def remove_cohort(self, cohort: CohortRef, who: Who, key: str = "") -> None:
        """Nothing is known of it any more; what of it still runs is stopped."""
        found = self.cohorts.get(cohort)
        if found is not None and found.workers:
            self.start_cohort(cohort, replace(found.spec, replicas=0), who, key)
        self.cohorts.pop(cohort, None)

    def _worker(self, cohort: CohortRef, place: int) -> Worker:
        self._serial += 1
        build_id = cohort.build_id
        return Worker(
            worker_id=f"{cohort.task_queue}:{build_id}:{place}:{self._serial}",
            namespace=cohort.namespace,
            task_queue=cohort.task_queue,
            build_id=build_id,
            token="worker-token",
            protocol="1.0" if self.generation is Generation.V0_2 else "1.19",
            beats=self.generation is Generation.V2,
            hangs=self.hangs.get(build_id or "", frozenset()),
            serves=self.serves.get(build_id or "", ()),
        )

    def set_scheduler(self, spec: ProcessSpec | None, who: Who, key: str = "") -> None:
        """Stop the one that runs, which takes its time; start this one, whatever else runs.

        One that runs as it is to run is left alone: begun twice, it is there once.
        """
        if spec is not None and spec == self.scheduler:
            return
        now_s = self.clock.elapsed_s
        if self.scheduler is not None:
            self.leaving.append((self.scheduler, self.scheduler_starts, now_s + self.stop_takes_s))
            self.scheduler = None
            left = SchedulerStopped(image=self.leaving[-1][0].image, running=self.schedulers())
            self.happened(left, who, key)
        self.scheduler = spec
        if spec is not None:
            self.scheduler_starts += 1
            running = self.schedulers()
            started = SchedulerStarted(image=spec.image, marker=spec.marker, running=running)
            self.happened(started, who, key)

    def ticking(self) -> list[tuple[ProcessSpec, int]]:
        """The schedulers that run now, those told to stop among them, and which start each was."""
        now_s = self.clock.elapsed_s
        self.leaving = [item for item in self.leaving if item[2] > now_s]
        running = [(spec, number) for spec, number, _ in self.leaving]
        if self.scheduler is not None:
            running.append((self.scheduler, self.scheduler_starts))
        return running

    def schedulers(self) -> int:
        """How many run now."""
        return len(self.ticking())

    def set_attached(self, node: str, attached: bool, who: Who, key: str = "") -> None:
        """Into or out of the front's rotation."""
        self.nodes[node].attached = attached
        self.happened(NodeAttached(node=node) if attached else NodeDetached(node=node), who, key)

    def up(self, name: str) -> bool:
        node = self.nodes.get(name)
        return node is not None and node.up_at_s <= self.clock.elapsed_s

    def change(self, change: InfraChange, who: Who, key: str = "") -> JobStatus:
        """Do it at once, by this hand."""
        match change:
            case SetAttached():
                self.set_attached(change.node, change.attached, who, key)
            case ReplaceNode():
                self.start_node(change.node, change.spec, who, key)
            case SetScheduler():
                self.set_scheduler(change.spec, who, key)
            case SetMaintenance():
                self.maintenance[change.name] = change.spec
                told = MaintenanceStarted(name=change.name, image=change.spec.image)
                self.happened(told, who, key)
            case SetCohort():
                self.start_cohort(change.cohort, change.spec, who, key)
            case RemoveCohort():
                self.remove_cohort(change.cohort, who, key)
            case RunJob():
                return self._job(change, who, key)
            case RunCommand() if self.commands_fail and "/undo/" not in key:
                return JobStatus(state=JobState.FAILED, exit_status=1, detail="it was to fail")
            case RunCommand():
                pass
            case _:
                assert_never(change)
        return JobStatus(state=JobState.SUCCEEDED, exit_status=0)

    def _job(self, job: RunJob, who: Who, key: str) -> JobStatus:
        version = self.images[job.image].version
        succeeds = job.job != self.fail_job
        if job.job == "bootstrap":
            if succeeds:
                with self.store.write() as rows:
                    ledger.bootstrap(rows, version, self.namespace, to_us(self.clock.now()))
            ran = BootstrapRun(image=job.image, version=version, succeeded=succeeds)
            self.happened(ran, who, key)
        if not succeeds:
            return JobStatus(state=JobState.FAILED, exit_status=1, detail="migration broke")
        if job.job == "bootstrap":
            return JobStatus(state=JobState.SUCCEEDED, exit_status=0)
        with self.store.read() as rows:
            shown = json.dumps(ledger.status(rows, version))
        return JobStatus(state=JobState.SUCCEEDED, exit_status=0, output=shown)
