"""The manual driver: it reads what the server shows, asks people for changes, and sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout_kit.document.plan import PlanDocument
from rollout_kit.drivers import asked_jobs
from rollout_kit.drivers.manual import wording
from rollout_kit.drivers.manual.book import Book, Entry, book_of
from rollout_kit.drivers.manual.names import UNKNOWN, image_of, in_words, shown_by
from rollout_kit.drivers.manual.workers import Workers
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Announcement
from rollout_kit.model.request import Request
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.specs import same
from rollout_kit.ports.engine import EngineReader
from rollout_kit.ports.errors import InFlight, OutsideError, Unknowable
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
    SetCohort,
    SetScheduler,
)
from rollout_kit.ports.requests import Asked


class ManualDriver:
    """Implements `ports.infra.Infra` and `ports.requests.AsksPeople`.

    A node's spec is what the node itself answers: its version, read as the plan's image, and its
    marker. Of scheduler and workers it is what was asked last and found done, over what was there
    before; what nothing shows and nobody said is not known.
    """

    def __init__(self, engine: EngineReader, document: PlanDocument) -> None:
        self._engine = engine
        self._document = document
        self._book = Book()
        self._workers = Workers(engine, document, self._marker)

    def tell(self, baseline: Observation | None, asked: tuple[Asked, ...]) -> None:
        self._book = book_of(baseline, asked)

    def answers(self) -> frozenset[Answers]:
        return frozenset({Answers.SPEC, Answers.PROCESSES, Answers.JOBS})

    def node_spec(self, node: str) -> ProcessSpec:
        """Raises `Refused` without an admin token: a node's marker is read with it."""
        info = self._engine.cluster_info(node)
        metrics = self._engine.operator_metrics(self._document.target.namespace, node)
        return ProcessSpec(
            image=image_of(self._document, shown_by(self._document, info)),
            marker=metrics.required_marker or None,
            version=info.version,
        )

    def attached(self, node: str) -> bool:
        raise _cannot(f"membership of {node}")

    def connections(self, node: str) -> int | None:
        raise _cannot(f"connections of {node}")

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        raise _cannot(f"processes of node {node}")

    def scheduler_spec(self) -> ProcessSpec | None:
        """As asked last and done. Before any of that it is taken to be as the plan's `from`."""
        for entry in reversed(self._book.entries):
            if isinstance(entry.change, SetScheduler) and (entry.done or entry.said):
                return entry.change.spec
        if self._book.baseline is not None:
            return self._book.scheduler_before()
        server = self._document.release.server
        image = image_of(self._document, server.from_) if server is not None else UNKNOWN
        return ProcessSpec(image=image, marker=self._marker())

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        for entry in reversed(self._book.entries):
            if isinstance(entry.change, SetScheduler) and (entry.done or entry.said):
                return () if entry.change.spec is None else (LiveProcess(pid=0),)
        raise _cannot("processes of the scheduler")

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        raise _cannot("which maintenance processes there are")

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        raise _cannot(f"processes of maintenance {name}")

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        found = dict(self._book.cohorts_before())
        if self._book.baseline is None:
            found = {
                c: spec
                for queue in self._workers.queues()
                for c, spec in self._workers.standing(queue)
            }
        for entry in self._book.entries:
            change = entry.change
            if isinstance(change, SetCohort) and self._is_done(entry, found.get(change.cohort)):
                found[change.cohort] = change.spec
            elif isinstance(change, SetCohort) and (change.cohort not in found or entry.withdrawn):
                live = self._workers.live(change.cohort)  # some may be there, or none
                known = found.get(change.cohort, change.spec)
                found[change.cohort] = replace(known, replicas=live)
        return found

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        """What a person said; where a server shows who lives, that is asked for life instead."""
        for entry in reversed(self._book.entries):
            if not isinstance(entry.change, SetCohort) or entry.change.cohort != cohort:
                continue
            if not entry.said:
                break
            if entry.change.spec.replicas == 0:
                return ()
            if self._engine.cohorts(cohort.queue).shows_selection:
                break
            return self._workers.registered(cohort)[: entry.change.spec.replicas]
        else:
            if self._workers.vouched_for(cohort):
                return self._workers.registered(cohort)
        raise _cannot(f"processes of {cohort.label}")

    def ended(self, resource: str) -> ProgramEnd | None:  # noqa: ARG002
        return None

    def knows_image(self, image: str) -> bool:
        raise _cannot(f"whether {image} can be run")

    def work(self, key: str) -> JobStatus:
        """*Succeeded* once the server shows it, or a person says so of what no server shows."""
        entry = self._book.newest(key)
        if entry is None:
            return JobStatus(state=JobState.UNKNOWN)
        change = entry.change
        if self._is_done(entry, self._before(change)):
            if isinstance(change, RunJob):
                return asked_jobs.said_of(change)
            return JobStatus(state=JobState.SUCCEEDED)
        request = self.request(change)
        state = JobState.ASKED if request.word else JobState.AWAITED
        text = f"a person has to {request.sentence}"
        return JobStatus(
            state=state, detail=text if request.word else f"{text}; {self._now(change)}"
        )

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        """What would be asked, in the words of a request: the resources are other people's."""
        return tuple(
            Announcement(
                operation=operation, resources=(request.where,), kinds=("asked",), changed=(text,)
            )
            for operation, change in changes
            for request in (self.request(change),)
            for text in (request.sentence,)
        )

    def begin(self, key: str, change: InfraChange) -> None:
        """Nothing is sent: it was asked for, and the journal has it."""

    def stop(self, key: str) -> None:
        """Nothing runs under any key."""

    def request(self, change: InfraChange) -> Request:
        match change:
            case ReplaceNode():
                attribute = self._engine.marker_attribute()
                return wording.of_node(
                    self._document, change, self._node_now(change.node), attribute
                )
            case SetScheduler():
                return wording.of_scheduler(self._document, change, self.scheduler_spec())
            case SetCohort():
                shown = self._engine.cohorts(change.cohort.queue).shows_selection
                now = self.cohort_specs().get(change.cohort)
                return wording.of_cohort(change, now, shown=shown)
            case _:
                return wording.of_other(self._document, change)

    def _is_done(self, entry: Entry, before: CohortSpec | None) -> bool:
        change = entry.change
        if entry.done:
            return True
        match change:
            case ReplaceNode():
                now = self._node_now(change.node)
                return now is not None and same(now, replace(change.spec, version=None))
            case SetCohort():
                return entry.said or self._workers.counted(change, before)
            case _:
                return entry.said

    def _before(self, change: InfraChange) -> CohortSpec | None:
        if not isinstance(change, SetCohort):
            return None
        return dict(self._book.cohorts_before()).get(change.cohort)

    def _marker(self) -> str | None:
        return self.node_spec(self._document.target.nodes[0].name).marker

    def _node_now(self, node: str) -> ProcessSpec | None:
        try:
            return self.node_spec(node)
        except OutsideError:
            return None

    def _now(self, change: InfraChange) -> str:
        if not isinstance(change, ReplaceNode):
            return "the server does not count them yet"
        try:
            now = self.node_spec(change.node)
        except InFlight:
            return f"{change.node} gives no answer now"
        except OutsideError as error:
            return f"{change.node} gives no answer now: {error.message}"
        return f"{change.node} still is {in_words(self._document, now.image, now.marker)}"


def _cannot(what: str) -> Unknowable:
    return Unknowable(
        f"{CANNOT} {what}",
        why="With `driver: manual` nothing but the server and people can be asked.",
        hint="a person says so when it is needed: `rollout-kit approve OPERATION --because …`",
    )
