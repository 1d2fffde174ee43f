"""The process driver: `ports.infra.Infra` for the processes of a fleet file on this host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, assert_never

from rollout_kit.drivers import announcing
from rollout_kit.drivers.process import endings
from rollout_kit.drivers.process.fleet import Fleet
from rollout_kit.drivers.process.fleet_file import read_fleet
from rollout_kit.drivers.process.masking import Mask
from rollout_kit.drivers.process.rendering import (
    Renderer,
    cohort_resource,
    cohort_role,
    encoded,
    known,
)
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.process.work import FleetWork
from rollout_kit.drivers.work import roles
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.codec import from_json
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
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

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Desired, Launch

SCHEDULER = "scheduler"
FRONT = "front"
_NOTHING_RUNS = ProcessSpec(image="")

T = TypeVar("T")


class ProcessDriver:
    """Starts, stops and counts the processes of one fleet file.

    A change is recorded in the state folder before anything is started, and carried out by a child
    that outlives this process; `begin` with the same key heals whatever was cut off in between.
    Specs are what is wanted while a change is under way or has succeeded; after one that was lost
    or has failed they are what really runs, so that neither the change nor its undo looks done.
    """

    def __init__(
        self, fleet_path: Path, environment: Mapping[str, str], secrets: Iterable[str] = ()
    ) -> None:
        """`environment`: what `${env:NAME}` of the fleet file refers to, when something starts.

        `secrets`: more of its names, whose values nothing that a program prints may show either.

        Raises: FleetFileError (all that is wrong with the file, with places); OSError.
        """
        self.fleet: Fleet = read_fleet(fleet_path)
        self.state = StateFolder(self.fleet.state)
        self._render = Renderer(self.fleet, self.state)
        self._mask = Mask(self.fleet, environment, secrets)
        self._work = FleetWork(self.state, environment, self.fleet.grace_s)

    def answers(self) -> frozenset[Answers]:
        always = frozenset({Answers.SPEC, Answers.PROCESSES, Answers.JOBS})
        front = frozenset({Answers.MEMBERSHIP, Answers.CONNECTIONS})
        return always | front if self.fleet.front is not None else always

    def node_spec(self, node: str) -> ProcessSpec:
        """Image `""` when a lost change left nothing running. Raises Refused: unknown node."""
        declared = known("node", node, self.fleet.nodes, self.fleet.file).declared
        return self._process_spec(f"node/{node}", declared) or _NOTHING_RUNS

    def attached(self, node: str) -> bool:
        known("node", node, self.fleet.nodes, self.fleet.file)
        return self.state.attached(node)

    def connections(self, node: str) -> int | None:
        """Raises Unavailable while the front is down: nothing then knows a count."""
        known("node", node, self.fleet.nodes, self.fleet.file)
        if self.fleet.front is None:
            return None
        counted = self.state.connections(node)
        if counted is None or roles.holder(self.state.role(FRONT)) is None:
            raise Unavailable(
                "the front address does not run",
                why=f"Nobody can say how many connections {node} still has.",
                hint=f"Its log: {self.state.log(FRONT)}",
            )
        return counted

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        known("node", node, self.fleet.nodes, self.fleet.file)
        return self._live([self.state.role(f"node/{node}")])

    def scheduler_spec(self) -> ProcessSpec | None:
        declared = self.fleet.scheduler.declared if self.fleet.scheduler else None
        return self._process_spec(SCHEDULER, declared)

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        return self._live([self.state.role(SCHEDULER)])

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        return {
            name: self._process_spec(f"maintenance/{name}", entry.declared) or _NOTHING_RUNS
            for name, entry in self.fleet.maintenance.items()
        }

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        return self._live([self.state.role(f"maintenance/{name}")])

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        """Every cohort that the file declares or that a change ever wanted."""
        specs = {
            cohort: spec for queue in self.fleet.queues for cohort, spec in queue.declared.items()
        }
        for desired in self.state.resources():
            kind, _, path = desired["resource"].partition("/")
            if kind == "cohort":
                specs[CohortRef.from_path(path)] = self._cohort_spec(desired)
        return specs

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        desired = self.state.desired(cohort_resource(cohort))
        return self._live(place["role"] for place in desired["places"]) if desired else ()

    def ended(self, resource: str) -> ProgramEnd | None:
        end = endings.ended(self.state, resource)
        return end and replace(end, last_lines=self._mask.text(end.last_lines))

    def knows_image(self, image: str) -> bool:
        return image in self.fleet.images

    def work(self, key: str) -> JobStatus:
        """Its output with references in the place of what the fleet file keeps secret."""
        return self._mask.status(self._work.status(key))

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        return announcing.announce(changes, self)

    def begin(self, key: str, change: InfraChange) -> None:
        """Raises Refused: unknown node, queue, job or image, or an unset environment variable."""
        match change:
            case SetAttached(node=node, attached=attached):
                known("node", node, self.fleet.nodes, self.fleet.file)
                self.state.set_attached(node, attached=attached)
                self._work.done(key, f"front/{node}")
                self._work.prepare()  # who leaves is restarted next, after who returns another is
            case ReplaceNode(node=name, spec=spec):
                node_entry = known("node", name, self.fleet.nodes, self.fleet.file)
                values = {"node": name, "host": node_entry.host, "port": str(node_entry.port)}
                launch = self._render.process(f"node/{name}", node_entry.argv, spec, values)
                self._settle_one(key, f"node/{name}", spec, launch)
            case SetScheduler(spec=spec):
                self._settle_one(key, SCHEDULER, spec, self._scheduler_launch(spec))
            case SetMaintenance(name=name, spec=spec):
                entry = known("maintenance", name, self.fleet.maintenance, self.fleet.file)
                launch = self._render.process(f"maintenance/{name}", entry.argv, spec, {})
                self._settle_one(key, f"maintenance/{name}", spec, launch)
            case SetCohort(cohort=cohort, spec=spec):
                self._settle_cohort(key, cohort, spec)
            case RemoveCohort(cohort=cohort):
                raise Refused(f"nothing is kept of {cohort.label} once it is stopped")
            case RunJob(job=job):
                program = self._render.job(change)
                self._work.run(key, job, program, self._mask.names, joins_success=True)
            case RunCommand():
                self._work.run_command(key, change, self._render.folder, self._mask.names)
            case _:
                assert_never(change)

    def _scheduler_launch(self, spec: ProcessSpec | None) -> Launch | None:
        if spec is None:
            return None
        entries = {SCHEDULER: self.fleet.scheduler} if self.fleet.scheduler else {}
        entry = known("process", SCHEDULER, entries, self.fleet.file)
        return self._render.process(SCHEDULER, entry.argv, spec, {})

    def stop(self, key: str) -> None:
        """Raises Unavailable when it has not ended within four seconds: ask again."""
        self._work.stop(key)

    def begin_program(self, key: str, role: str, launch: Launch) -> None:
        """Start what is no part of any rollout: the front, or one of the file's `processes`."""
        self._work.settle(key, role, encoded(None), {role: launch})

    def end_program(self, key: str, role: str) -> None:
        """Stop what `begin_program` started."""
        self._work.settle(key, role, encoded(None), {role: None})

    @property
    def render(self) -> Renderer:
        return self._render

    def _settle_one(
        self, key: str, resource: str, spec: ProcessSpec | None, launch: Launch | None
    ) -> None:
        self._work.settle(key, resource, encoded(spec), {resource: launch})

    def _settle_cohort(self, key: str, cohort: CohortRef, spec: CohortSpec) -> None:
        resource = cohort_resource(cohort)
        before = self.state.desired(resource)
        places = max(spec.replicas, len(before["places"]) if before else 0)
        launches = {
            cohort_role(cohort, number): self._render.worker(cohort, number, spec)
            if number < spec.replicas
            else None
            for number in range(places)
        }
        self._work.settle(key, resource, encoded(spec), launches)

    def _process_spec(self, resource: str, declared: ProcessSpec | None) -> ProcessSpec | None:
        desired = self.state.desired(resource)
        if desired is None:
            return declared
        spec = _decoded(ProcessSpec, desired["spec"])
        if not self._settled(desired):
            holder = roles.holder(desired["places"][0]["role"])
            if holder is None:
                return spec and replace(spec, image="", version=None)
            spec = _decoded(ProcessSpec, holder.spec)
        image = self.fleet.images.get(spec.image) if spec else None
        return replace(spec, version=image.version) if spec and image else spec

    def _cohort_spec(self, desired: Desired) -> CohortSpec:
        wanted = _decoded(CohortSpec, desired["spec"]) or CohortSpec(image="", replicas=0)
        if self._settled(desired):
            return wanted
        holders = [roles.holder(place["role"]) for place in desired["places"]]
        running = [
            replace(spec, replicas=wanted.replicas)
            for holder in holders
            if holder is not None and (spec := _decoded(CohortSpec, holder.spec)) is not None
        ]
        if not running:
            return replace(wanted, image="", replicas=0)
        other = next((spec for spec in running if spec != wanted), running[0])
        return replace(other, replicas=len(running))

    def _settled(self, desired: Desired) -> bool:
        """Whether the last change is under way or done, or what runs is what it wanted anyway."""
        state = self.state.job_state(desired["key"])
        if state in UNDER_WAY or state is JobState.SUCCEEDED:
            return True
        for place in desired["places"]:
            holder, launch = roles.holder(place["role"]), place["launch"]
            if (holder and holder.digest) != (launch and launch["digest"]):
                return False
        return True

    def _live(self, places: Iterable[str]) -> tuple[LiveProcess, ...]:
        """Who holds these roles; what a dead one left behind counts until it is gone too."""
        holders = [roles.holder(role) for role in places]
        return tuple(
            LiveProcess(pid=holder.pid, worker_id=holder.worker_id or None)
            for holder in holders
            if holder is not None
        )


def _decoded(kind: type[T], text: str) -> T | None:
    data = json.loads(text) if text else None
    return None if data is None else from_json(kind, data)
