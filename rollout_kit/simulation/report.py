"""What one simulated rollout came to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollout_kit.model.events import (
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    OperationSkipped,
    Outcome,
    Record,
)
from rollout_kit.simulation.checking import Margin, Violation
from rollout_kit.simulation.scenario import Scenario

REFUSED = "refused"
UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """How long a step of the plan took, from its first record to its last, in attended seconds."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run. `outcome`: None where the plan was refused (`refusal` says why) or nothing ended.

    `virtual_s`: from the tool's first start to the end. `struck`: the faults that took place, in
    order. `journal`: its bytes. `trace`: a line for everything that happened, where it was asked for.
    """

    scenario: Scenario
    outcome: Outcome | None
    sentence: str
    refusal: str = ""
    virtual_s: float
    requests: int
    writes: int
    crashes: int
    processes: int
    records: int
    holds: int
    struck: tuple[str, ...]
    steps: tuple[StepTime, ...]
    violations: tuple[Violation, ...]
    margins: tuple[Margin, ...] = ()
    journal: bytes = field(default=b"", repr=False)
    trace: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ending(self) -> str:
        """In a word: an outcome, `refused` or `unfinished`."""
        if self.outcome is not None:
            return self.outcome.value
        return REFUSED if self.refusal else UNFINISHED

    @property
    def worst_step(self) -> StepTime | None:
        """The one that took longest."""
        return max(self.steps, key=lambda found: found.seconds, default=None)


def step_times(records: Iterable[Record]) -> tuple[StepTime, ...]:
    """How long each step took, in the order of the plan; undos count for the step that they undo."""
    steps: dict[str, str] = {}
    spans: dict[str, list[float]] = defaultdict(list)
    for record in records:
        event = record.event
        match event:
            case OperationIntended() | OperationAwaited():
                steps[event.operation.id] = event.operation.step
                spans[event.operation.step].append(record.attended_s)
            case OperationCompleted() | OperationFailed() | OperationSkipped():
                step = steps.get(event.operation)
                if step is not None:
                    spans[step].append(record.attended_s)
            case _:
                pass
    return tuple(
        StepTime(step=step, seconds=round(max(span) - min(span), 3)) for step, span in spans.items()
    )
