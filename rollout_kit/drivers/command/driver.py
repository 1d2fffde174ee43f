"""The command driver: `ports.infra.Infra` through a script of the user's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rollout_kit.drivers import announcing, asked_jobs
from rollout_kit.drivers.command import asking
from rollout_kit.drivers.command.contract import Json, asked, change_asked
from rollout_kit.drivers.command.held import Held
from rollout_kit.drivers.command.looks import Looks
from rollout_kit.drivers.command.observed import Observed
from rollout_kit.drivers.command.previewed import Previews
from rollout_kit.drivers.command.said import said
from rollout_kit.drivers.command.script import Script
from rollout_kit.drivers.work import pump, roles
from rollout_kit.drivers.work.folder import UNDER_WAY, WorkFolder
from rollout_kit.drivers.work.program import Program, names_in
from rollout_kit.drivers.work.turns import operation_of
from rollout_kit.drivers.work.work import Work
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Announcement, InfraProgram
from rollout_kit.model.request import Request
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.asking import CANNOT
from rollout_kit.ports.errors import InFlight, NotYet, OutsideError, Unavailable, Unknowable
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
    RunCommand,
    RunJob,
    SetAttached,
)
from rollout_kit.ports.requests import Asked

QUEUE = "script"
STOPPED_WITHIN_S = 4.0
FOR_EVER_S = float("inf")

T = TypeVar("T")


class CommandDriver:
    """Implements `ports.infra.Infra`, `Announces`, and `ports.requests.AsksPeople` for what it lacks.

    One `observe` answers all readings for about a second. A change runs in a child that outlives
    this process, one at a time; the script ends with 0 when it is done.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        state: Path,
        environment: Mapping[str, str],
        secrets: Iterable[str] = (),
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder`: of the plan, where the script runs. `state`: where its work is recorded.

        `environment`: the script's. `secrets`: names in it whose values nothing may show.
        """
        self._secrets = tuple(secrets)
        self._environment = environment
        self._values = pump.values_of(self._secrets, environment)
        self._script = Script(argv, folder, environment, self._masked)
        self._work = Work(WorkFolder(state), environment)
        self._monotonic_s = monotonic_s
        name = self._script.name
        self._described = Looks(
            f"`{name} describe`", self._describe, monotonic_s, fresh_s=FOR_EVER_S
        )
        self._observed = Looks(f"`{name} observe`", self._observe, monotonic_s)
        self._previews = Previews(self._script, monotonic_s)
        self._ended: set[str] = set()  # keys whose end was seen
        self._asked: dict[str, Asked] = {}  # a person's share, by key
        self._held = Held()
        self._refused: dict[str, str] = {}  # by key: what it would have done beyond the announced

    def answers(self) -> frozenset[Answers]:
        """What `describe` says; where it gives no answer, everything: each reading then says why.

        Jobs are always among it: those that the script does not run are asked of a person.
        """
        try:
            told = self._described.get()
        except InFlight:
            return frozenset(Answers)
        except OutsideError:
            return frozenset(Answers) - {Answers.ANNOUNCE}
        previews = {Answers.ANNOUNCE} if "preview" in told.get("actions", ()) else set()
        return frozenset(Answers(name) for name in told["answers"]) | previews | {Answers.JOBS}

    def request(self, change: InfraChange) -> Request | None:
        """What takes a person, or their word. All else the script does itself."""
        if not asking.is_for_a_person(change, self._offered()):
            return None
        return asking.request_of(change)

    def tell(self, baseline: Observation | None, asked: tuple[Asked, ...]) -> None:  # noqa: ARG002
        self._asked = {one.key: one for one in asked}

    def hold_to(self, announced: tuple[Announcement, ...], program: InfraProgram | None) -> None:  # noqa: ARG002
        self._held = Held(announced)

    def node_spec(self, node: str) -> ProcessSpec:
        return self._look(Answers.SPEC).node_spec(node)

    def attached(self, node: str) -> bool:
        return self._look(Answers.MEMBERSHIP).attached(node)

    def connections(self, node: str) -> int | None:
        return self._look(Answers.CONNECTIONS).connections(node)

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return self._look(Answers.PROCESSES).processes(f"node/{node}")

    def scheduler_spec(self) -> ProcessSpec | None:
        return self._look(Answers.SPEC).scheduler_spec()

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        return self._look(Answers.PROCESSES).processes("scheduler")

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        return self._look(Answers.SPEC).maintenance_specs()

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        return self._look(Answers.PROCESSES).processes(f"maintenance/{name}")

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        return self._look(Answers.SPEC).cohort_specs()

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        return self._look(Answers.PROCESSES).processes(f"cohort/{cohort.path}")

    def ended(self, resource: str) -> ProgramEnd | None:
        """None while a change is under way: what ends then is its doing."""
        if roles.is_taken(self._work.folder.queue(QUEUE)):
            return None
        if not self.answers() & {Answers.SPEC, Answers.PROCESSES}:
            return None
        end = self._observed.get().ended(resource)
        return end and replace(end, last_lines=self._masked(end.last_lines))

    def knows_image(self, image: str) -> bool:
        """True where the script does not list images: it can only be tried."""
        images = self._observed.get().images()
        return images is None or image in images

    def work(self, key: str) -> JobStatus:
        """Its standard output without the sentences, the last of which is progress or outcome."""
        if (refused := self._refused.get(key)) is not None:
            return JobStatus(state=JobState.REFUSED, detail=refused)
        status = self._of_script(key)
        asked = self._asked.get(key)
        return asking.status_of(asked, status) if asked else status

    def _of_script(self, key: str) -> JobStatus:
        status = self._work.status(key)
        if status.state is JobState.UNKNOWN:
            return status
        if status.state not in UNDER_WAY and key not in self._ended:
            self._ended.add(key)
            self._observed.forget()
        sentence, output = said(status.output)
        if status.state in UNDER_WAY:
            return replace(status, output=output, progress=sentence or status.progress)
        detail = "\n".join(text for text in (sentence, status.detail) if text)
        return replace(status, output=output, detail=detail)

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        """As the script's `preview` says; without one nothing is announced, and nothing held to it."""
        if "preview" not in self._described.get().get("actions", ()):
            return ()
        told: dict[str, Announcement] = {}
        scripts: list[tuple[str, InfraChange]] = []
        for op, change in changes:
            if isinstance(change, RunCommand):
                (told[op],) = announcing.announce(((op, change),), self)
            elif isinstance(change, RunJob) and (request := self.request(change)) is not None:
                told[op] = asked_jobs.announced(op, request)
            else:
                scripts.append((op, change))
        told |= {one.operation: one for one in (self._previews.of(scripts) if scripts else ())}
        return tuple(told[op] for op, _ in changes)

    def begin(self, key: str, change: InfraChange) -> None:
        """A change that would reach beyond what was announced is not sent: `work` says so.

        Raises Refused: the script does not do this, an environment variable is not set. NotYet: what it
        is asked before has no answer, so nothing was sent.
        """
        if isinstance(change, RunCommand):
            self._work.run_command(key, change, self._script.folder, self._secrets)
            return
        if isinstance(change, RunJob) and key in self._asked:
            return
        try:
            may = self._may(key, change)
        except (InFlight, Unavailable) as error:
            raise NotYet(f"not sent yet: {error.message}", hint=error.hint) from error
        if not may:
            return
        request = asked("apply", key=key, change=change_asked(change))
        program = Program(
            argv=(*self._script.argv, "apply"),
            directory=self._script.folder,
            input=request,
            group=True,
        )
        names = [*self._secrets, *names_in({"request": request})]
        self._ended.discard(key)
        self._observed.forget()
        self._work.run(
            key,
            QUEUE,
            program,
            names,
            joins_success=isinstance(change, RunJob),
            of=announcing.resource_of(change),
        )

    def stop(self, key: str) -> None:
        """One SIGINT to the script and what it started; then, where it offers that, its `stop`.

        Raises Unavailable when it has not ended within four seconds: ask again.
        """
        before = self._work.folder.job_state(key)
        self._work.stop(key)
        self._observed.forget()
        settled = {JobState.UNKNOWN, JobState.SUCCEEDED}
        if before not in settled and "stop" in self._described.get().get("actions", ()):
            self._script.run("stop", asked("stop", key=key), STOPPED_WITHIN_S)

    def _may(self, key: str, change: InfraChange) -> bool:
        """Whether it still does no more than was announced; asked just before it is sent.

        Raises Unknowable: the script does not do this.
        """
        self._refused.pop(key, None)
        if isinstance(change, SetAttached):
            self._must_answer(Answers.MEMBERSHIP)
        if isinstance(change, RunJob):
            self._must_answer(Answers.JOBS)
        if not self._held or self._work.status(key).state in UNDER_WAY:
            return True
        name = self._script.name
        if "preview" not in self._described.get().get("actions", ()):
            beyond: tuple[str, ...] = (f"nobody knows what: `{name} describe` offers no `preview`",)
        else:
            (now,) = self._previews.of(((operation_of(key) or key, change),))
            beyond = self._held.beyond(key, now)
        if beyond:
            self._refused[key] = (
                f"`{name} apply` would do what the rollout did not announce: {', '.join(beyond)}"
            )
        return not beyond

    def _look(self, what: Answers) -> Observed:
        self._must_answer(what)
        return self._observed.get()

    def _offered(self) -> frozenset[Answers]:
        return frozenset(Answers(name) for name in self._described.get()["answers"])

    def _must_answer(self, what: Answers) -> None:
        if what not in self._offered():
            raise Unknowable(
                f"{CANNOT} {what.value}",
                why=f"`{self._script.name} describe` does not list it.",
                hint="Let the script answer it, or a person says so.",
            )

    def _describe(self) -> Json:
        return self._script.ask("describe", asked("describe"))

    def _observe(self) -> Observed:
        found = Observed(self._script.ask("observe", asked("observe")), self._script.name)
        names = {*self._secrets, *names_in({"observed": found.text})}
        self._values = pump.values_of(names, self._environment)
        return found

    def _masked(self, text: str) -> str:
        data = text.encode(errors="surrogateescape")
        return pump.masked(data, self._values, final=True)[0].decode(errors="replace")
