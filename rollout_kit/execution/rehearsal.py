"""Which changes of infrastructure a plan would ask for: each operation's own `apply`, rehearsed.

An operation is handed writers that note what it asks for and do nothing. What it reads is the fleet
as it is, with the changes noted so far laid over it. So what is announced is what will be sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn, cast

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement, Operation
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.engine import Engine
from rollout_kit.ports.errors import InFlight, OutsideError, Refused
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    InfraReader,
    JobStatus,
    LiveProcess,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)


def changes_of(
    operations: Iterable[Operation], readers: Readers
) -> tuple[tuple[str, InfraChange], ...]:
    """What each of these operations would ask of the driver, those that ask for nothing left out.

    An operation that cannot be rehearsed because something does not answer is left out as well.
    Raises InFlight.
    """
    stage = _Stage(readers.infra)
    engine = cast("Engine", _NoEngine())
    for op in operations:
        stage.operation = op.id
        try:
            KINDS[op.kind].apply(op, op.id, Writers(engine=engine, infra=stage))
        except InFlight:
            raise  # what is being read will be there in a moment
        except OutsideError:
            continue  # it writes to the server, or nobody says what is there: judged at apply
    return tuple(stage.noted)


class _NoEngine:
    """A server that refuses everything: who asks it anything is not about infrastructure."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Refused(f"{name}: this is a rehearsal")


class _Stage:
    """The fleet with the noted changes laid over it; implements `ports.infra.Infra`."""

    def __init__(self, fleet: InfraReader) -> None:
        self._fleet = fleet
        self.operation = ""
        self.noted: list[tuple[str, InfraChange]] = []

    def begin(self, key: str, change: InfraChange) -> None:  # noqa: ARG002
        self.noted.append((self.operation, change))

    def stop(self, key: str) -> None:
        """Nothing runs."""

    def answers(self) -> frozenset[Answers]:
        return self._fleet.answers()

    def node_spec(self, node: str) -> ProcessSpec:
        for _, change in reversed(self.noted):
            if isinstance(change, ReplaceNode) and change.node == node:
                return change.spec
        return self._fleet.node_spec(node)

    def attached(self, node: str) -> bool:
        for _, change in reversed(self.noted):
            if isinstance(change, SetAttached) and change.node == node:
                return change.attached
        return self._fleet.attached(node)

    def connections(self, node: str) -> int | None:
        return self._fleet.connections(node)

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        return self._fleet.node_processes(node)

    def scheduler_spec(self) -> ProcessSpec | None:
        for _, change in reversed(self.noted):
            if isinstance(change, SetScheduler):
                return change.spec
        return self._fleet.scheduler_spec()

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        return self._fleet.scheduler_processes()

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        changed = {c.name: c.spec for _, c in self.noted if isinstance(c, SetMaintenance)}
        return {**self._fleet.maintenance_specs(), **changed}

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        return self._fleet.maintenance_processes(name)

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        found = dict(self._fleet.cohort_specs())
        for _, change in self.noted:
            if isinstance(change, SetCohort):
                found[change.cohort] = change.spec
            elif isinstance(change, RemoveCohort):
                found.pop(change.cohort, None)
        return found

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        return self._fleet.cohort_processes(cohort)

    def ended(self, resource: str) -> ProgramEnd | None:
        return self._fleet.ended(resource)

    def knows_image(self, image: str) -> bool:
        return self._fleet.knows_image(image)

    def work(self, key: str) -> JobStatus:
        return self._fleet.work(key)

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        return self._fleet.announce(changes)
