"""What happens in a simulated world, told to whoever checks it: one frozen class for each thing.

A `Happening` says when and by whose hand. Nothing here is what somebody *believes*: it is told by the
fleet and the servers themselves, as they change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.model.events import Event
from rollout_kit.model.identity import CohortRef


class Who(StrEnum):
    """Whose hand it was."""

    TOOL = "tool"  # this product
    PERSON = "person"  # somebody beside it
    WORKER = "worker"
    LOAD = "load"  # a client that starts runs
    FATE = "fate"  # a fault: nobody wanted it


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted:
    """A process of this spec begins; it is up at `up_at_s` (infinite: never)."""

    node: str
    image: str
    version: str
    marker: str | None
    up_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStopped:
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAttached:
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDetached:
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStarted:
    image: str
    marker: str | None
    running: int  # how many run now


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStopped:
    image: str
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceStarted:
    name: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortChanged:
    """Desired workers from `before` to `after`: a start from 0, a stop to 0, else a scaling.

    `stopped`: worker ids whose processes went.
    """

    cohort: CohortRef
    image: str
    before: int
    after: int
    stopped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied:
    """A fault; the desired count stays."""

    cohort: CohortRef
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapRun:
    """The schema was brought to this version (`succeeded`), or not."""

    image: str
    version: str
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWrite:
    """A request that is no GET reached a node and was answered with this status.

    Polls that found nothing are left out. `late`: the caller had given up by then. `copy`: the same
    request had arrived before.
    """

    node: str
    method: str
    path: str
    namespace: str
    body: bytes
    status: int
    late: bool = False
    copy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Journaled:
    """A record is durable. `sequence`, `fence` and event as written."""

    sequence: int
    fence: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A process of the tool took the rollout up, under this fence; `command` as in `Attached`."""

    process: int
    fence: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded:
    """`crashed`: killed; else it left by itself. `why`: for people."""

    process: int
    crashed: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStruck:
    """A fault of the scenario took place; `number` is its place in `Scenario.blows`."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """From now on nothing fails any more, and what was dead lives."""


Effect: TypeAlias = (
    NodeStarted
    | NodeStopped
    | NodeAttached
    | NodeDetached
    | SchedulerStarted
    | SchedulerStopped
    | MaintenanceStarted
    | CohortChanged
    | WorkerDied
    | BootstrapRun
    | ServerWrite
    | Journaled
    | ToolStarted
    | ToolEnded
    | FaultStruck
    | Healed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One effect. `at_s`: virtual seconds since the world began. `key`: the tool's, of infra changes."""

    at_s: float
    who: Who
    effect: Effect
    key: str = ""
