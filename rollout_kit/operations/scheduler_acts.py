"""What the operations on the singleton scheduler are told."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.model.situation import SchedulerNumbers, Situation
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.pins import PinRules
from rollout_kit.ports.infra import ProcessSpec

TICK_S = 10.0
"""How often a scheduler looks for due schedules, where its environment does not say."""
TICK_VARIABLE = "SCHEDULER_TICK_SECONDS"
PROCESSES = "scheduler/processes"
RESOURCE, PROGRAM = "scheduler", "the scheduler's program"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSchedulerArguments:
    """`then`: what is to be started afterwards; nothing is stopped before that is known.

    `pins`: what serves the marker of `then`, where it differs from the present one; else None.
    """

    then: ProcessSpec | None = None
    pins: PinRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSchedulerArguments:
    """`revision`: of the schema that it needs (None: none new). `gap_at_most_s` is reported, no more.

    `before`: what ran until then: its undo stops nothing that this could not follow.
    """

    spec: ProcessSpec | None
    gap_at_most_s: float
    revision: str | None = None
    pins: PinRules | None = None
    tick_s: float = TICK_S
    before: ProcessSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitSchedulerArguments:
    """`overdue_at_most_s=None`: only that it keeps running is asked for."""

    tick_s: float
    overdue_at_most_s: float | None


def numbers(situation: Situation) -> SchedulerNumbers:
    return situation.scheduler or SchedulerNumbers()


def cannot_count(situation: Situation) -> bool:
    """Whether the driver counts no processes at all, so that only a person can say what runs."""
    return situation.unread.get(PROCESSES, "").startswith(CANNOT)


def tick_of(spec: ProcessSpec | None) -> float:
    """Seconds between two ticks, from the scheduler's own environment."""
    said = spec.environment.get(TICK_VARIABLE, "") if spec else ""
    try:
        return float(said)
    except ValueError:
        return TICK_S
