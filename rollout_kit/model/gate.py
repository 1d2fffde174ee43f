"""Gates and guards as values: where a number comes from, what it is held against, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from rollout_kit.model.identity import CohortRef, QueueRef


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    """A leaf of the server's operator metrics, e.g. `tasks.lease_expired`."""

    path: str
    namespace: str


class CohortMeasure(StrEnum):
    """What a cohort gate counts."""

    UNSERVED_PINS = "unserved_pins"  # open runs and ready tasks whose pin nobody serves
    ACTIVE_WORKERS = "active_workers"
    DRAINING_WORKERS = "draining_workers"
    LEASES = "leases"
    OPEN_PINNED_RUNS = "open_pinned_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSource:
    """A cohort's state. For `unserved_pins` alone: without `cohort` a queue, without both the whole plan.

    `ignoring`: labels of builds whose open runs the plan's author gave up.
    """

    measure: CohortMeasure
    cohort: CohortRef | None = None
    queue: QueueRef | None = None
    ignoring: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessSource:
    """How many API nodes are *not* ready: of all that are attached, or (0 or 1) of the one named."""

    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource:
    """A number in a JSON document. Header values are `${env:NAME}` references, never secrets."""

    url: str
    pointer: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportersSource:
    """Markers carried by API nodes and scheduler that no started cohort serves (rule 19)."""

    ignoring: tuple[str, ...] = ()  # labels of builds whose open runs the author gave up


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSource:
    """A row of the verification table that facts answer: 0 holds, else how many of them do not."""

    row: str  # bootstrap-done | nodes-are-to | drains-retired
    subject: Mapping[str, str] = field(default_factory=dict)  # fact path -> expected value as text
    retired: tuple[CohortRef, ...] = ()
    why_not: str = ""  # why there is nothing to judge, as the table prints it


GateSource: TypeAlias = (
    MetricSource | CohortSource | ReadinessSource | HttpSource | SupportersSource | StandingSource
)


class Bound(StrEnum):
    AT_MOST = "at_most"
    AT_LEAST = "at_least"
    EQUALS = "equals"
    INCREASE_AT_MOST = "increase_at_most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """`value` in the source's unit, or per cent of the baseline's mean when `percent`."""

    bound: Bound
    value: float
    percent: bool = False
    plus_elapsed_ms: bool = False  # an age may grow by the time elapsed since the baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """A gate, complete without its document. `for_s`: how long it must hold; `within_s`: how long we wait."""

    name: str
    source: GateSource
    threshold: Threshold
    for_s: float
    within_s: float
    interval_s: float = 10.0
    no_data_limit: int = 3  # more consecutive samples without data are "cannot measure"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSpec:
    """A guard, watched during the whole rollout; fails after more than `failure_limit` breaches in a row."""

    name: str
    source: GateSource
    threshold: Threshold
    interval_s: float = 10.0
    failure_limit: int = 2
    no_data_limit: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. `value=None` is no data, with the reason in `detail`; it never becomes 0."""

    at_s: float  # monotonic seconds
    value: float | None
    detail: str = ""  # what was read, or why there is none; "k of n" for partial counts
    partial: bool = False


class Verdict(StrEnum):
    PENDING = "pending"
    PASS = "pass"
    INCONCLUSIVE = "inconclusive"  # cannot measure: holds, never fails
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with the sentence that explains it: both values, with units."""

    verdict: Verdict
    sentence: str
    held_for_s: float = 0.0
    breaches: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Samples taken before the first write, of one gate or guard, and when (attended seconds)."""

    name: str
    values: tuple[float, ...]
    attended_s: float = 0.0

    @property
    def mean(self) -> float | None:
        return sum(self.values) / len(self.values) if self.values else None
