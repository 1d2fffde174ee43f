"""The Pulumi driver: `ports.infra.Infra` for a fleet that a program of infrastructure describes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rollout_kit.drivers.pulumi import api, begun, changing, radius
from rollout_kit.drivers.pulumi.announced import Announced
from rollout_kit.drivers.pulumi.contract import program_of
from rollout_kit.drivers.pulumi.live import Live, NoCluster
from rollout_kit.drivers.pulumi.naming import commit_of, program_name
from rollout_kit.drivers.pulumi.needs import of_change, refuse_missing
from rollout_kit.drivers.pulumi.plain import at
from rollout_kit.drivers.pulumi.readings import Readings
from rollout_kit.drivers.pulumi.specs import Specs
from rollout_kit.drivers.pulumi.standing import filled, overlaid
from rollout_kit.drivers.pulumi.wanted import as_values, from_values, known
from rollout_kit.drivers.work.folder import UNDER_WAY, WorkFolder
from rollout_kit.drivers.work.program import Program
from rollout_kit.drivers.work.work import Work
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement, InfraProgram
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.model.stack_contract import NAMESPACE, Given
from rollout_kit.ports.errors import InFlight, NotYet, Refused
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
)

CHILD = "rollout_kit.drivers.pulumi.update"


class PulumiDriver:
    """Changes a stack by small updates, each carried out by a child that previews and compares first.

    Specs are the live objects where the fleet is on Kubernetes; otherwise what a refreshing preview
    shows to be so. While a change is under way they are what it wants. Nothing waits longer than a
    port call may: a reading that takes longer is held in flight.
    """

    def __init__(
        self,
        stack: api.Stack,
        environment: Mapping[str, str],
        *,
        plan_folder: Path,
        allowed: tuple[str, ...] = (),
        secrets: Iterable[str] = (),
        live: Live | None = None,
    ) -> None:
        """`allowed`: patterns of URNs that a change may reach beyond its own resources.

        `secrets`: names of environment variables whose values nothing that is kept may show.
        """
        self.stack = stack
        self.label = program_name(stack.program)
        self._plan_folder = plan_folder
        self._allowed = allowed
        self._secrets = tuple(secrets)
        self._live = live or NoCluster()
        self._work = Work(WorkFolder(Path(stack.folder)), environment)
        self._log = begun.Log(self._work.folder)
        self._readings = Readings(stack, self.label, allowed)
        self._specs = Specs(self._readings, self._live, self._begun)
        self._announced = Announced()
        self._at_work: set[str] = set()
        self._ours: set[str] = set()
        self._hosts: tuple[str, ...] = ()
        self._intended_at: Mapping[str, datetime] = {}
        self._within_s = api.WITHIN_S

    # What it can say

    def answers(self) -> frozenset[Answers]:
        always = {Answers.SPEC, Answers.MEMBERSHIP, Answers.JOBS, Answers.ANNOUNCE}
        counts = {Answers.PROCESSES} if self._live.is_there else set()
        return frozenset(always | counts)

    def node_spec(self, node: str) -> ProcessSpec:
        return self._specs.node(node)

    def attached(self, node: str) -> bool:
        return self._specs.attached(node)

    def connections(self, node: str) -> int | None:  # noqa: ARG002
        """Nothing counts them: membership is a label, or whatever the program makes of it."""
        return None

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return self._live.processes(self._specs.placed("nodes", node))

    def scheduler_spec(self) -> ProcessSpec | None:
        return self._specs.scheduler()

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        scheduler = self._given().scheduler
        return self._live.processes(scheduler) if scheduler else ()

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        return self._specs.maintenance()

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        return self._live.processes(self._specs.placed("maintenance", name))

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        return self._specs.cohorts()

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        placed = self._given().cohorts.get(cohort.path)
        return self._live.processes(placed) if placed else ()

    def ended(self, resource: str) -> ProgramEnd | None:
        placed = program_of(self._given(), resource)
        return self._live.ended(placed) if placed else None

    def knows_image(self, image: str) -> bool:
        """Only a registry could say. What runs somewhere in the fleet can be run; what is no name cannot.

        Raises Refused: nobody can tell before it is pulled.
        """
        if not image.strip() or any(char.isspace() for char in image):
            return False
        if image in self._specs.images():
            return True
        raise Refused(
            f"whether {image} can be pulled is known when it is pulled",
            hint="the first node that cannot pull it stops the rollout with the registry's own words",
        )

    def output(self, path: tuple[str, ...]) -> object:
        """A value of the output `fleet`, else of any other output, by its path; None: there is none."""
        outputs = self._readings.recorded().outputs
        return at(outputs.get(NAMESPACE), path) or at(outputs, path)

    # What it would do

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        """Chained previews; raises InFlight until the last one is there, Refused without a contract."""
        given = self._given()
        asked = tuple(need for name, change in changes for need in of_change(change, name))
        refuse_missing(given, asked, self.label)
        ours = tuple(item for item in changes if not isinstance(item[1], RunCommand))
        return self._readings.announced(ours) if ours else ()

    def hold_to(self, announced: tuple[Announcement, ...], program: InfraProgram | None) -> None:
        """What the rollout announced of each operation, and with which program: told once it is known."""
        self._announced = Announced(announced, program.digest if program else "")

    def program(self) -> InfraProgram:
        path = self.stack.program.path
        return InfraProgram(
            path=path, commit=commit_of(Path(path)), digest=api.digest(self.stack.program)
        )

    def put_back_by(self, program: InfraProgram) -> str:
        """Another program may undo what this one did where, left alone, it would change nothing.

        Raises InFlight; an OutsideError where the stack cannot be previewed.
        """
        if api.digest(self.stack.program) == program.digest:
            return ""
        moved = self._readings.standing().moved
        if not moved:
            self._announced = Announced(self._announced.all, api.digest(self.stack.program))
            return ""
        would = radius.in_words(moved.values())
        at = f"; check out commit {program.commit[:12]}" if program.commit else ""
        return (
            f"the program {program.path} is not the one that this rollout was begun with, and its "
            f"preview does not end at what was before: it would {would}{at}"
        )

    def binding(self) -> Mapping[str, str]:
        """What a saved preview is held to beside the fleet: state, configuration, program."""
        digest = api.digest(self.stack.program)
        return {**self._readings.binding(), "stack program": digest[:12]}

    # What it does

    def begin(self, key: str, change: InfraChange) -> None:
        """Lay the change down, then start its child; the same key joins what runs.

        Raises NotYet: the stack is still being read. Refused: the program does not offer what it needs.
        """
        if isinstance(change, RunCommand):
            self._work.run_command(key, change, self._plan_folder, self._secrets)
            return
        is_job = isinstance(change, RunJob)
        state = self.work(key).state
        if state in UNDER_WAY or (is_job and state is JobState.SUCCEEDED):
            return
        try:
            request = self._request(key, change)
        except InFlight as error:
            raise NotYet(error.message, hint=error.hint) from error
        folder = begun.write(self._work.folder, key, change, request)
        program = Program(
            argv=(sys.executable, "-P", "-m", CHILD, str(folder)),
            directory=self._plan_folder.resolve(),
            ends_with_tool=True,
        )
        self._at_work.add(key)
        self._ours.add(key)
        self._work.run(key, self.stack.name, program, self._secrets, joins_success=False)

    def work(self, key: str) -> JobStatus:
        folder = self._work.folder
        status = begun.status_of(self._work.status(key), begun.result(folder.work(key)))
        if key in self._at_work and status.state not in UNDER_WAY:
            self._ended(key)
        return self._with_output(key, status)

    def stop(self, key: str) -> None:
        """One SIGINT, and its end awaited. Raises Unavailable while it has not ended: ask again."""
        self._work.stop(key)

    def attended(self, hosts: tuple[str, ...], intended_at: Mapping[str, datetime]) -> None:
        """Whose locks may be this rollout's own: told once it is known."""
        self._hosts, self._intended_at = hosts, intended_at

    def bounded(self, within_s: float) -> None:
        """A cold compile of the program counts, as every wait of a provider does."""
        self._within_s = within_s

    def leave(self) -> tuple[str, ...]:
        """The update that runs finishes the operation that it is at; those behind it never begin."""
        return self._work.stop_all(self._ours)

    def _request(self, key: str, change: InfraChange) -> api.UpdateRequest:
        recorded = self._readings.recorded()
        refuse_missing(recorded.given, of_change(change, key), self.label)
        now = filled(from_values(recorded.configuration), recorded.given)
        mine = {k: item for k, item in self._begun().items() if item.key != key}
        wanted = changing.changed(overlaid(now, mine), change, key=key)
        entries, name = known(recorded.configuration, recorded.given), changing.key_of(change)
        assert name is not None
        return api.UpdateRequest(
            stack=self.stack,
            operation=key,
            wanted={name.full: as_values(wanted, entries)[name.full]},
            may=radius.may(
                change,
                recorded.given,
                self._announced.of(key, change),
                stack=self.stack,
                allowed=self._allowed,
            ),
            program_digest=self._announced.program_digest,
            within_s=self._within_s,
            hosts=self._hosts,
            intended_at=self._intended_at.get(key, datetime.now(UTC)).isoformat(),
        )

    def _with_output(self, key: str, status: JobStatus) -> JobStatus:
        """What a job printed, where the cluster or the program can tell."""
        change = begun.change_of(self._work.folder, key)
        if not isinstance(change, RunJob) or status.state in UNDER_WAY:
            return status
        placed = begun.placed(begun.result(self._work.folder.work(key)), change.job)
        if placed is None:
            return status
        return replace(status, output=placed.printed or self._live.output(placed))

    def _begun(self) -> Mapping[str, begun.Begun]:
        found = self._log.latest()
        for item in found.values():
            if item.state in UNDER_WAY:
                self._at_work.add(item.key)
            elif item.key in self._at_work:
                self._ended(item.key)
        return found

    def _ended(self, key: str) -> None:
        """What was read before says nothing any more; what the change left may be known by its end."""
        self._at_work.discard(key)
        self._live.forget()
        ended = begun.result(self._work.folder.work(key))
        request = begun.request(self._work.folder, key)
        if ended is not None and ended.outcome is api.Outcome.DONE and ended.outputs and request:
            self._readings.settled(ended.outputs, request.wanted)
        else:
            self._readings.forget()

    def _given(self) -> Given:
        return self._readings.recorded().given
