"""From a spec to processes: argv and environment of every place, and a digest that tells them apart."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rollout_kit.drivers.process.fleet import Environment, Fleet, Image, Program
from rollout_kit.drivers.process.placeholders import filled
from rollout_kit.drivers.process.state import StateFolder
from rollout_kit.drivers.work.program import Program as WorkProgram
from rollout_kit.model.codec import to_json
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import CohortSpec, ProcessSpec, RunJob

if TYPE_CHECKING:
    from rollout_kit.drivers.work.records import Launch

Entry = TypeVar("Entry")
_NOTHING = Image()


class Renderer:
    """Knows the fleet file and the state folder; decides nothing, starts nothing."""

    def __init__(self, fleet: Fleet, state: StateFolder) -> None:
        self._fleet = fleet
        self._state = state

    @property
    def folder(self) -> Path:
        """Where the fleet file lies: the working directory of all its programs."""
        return self._fleet.file.parent

    def process(
        self, role: str, argv: Sequence[str], spec: ProcessSpec, values: Mapping[str, str]
    ) -> Launch:
        """A node, the scheduler, a maintenance process. Raises Refused: unknown image."""
        variables = self._fleet.variables
        environment = dict(spec.environment)
        if spec.server_id is not None:
            environment[variables.server_id] = spec.server_id
        if spec.marker is not None:
            environment[variables.marker] = spec.marker
        image = self.image(spec.image)
        return self._launch(role, argv, image, environment, values, spec=encoded(spec))

    def worker(self, cohort: CohortRef, number: int, spec: CohortSpec) -> Launch:
        """Place `number` of a cohort. Raises Refused: unknown image or queue."""
        queue = self._fleet.queue_of(cohort)
        if queue is None:
            raise Refused(
                f"{self._fleet.file.name} does not say how workers of {cohort.queue.path} start",
                why="No worker of this queue can be started.",
                hint=f"Add an entry with `task_queue: {cohort.task_queue}` to `cohorts`.",
            )
        build = cohort.build_id or ""
        environment = {**queue.program.environment, **spec.environment}
        if cohort.build_id is not None:
            environment[self._fleet.variables.build_id] = build
        values = {
            "namespace": cohort.namespace,
            "task_queue": cohort.task_queue,
            "build_id": build,
        }
        return self._launch(
            cohort_role(cohort, number),
            queue.program.argv,
            self.image(spec.image),
            environment,
            values,
            spec=encoded(replace(spec, replicas=1)),  # another size restarts nobody
            worker=f"{cohort.task_queue}:{build}:{number}",
        )

    def job(self, change: RunJob) -> WorkProgram:
        """A job of the fleet file. Raises Refused: unknown job or image."""
        program = known("job", change.job, self._fleet.jobs, self._fleet.file)
        image = self.image(change.image) if change.image else _NOTHING
        rendered = self._launch(
            f"job/{change.job}",
            program.argv,
            image,
            program.environment,
            {"revision": change.revision},
        )
        return WorkProgram(
            argv=tuple(rendered["argv"]),
            directory=self.folder,
            environment=rendered["environment"],
            inherits=False,
            role=f"job/{change.job}",
        )

    def program(self, role: str, program: Program) -> Launch:
        """What belongs to the fleet and is neither node, scheduler, maintenance nor worker."""
        return self._launch(role, program.argv, _NOTHING, program.environment, {})

    def image(self, name: str) -> Image:
        """Raises Refused: the fleet file does not know the image."""
        return known("image", name, self._fleet.images, self._fleet.file)

    def _launch(  # noqa: PLR0913 - a launch is exactly this
        self,
        role: str,
        argv: Sequence[str],
        image: Image,
        environment: Environment,
        values: Mapping[str, str],
        *,
        spec: str = "",
        worker: str = "",
    ) -> Launch:
        everywhere = {"python": sys.executable, "folder": str(self.folder)}
        launch: Launch = {
            "role": self._state.role(role),
            "digest": "",
            "argv": filled(argv, image.argv, {**everywhere, **values}),
            "environment": {**self._fleet.environment, **image.environment, **environment},
            "inherits": False,
            "directory": str(self.folder),
            "log": self._state.log(role),
            "worker": worker,
            "worker_variable": self._fleet.variables.worker_id,
            "spec": spec,
        }
        canonical = json.dumps(launch, sort_keys=True).encode()
        return {**launch, "digest": hashlib.sha256(canonical).hexdigest()}


def encoded(spec: ProcessSpec | CohortSpec | None) -> str:
    """A spec as the state folder keeps it."""
    return json.dumps(to_json(spec), sort_keys=True)


def cohort_resource(cohort: CohortRef) -> str:
    return f"cohort/{cohort.path}"


def cohort_role(cohort: CohortRef, number: int) -> str:
    return f"worker/{cohort.path}/{number}"


def known(what: str, name: str, entries: Mapping[str, Entry], file: Path) -> Entry:
    """The entry of this name. Raises Refused, naming those that there are."""
    if name not in entries:
        raise Refused(
            f'{what} "{name}" is not in {file.name}',
            why="The driver can neither see nor change it.",
            hint=f"Known there: {', '.join(sorted(entries)) or 'none'}.",
        )
    return entries[name]
