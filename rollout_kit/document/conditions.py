"""Gates and guards as a plan declares them: one source and its thresholds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from rollout_kit.document.terms import BuildSelector, Position, SecretText, Share

DEFAULT_INTERVAL_S = 10.0
DEFAULT_NO_DATA_LIMIT = 3
DEFAULT_GUARD_FAILURE_LIMIT = 2
DEFAULT_GATE_WITHIN_S = 600.0


class CohortCount(enum.StrEnum):
    """A number about cohorts that a gate can judge."""

    UNSERVED_PINS = "unserved_pins"
    """Open runs and ready tasks whose pin no cohort of their queue serves."""
    ACTIVE_WORKERS = "active_workers"
    DRAINING_WORKERS = "draining_workers"
    STALE_WORKERS = "stale_workers"
    LEASES = "leases"
    OPEN_PINNED_RUNS = "open_pinned_runs"


class GuardName(enum.StrEnum):
    """The guards that every plan has."""

    SERVED = "served"
    SUPPORTERS = "supporters"
    ATTACHED_READY = "attached-ready"
    REPAIR_NEAR_BASELINE = "repair-near-baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    """A leaf of the server's operator metrics, as `tasks.lease_expired`; its own unit."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSource:
    """A count about cohorts: a sum over what `task_queue` and `build` select."""

    count: CohortCount
    task_queue: str | None
    """None is every queue that the plan names."""
    build: BuildSelector | None
    """None is every build of those queues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessSource:
    """How many of the named nodes are *not* ready."""

    node: str | None
    """A node of the target; None is all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource:
    """A value out of a JSON answer to a GET."""

    url: str
    pointer: str
    """RFC 6901, as in `/data/result/0/value`; empty is the whole document."""
    headers: tuple[tuple[str, SecretText], ...]


Source: TypeAlias = MetricSource | CohortSource | ReadinessSource | HttpSource


@dataclass(frozen=True, slots=True)
class AtMost:
    """The sample is `value` or less."""

    value: float


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The sample is `value` or more."""

    value: float


@dataclass(frozen=True, slots=True)
class Equals:
    """The sample is exactly this; only an HTTP source gives text or truth values."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class IncreaseAtMost:
    """The sample exceeds the baseline by no more than this many units, or per cent of it."""

    by: float | Share


Threshold: TypeAlias = AtMost | AtLeast | Equals | IncreaseAtMost


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDeclaration:
    """What has to be true before the plan goes on; all thresholds have to hold."""

    name: str
    source: Source
    thresholds: tuple[Threshold, ...]
    """At least one; for readiness it is `AtMost(0)`."""
    for_s: float
    """How long without a breach, in seconds under watch; 0 is one good sample."""
    within_s: float
    """How long we wait for that, in seconds."""
    interval_s: float
    failure_limit: int | None
    """More consecutive breaches than this fail it before `within_s`; None: time alone decides."""
    no_data_limit: int
    """More consecutive samples without data than this hold the rollout."""
    position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInGuard:
    """One of the four guards of every plan, with the figures the plan sets."""

    guard: GuardName
    off: str | None
    """The author's reason for doing without it; None: it is on."""
    thresholds: tuple[Threshold, ...]
    """Empty: the guard's own."""
    interval_s: float
    failure_limit: int
    no_data_limit: int
    position: Position | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Name it as gates are named."""
        return self.guard.value


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedGuard:
    """A guard of the plan's own, watched during the whole rollout."""

    name: str
    source: Source
    thresholds: tuple[Threshold, ...]
    interval_s: float
    failure_limit: int
    """More consecutive breaches than this fail the rollout."""
    no_data_limit: int
    position: Position | None = field(default=None, compare=False)


GuardDeclaration: TypeAlias = BuiltInGuard | AddedGuard
