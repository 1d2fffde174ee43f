"""Gates and guards as a plan declares them: one source and one threshold."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from rollout_kit.document.position import Position
from rollout_kit.document.terms import BuildSelector, SecretText
from rollout_kit.model.gate import CohortMeasure, Threshold


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
    """A count about one cohort, or (`unserved_pins` alone) about a queue or the whole plan."""

    measure: CohortMeasure
    task_queue: str | None
    """None, for `unserved_pins`: every queue."""
    build: BuildSelector | None
    """None, for `unserved_pins`: every build."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDeclaration:
    """What has to be true before the plan goes on."""

    name: str
    source: Source
    threshold: Threshold
    """For readiness: at most 0."""
    for_s: float
    """How long without a breach, in seconds under watch; 0 is one good sample."""
    within_s: float
    """How long we wait for that, in seconds."""
    interval_s: float
    no_data_limit: int
    """More consecutive samples without data than this hold the rollout."""
    position: Position | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInGuard:
    """One of the four guards of every plan, with the figures the plan sets."""

    guard: GuardName
    off: str | None
    """The author's reason for doing without it; None: it is on."""
    threshold: Threshold | None
    """None: the guard's own."""
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
    threshold: Threshold
    interval_s: float
    failure_limit: int
    """More consecutive breaches than this fail the rollout."""
    no_data_limit: int
    position: Position | None = field(default=None, compare=False)


GuardDeclaration: TypeAlias = BuiltInGuard | AddedGuard
