"""What a fleet in memory is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout_kit.emulator.model.settings import Generation, ServerSettings, Tokens
from rollout_kit.emulator.wire import Request, Response
from rollout_kit.ports.infra import CohortSpec, ProcessSpec
from rollout_kit.simulation.workers import Worker

TOKENS = Tokens(worker="worker-token", operator="operator-token", admin="admin-token")
NEVER = float("inf")


@dataclass(frozen=True)
class ServerImage:
    """What an image's server really is: its version, and how long it takes to come up."""

    version: str
    starts_in_s: float = 1.0
    comes_up: bool = True


@dataclass
class Node:
    """One API node as a process: what runs, since when it answers."""

    spec: ProcessSpec
    settings: ServerSettings
    handle: Callable[[Request], Response]
    attached: bool = True
    up_at_s: float = 0.0


@dataclass
class Cohort:
    """The workers of one build on one queue: those wanted, and those that live."""

    spec: CohortSpec
    workers: list[Worker] = field(default_factory=list)


def settings_of(
    name: str, spec: ProcessSpec, generation: Generation, version: str, poll_timeout_s: int
) -> ServerSettings:
    """A node as its server is configured: short leases and heartbeats, so that time is not wasted."""
    return ServerSettings(
        generation=generation,
        server_id=spec.server_id or name,
        version=version,
        image=version,
        marker=spec.marker,
        tokens=TOKENS,
        poll_timeout_s=poll_timeout_s,
        terse=True,
        heartbeat_interval_s=1,
        stale_after_override_s=4,
        workflow_lease_s=5,
        activity_lease_s=5,
    )
