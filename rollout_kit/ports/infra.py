"""Infrastructure as a rollout sees it: what runs, who is in rotation, long work by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Announcement, InfraProgram
from rollout_kit.model.situation import ProgramEnd


class Answers(StrEnum):
    """What a driver can say. What it cannot is asked of a person or reads "not judged"."""

    SPEC = "spec"
    MEMBERSHIP = "membership"
    CONNECTIONS = "connections"
    PROCESSES = "processes"
    JOBS = "jobs"
    ANNOUNCE = "announce"  # which resources each change will touch, before anything is done


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What one singleton process (API node, scheduler, maintenance) runs now.

    `environment` holds `${env:NAME}` references where values are secret. `marker` is the value of
    the engine's marker variable, lifted out because it is judged on its own. `server_id` where the
    spec sets it.
    """

    image: str
    marker: str | None = None
    server_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None  # the version the image is known to be, where the driver knows


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSpec:
    """Desired workers of one cohort; `replicas=0` is a stopped one."""

    image: str
    replicas: int
    environment: Mapping[str, str] = field(default_factory=dict)
    autoscaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProcess:
    """One process that the driver counts. `worker_id` for workers: it joins leases with processes."""

    pid: int
    worker_id: str | None = None


class JobState(StrEnum):
    """How long work under a key stands."""

    UNKNOWN = "unknown"  # never begun
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"  # its supervisor died without a word
    REFUSED = "refused"  # it would have reached further than announced: nothing was sent
    CONFLICT = "conflict"  # somebody else holds or changed what it needs
    AWAITED = "awaited"  # a person was asked for it, and the server will show it
    ASKED = "asked"  # a person was asked for it, and only they can say when it is done


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    state: JobState
    exit_status: int | None = None
    output: str = ""  # standard output, its last 64 KiB
    detail: str = ""  # what to tell a person: the last lines of standard error
    progress: str = ""  # what it waits for, in its own words, while it runs


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAttached:
    """Take a node into or out of the front's rotation."""

    node: str
    attached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceNode:
    """Stop what runs as this node, start this spec."""

    node: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SetScheduler:
    """`spec=None` stops the scheduler; a spec starts it (the driver never runs two)."""

    spec: ProcessSpec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMaintenance:
    name: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCohort:
    """Desired workers of a cohort; `replicas=0` stops them all."""

    cohort: CohortRef
    spec: CohortSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveCohort:
    """Take a stopped cohort out of what the driver is told to run: it never heard of it.

    Only for a driver that keeps a configuration of its own, which names whatever ever ran.
    """

    cohort: CohortRef


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    """A job that the fleet knows by name (`bootstrap`, `migrate-status`), with an image."""

    job: str
    image: str
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """A user's own command on the machine that applies."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


InfraChange: TypeAlias = (
    SetAttached
    | ReplaceNode
    | SetScheduler
    | SetMaintenance
    | SetCohort
    | RemoveCohort
    | RunJob
    | RunCommand
)


class InfraReader(Protocol):
    """Every call returns within five seconds; raises Unavailable, Conflict or Refused."""

    def answers(self) -> frozenset[Answers]: ...

    def node_spec(self, node: str) -> ProcessSpec: ...

    def attached(self, node: str) -> bool: ...

    def connections(self, node: str) -> int | None:
        """Connections that the front holds to the node; None where nothing can count them."""
        ...

    def node_processes(self, node: str) -> tuple[LiveProcess, ...]: ...

    def scheduler_spec(self) -> ProcessSpec | None:
        """None: desired state is "no scheduler"."""
        ...

    def scheduler_processes(self) -> tuple[LiveProcess, ...]: ...

    def maintenance_specs(self) -> Mapping[str, ProcessSpec]: ...

    def maintenance_processes(self, name: str) -> tuple[LiveProcess, ...]: ...

    def cohort_specs(self) -> Mapping[CohortRef, CohortSpec]: ...

    def cohort_processes(self, cohort: CohortRef) -> tuple[LiveProcess, ...]: ...

    def ended(self, resource: str) -> ProgramEnd | None:
        """What ended by itself of a resource whose last change is finished, and is not restarted.

        None: nothing did, or the driver cannot tell. `resource`: `node/NAME`, `scheduler`,
        `maintenance/NAME` or `cohort/PATH`.
        """
        ...

    def knows_image(self, image: str) -> bool:
        """Whether this image can be run at all; judged before the first write."""
        ...

    def work(self, key: str) -> JobStatus:
        """The state of the long work begun under this key."""
        ...

    def announce(self, changes: tuple[tuple[str, InfraChange], ...]) -> tuple[Announcement, ...]:
        """What each operation's change would do to which resources, in order. Reads only."""
        ...


@runtime_checkable
class Announces(Protocol):
    """A driver that says beforehand which resources each change will touch, and keeps to it."""

    def hold_to(self, announced: tuple[Announcement, ...], program: InfraProgram | None) -> None:
        """What the rollout announced, and with which program: a change beyond that is refused."""
        ...


@runtime_checkable
class Programmed(Announces, Protocol):
    """A driver beside whose fleet there is a program of infrastructure, and a state that it records."""

    def program(self) -> InfraProgram:
        """Where the program is, and what it is now."""
        ...

    def binding(self) -> Mapping[str, str]:
        """What a saved preview is held to beside the fleet, each with a value that people can compare."""
        ...

    def output(self, path: tuple[str, ...]) -> object:
        """A value of the program's outputs by its path; None where there is none. May be InFlight."""
        ...

    def put_back_by(self, program: InfraProgram) -> str:
        """Why the program as it is now cannot undo what `program` did; empty: it can, or is the same."""
        ...


class Infra(InfraReader, Protocol):
    """Long work: `begin`, `InfraReader.work`, `stop`."""

    def begin(self, key: str, change: InfraChange) -> None:
        """Record the desired state, then start. The same key joins what runs; only jobs join a success."""
        ...

    def stop(self, key: str) -> None:
        """Stop and settle what runs under this key; silent when nothing does."""
        ...
