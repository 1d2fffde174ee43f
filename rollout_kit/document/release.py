"""What a plan changes: the server's version, the builds of the workers."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.document.terms import BuildSelector, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSets:
    """Protocol versions that the new server speaks; None where undeclared."""

    control_plane: tuple[str, ...] | None
    worker: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyDeclaration:
    """What a new node shows of its place in the fleet; None: as before."""

    shape: str | None
    process_class: str | None
    roles: tuple[str, ...] | None
    matching_role: tuple[tuple[str, str | bool], ...]
    """Fields of the matching role that the new node shows, by their names on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRelease:
    """The server version to leave and the one to reach; equal ones are a restart."""

    from_: str
    to: str
    image: str
    revision: str
    """Of the schema; `to` unless the plan names one."""
    from_image: str | None
    identity: Identity
    protocols: ProtocolSets | None
    topology: TopologyDeclaration | None

    @property
    def is_restart(self) -> bool:
        """Tell a restart on another image digest from a change of version."""
        return self.from_ == self.to


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRelease:
    """The build to leave and the one to reach on one queue."""

    task_queue: str
    namespace: str
    from_: BuildSelector | None
    """None: the queue has no cohort that this plan would leave."""
    to: str | None
    """None: the entry only declares what `from_` serves and speaks."""
    image: str | None
    """None only without `to`."""
    replicas: int | None
    """None only without `to`."""
    serves: tuple[str, ...]
    """Other build ids whose runs it can replay; `*` is all."""
    protocol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What changes."""

    server: ServerRelease | None
    workers: tuple[WorkerRelease, ...]
    independent_queues: tuple[str, ...]
    """Queues whose runs never carry a pin of these builds."""
    skew_window_at_most_s: float | None
    """How long two versions may live together; exceeding it holds. None: unbounded."""
