"""The fleet in memory as the product's driver sees it: `ports.infra.Infra`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    JobStatus,
    LiveProcess,
    ProcessSpec,
)
from rollout_kit.simulation.effects import Who
from rollout_kit.simulation.front import Front
from rollout_kit.simulation.members import TOKENS, ServerImage

__all__ = ["TOKENS", "MemoryFleet", "ServerImage"]

EVERYTHING = frozenset(Answers)


class MemoryFleet(Front):
    """Implements `ports.infra.Infra`: every change is done at once.

    `before_begin` and `after_begin` are called around each: they may raise what a driver raises.
    """

    before_begin: Callable[[str], None] = staticmethod(lambda _key: None)
    after_begin: Callable[[str], None] = staticmethod(lambda _key: None)

    def answers(self) -> frozenset[Answers]:
        return EVERYTHING

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
        return tuple(LiveProcess(pid=2 + number) for number in range(self.schedulers()))

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

    def ended(self, resource: str) -> ProgramEnd | None:  # noqa: ARG002
        return None

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
        self.before_begin(key)
        self.begun.append((key, change))
        self.jobs[key] = self.change(change, Who.TOOL, key)
        self.after_begin(key)

    def stop(self, key: str) -> None:
        self.jobs.pop(key, None)
