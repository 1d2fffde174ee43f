"""A place with a fleet at work: nodes, a scheduler, workers with runs, a little load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TypedDict, Unpack

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model import ledger, passes, repair
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation, ServerSettings
from rollout_kit.emulator.wire import Request, Response
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, ProcessSpec
from rollout_kit.simulation.clock import VirtualClock
from rollout_kit.simulation.effects import Who
from rollout_kit.simulation.fleet import MemoryFleet
from rollout_kit.simulation.fleet_spec import CohortStanding, FleetSpec
from rollout_kit.simulation.members import ServerImage
from rollout_kit.simulation.workers import Worker

FROM = {Generation.V2: "2.3.14", Generation.V0_2: "0.2.9"}
TO = {Generation.V2: "2.4.0", Generation.V0_2: "0.2.10"}
QUEUES = ("orders", "billing")
OLD, NEW = "build-1", "build-2"
OLD_SERVER, NEW_SERVER = "server:old", "server:new"
OLD_WORKERS, NEW_WORKERS = "orders:old", "orders:new"


class NoAnswerThrough(RuntimeError):
    """No attached node answered a call that this world cannot do without."""


class Shape(TypedDict, total=False):
    """How large a site is, and how much goes on there; what is left out is as in `Site`."""

    nodes: int
    queues: tuple[str, ...]
    workers: int  # old ones, on each queue
    load: bool
    scheduled: bool  # a scheduler runs
    calm: bool  # workers live once a second instead of twice
    spec: FleetSpec  # another fleet altogether: nodes, queues, workers and scheduled do not count


class Site:
    """Three nodes, a scheduler, two queues with two old workers each, and a little load."""

    def __init__(self, generation: Generation = Generation.V2, **shape: Unpack[Shape]) -> None:
        spec = shape.get("spec") or _usual(generation, shape)
        self.spec = spec
        self.generation = spec.generation
        self.queues = spec.queues
        self.calm = shape.get("calm", False)
        self.load = shape.get("load", True)
        self.load_every_s = 2.0
        self.started: list[str] = []
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.images = {
            spec.new_image: ServerImage(version=spec.new_version),
            spec.old_image: ServerImage(version=spec.old_version),
        }
        self.fleet = MemoryFleet(self.clock, self.store, self.generation, self.images)
        self.fleet.worker_images |= set(spec.worker_images)
        self.fleet.serves |= dict(spec.serves)
        self._lived_at_s = 0.0
        self._loaded_at_s = 0.0
        self._ticked_at_s = 0.0
        self._bring_up(spec)

    def _bring_up(self, standing: FleetSpec) -> None:
        with self.store.write() as rows:
            ledger.bootstrap(rows, standing.old_version, "default", to_us(self.clock.now()))
        for name in standing.nodes:
            environment = {"DW_V2_MULTI_NODE": "true"}
            spec = ProcessSpec(
                image=standing.old_image,
                marker=standing.marker,
                server_id=name,
                environment=environment,
            )
            self.fleet.start_node(name, spec)
            self.fleet.nodes[name].up_at_s = 0.0
        if standing.scheduled:
            self.fleet.scheduler = ProcessSpec(
                image=standing.old_image,
                marker=standing.marker,
                environment={"SCHEDULER_TICK_SECONDS": "1"},
            )
        for found in standing.cohorts:
            spec_of_cohort = CohortSpec(image=found.image, replicas=found.replicas)
            self.fleet.start_cohort(cohort(found.task_queue, found.build_id), spec_of_cohort)
        self.clock.live = self._live
        self.clock.sleep(3.0)
        if self.generation is Generation.V2:
            for found in standing.cohorts:
                if found.selected:
                    path = f"/api/task-queues/{found.task_queue}/build-ids/promote"
                    self.control("POST", path, {"build_id": found.build_id})
        self.clock.sleep(3.0)

    def _live(self) -> None:
        now_s = self.clock.elapsed_s
        if not self.calm or now_s - self._lived_at_s >= 1.0:
            self._lived_at_s = now_s
            self.fleet.live()
        if now_s - self._ticked_at_s >= 1.0:
            self._ticked_at_s = now_s
            self._tick()
        if self.load and now_s - self._loaded_at_s >= self.load_every_s:
            self._loaded_at_s = now_s
            kind = "long" if len(self.started) % 4 == 3 else "short"
            queue = self.queues[len(self.started) % len(self.queues)]
            self.start(f"load-{len(self.started)}", kind, queue)

    def _tick(self) -> None:
        """A second of scheduler and maintenance."""
        now_us = to_us(self.clock.now())
        with self.store.write() as rows:
            repair.fire_timers(rows, now_us)
            for spec, number in self.fleet.ticking():
                version = self.images[spec.image].version
                settings = _of_a_scheduler(self.generation, version, spec.marker)
                passes.scheduler_tick(
                    rows, settings, process=f"{spec.image}-{number}", now_us=now_us
                )

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
        self,
        workflow_id: str,
        workflow_type: str,
        queue: str,
        *,
        namespace: str = "default",
    ) -> None:
        """Start a run through the front, as a client does."""
        body = {
            "workflow_type": workflow_type,
            "workflow_id": workflow_id,
            "task_queue": queue,
            "duplicate_policy": "use-existing",
        }
        answer = self.control("POST", "/api/workflows", body, namespace=namespace, who=Who.LOAD)
        if answer is not None and answer.status in (200, 201) and namespace == "default":
            self.started.append(workflow_id)

    def control(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        namespace: str = "default",
        who: Who = Who.PERSON,
    ) -> Response | None:
        """A call through the front with the admin token. None: no node answered."""
        request = Request(
            method=method,
            path=path.split("?", maxsplit=1)[0],
            raw_path=path,
            query=dict(p.split("=") for p in path.partition("?")[2].split("&") if p),
            headers=_headers("admin-token") | {"x-namespace": namespace},
            body=json.dumps(body).encode() if body is not None else b"",
        )
        return self.fleet.front(request, who)

    def _asked(self, path: str) -> dict[str, object]:
        answer = self.control("GET", path)
        if answer is None:
            raise NoAnswerThrough(f"no attached node answers GET {path}")
        found = json.loads(answer.payload)
        if not isinstance(found, dict):
            raise NoAnswerThrough(f"GET {path} answered {answer.status} without an object")
        return found

    def cohorts(self, queue: str) -> dict[str | None, dict[str, object]]:
        """Rows of the queue's build ids, by build."""
        rows = self._asked(f"/api/task-queues/{queue}/build-ids")["build_ids"]
        return {row["build_id"]: row for row in rows} if isinstance(rows, list) else {}

    def lost(self) -> list[str]:
        """Started runs that are neither completed nor claimable by a live cohort."""
        found = []
        served = {ref.build_id for ref, c in self.fleet.cohorts.items() if c.workers}
        for workflow_id in self.started:
            run = self._asked(f"/api/workflows/{workflow_id}")
            if run["status"] != "completed" and (
                run["is_terminal"] or run["compatibility"] not in served
            ):
                found.append(f"{workflow_id}: {run['status']} pinned to {run['compatibility']}")
        return found


@cache
def _of_a_scheduler(generation: Generation, version: str, marker: str | None) -> ServerSettings:
    """It ticks every second: its settings are made once."""
    return ServerSettings(generation=generation, version=version, marker=marker)


def _usual(generation: Generation, shape: Shape) -> FleetSpec:
    """The fleet of tests and of drawn scenarios."""
    queues = shape.get("queues", QUEUES)
    old = [
        CohortStanding(
            task_queue=queue,
            build_id=OLD,
            image=OLD_WORKERS,
            replicas=shape.get("workers", 2),
            selected=True,
        )
        for queue in queues
    ]
    return FleetSpec(
        generation=generation,
        nodes=tuple(f"api-{number}" for number in range(1, shape.get("nodes", 3) + 1)),
        queues=queues,
        cohorts=tuple(old),
        old_image=OLD_SERVER,
        old_version=FROM[generation],
        new_image=NEW_SERVER,
        new_version=TO[generation],
        marker=OLD if generation is Generation.V0_2 and queues else None,
        scheduled=shape.get("scheduled", True),
        new_builds=(NEW,),
        worker_images=(OLD_WORKERS, NEW_WORKERS),
    )


def cohort(queue: str, build: str | None) -> CohortRef:
    """The cohort of this build in the namespace of a site."""
    return CohortRef(namespace="default", task_queue=queue, build_id=build)


def _headers(token: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/json",
        "x-namespace": "default",
        "x-durable-workflow-control-plane-version": "2",
    }
