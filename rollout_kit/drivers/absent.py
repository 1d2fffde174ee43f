"""No driver: for plans that touch no infrastructure, and previews that cannot reach theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobStatus,
    LiveProcess,
    ProcessSpec,
)


class AbsentDriver:
    """Implements `ports.infra.Infra`: it answers nothing, and says why.

    `unset`: the variable that would name it, which this session was not given and another one will
    be; what it feeds then reads "not read", and nobody says that it cannot be known.
    """

    def __init__(self, reason: str, *, unset: bool = False) -> None:
        self._reason = reason
        self._unset = unset

    def answers(self) -> frozenset[Answers]:
        return frozenset(Answers) if self._unset else frozenset()

    def node_spec(self, node: str) -> ProcessSpec:
        self._refuse(f"what runs as node {node}")

    def attached(self, node: str) -> bool:
        self._refuse(f"whether node {node} is attached")

    def connections(self, node: str) -> int | None:
        self._refuse(f"the connections of node {node}")

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]:
        self._refuse(f"the processes of node {node}")

    def scheduler_spec(self) -> ProcessSpec | None:
        self._refuse("what runs as scheduler")

    def scheduler_processes(self) -> tuple[LiveProcess, ...]:
        self._refuse("the processes of the scheduler")

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]:
        self._refuse("what runs as maintenance")

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]:
        self._refuse(f"the processes of {name}")

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]:
        self._refuse("the desired workers")

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        self._refuse(f"the processes of {cohort.label}")

    def ended(self, resource: str) -> ProgramEnd | None:
        self._refuse(f"what ended of {resource}")

    def knows_image(self, image: str) -> bool:
        self._refuse(f"whether {image} can be run")

    def work(self, key: str) -> JobStatus:
        self._refuse(f"the work {key}")

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:  # noqa: ARG002
        return ()

    def begin(self, key: str, change: InfraChange) -> None:
        self._refuse(f"{type(change).__name__} ({key})")

    def stop(self, key: str) -> None:
        """Nothing runs under any key."""

    def _refuse(self, what: str) -> NoReturn:
        raise Refused(
            f"{what}: no driver answers ({self._reason})",
            why="Without a driver nothing of the infrastructure can be seen or changed.",
            hint="give the plan an `infra` section, or set what it refers to",
            trouble=Trouble.AUTH if self._unset else Trouble.OTHER,
        )
