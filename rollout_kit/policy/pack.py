"""A policy pack as values: rules that plans for some targets have to keep to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeAlias

from rollout_kit.document.plan import CohortMeasure, Position, StepKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedTargets:
    """Plans may address targets of these names; `*` and `?` stand for anything."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredGate:
    """Steps of this kind name a gate like this one. Exactly one of the four sources is set."""

    uses: StepKind
    gate: str | None = None
    metric: str | None = None
    cohort: CohortMeasure | None = None
    readiness: bool = False
    at_most: float | None = None
    """The gate's own limit may be lower, not higher."""

    @property
    def label(self) -> str:
        """What has to be judged, in words."""
        limit = "" if self.at_most is None else f" with at_most {self.at_most:g} or less"
        if self.gate is not None:
            return f'gate "{self.gate}"{limit}'
        if self.metric is not None:
            return f"a gate on metric {self.metric}{limit}"
        if self.cohort is not None:
            return f"a gate on cohort: {self.cohort.value}{limit}"
        return "a gate on readiness"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredGates:
    gates: tuple[RequiredGate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesOut:
    """At most so many API nodes out of rotation at once: a count, or per cent of the target's nodes."""

    at_most: float
    percent: bool

    def of(self, total: int) -> int:
        """How many that is; per cent are rounded down, for this is a limit."""
        return int(total * self.at_most / 100 + 1e-9) if self.percent else int(self.at_most)

    @property
    def label(self) -> str:
        return f"{self.at_most:g}%" if self.percent else f"{self.at_most:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedWindow:
    """From one moment to another, by the wall clock of the freeze's time zone."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyWindow:
    """On these weekdays (Monday is 0). An `end` of None is midnight; an earlier one is the next day's."""

    weekdays: tuple[int, ...]
    start: time
    end: time | None


Window: TypeAlias = DatedWindow | WeeklyWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """No rollout starts within these windows. `time_zone` is an IANA name."""

    time_zone: str
    windows: tuple[Window, ...]


Body: TypeAlias = AllowedTargets | RequiredGates | NodesOut | Freeze


class Enforcement(StrEnum):
    MANDATORY = "mandatory"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    body: Body
    enforcement: Enforcement
    hint: str
    """The author's own; empty where there is none."""
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPack:
    """`applies_to`: names of targets, with `*` and `?`."""

    name: str
    file: str
    applies_to: tuple[str, ...]
    rules: tuple[Rule, ...]

    def concerns(self, target: str) -> bool:
        return any(fnmatchcase(target, pattern) for pattern in self.applies_to)
