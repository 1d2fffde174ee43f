"""A fleet on one host, as its file describes it: programs, addresses, and what runs at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, ProcessSpec

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """How the programs spell, in their environment, what the driver sets on its own."""

    marker: str = "DW_V2_CURRENT_COMPATIBILITY"
    server_id: str = "DW_SERVER_ID"
    build_id: str = "DW_WORKER_BUILD_ID"
    worker_id: str = "ROLLOUT_KIT_WORKER_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image name stands for: where a role's argv says `{image}`, else before it."""

    argv: tuple[str, ...] = ()
    version: str | None = None
    environment: Environment = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An argv with `{placeholders}` and the environment that goes with it."""

    argv: tuple[str, ...]
    environment: Environment = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The one address before all nodes."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An API node: its address stays, its spec is what a rollout replaces."""

    host: str
    port: int
    argv: tuple[str, ...]
    declared: ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Singleton:
    """The scheduler, or one maintenance process."""

    argv: tuple[str, ...]
    declared: ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The workers of one task queue: their program, and the cohorts that it starts with."""

    namespace: str
    task_queue: str
    program: Program
    declared: Mapping[CohortRef, CohortSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The whole file."""

    file: Path
    state: Path
    grace_s: float
    environment: Environment
    variables: Variables
    images: Mapping[str, Image]
    front: Front | None
    nodes: Mapping[str, Node]
    scheduler: Singleton | None
    maintenance: Mapping[str, Singleton]
    queues: tuple[Queue, ...]
    jobs: Mapping[str, Program]
    processes: Mapping[str, Program]

    def queue_of(self, cohort: CohortRef) -> Queue | None:
        """The queue's entry; None where the file does not name it."""
        return next(
            (
                queue
                for queue in self.queues
                if (queue.namespace, queue.task_queue) == (cohort.namespace, cohort.task_queue)
            ),
            None,
        )
