"""What is really so in a simulated world, read from the servers' own rows and the machines themselves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, ProcessSpec
from rollout_kit.simulation.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTruth:
    """`up`: it would answer now. `version`: what its image really is."""

    spec: ProcessSpec
    version: str
    up: bool
    attached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortTruth:
    """`workers`: ids of the processes that live now; `spec.replicas` are wanted."""

    spec: CohortSpec
    workers: tuple[str, ...]


class Truth:
    """Read-only; nothing is computed before somebody asks. Nothing here goes through the product."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def generation(self) -> Generation:
        return self._world.generation

    @property
    def at_s(self) -> float:
        """Virtual seconds since the world began."""
        return self._world.clock.elapsed_s

    @property
    def nodes(self) -> Mapping[str, NodeTruth]:
        fleet = self._world.fleet
        return {
            name: NodeTruth(
                spec=node.spec,
                version=fleet.images[node.spec.image].version,
                up=fleet.up(name),
                attached=node.attached,
            )
            for name, node in fleet.nodes.items()
        }

    @property
    def cohorts(self) -> Mapping[CohortRef, CohortTruth]:
        return {
            ref: CohortTruth(
                spec=found.spec, workers=tuple(worker.worker_id for worker in found.workers)
            )
            for ref, found in self._world.fleet.cohorts.items()
        }

    @property
    def scheduler(self) -> ProcessSpec | None:
        """What runs as the scheduler now."""
        return self._world.fleet.scheduler

    @property
    def started_runs(self) -> tuple[str, ...]:
        """Workflow ids that the load has started, as the server confirmed."""
        return tuple(self._world.started)

    @property
    def journal(self) -> bytes:
        """What is durable now."""
        return self._world.journal.data

    @property
    def now_us(self) -> int:
        """Now, as the servers' rows have it."""
        return to_us(self._world.clock.now())

    def replays(self, cohort: CohortRef) -> tuple[str | None, ...]:
        """The builds whose runs this cohort's code can carry on: its own, and what it serves."""
        return (cohort.build_id, *self._world.fleet.serves.get(cohort.build_id or "", ()))

    def rows(self) -> AbstractContextManager[Rows]:
        """The servers' shared rows."""
        return self._world.store.read()
