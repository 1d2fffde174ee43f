"""What a line of a story needs of those before it: which step it belongs to, how long something took."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.model.duration import span
from rollout_kit.model.events import (
    GateDecided,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    Record,
    RolloutStarted,
)


class Course:
    """Follows a journal, record by record."""

    def __init__(self) -> None:
        self._titles: Mapping[str, str] = {}
        self._steps: dict[str, str] = {}  # operation -> step
        self._step = ""
        self._began: dict[str, tuple[int, float]] = {}  # operation -> attempt, attended seconds

    def follow(self, record: Record) -> None:
        """Before anything is asked about it."""
        event = record.event
        if isinstance(event, RolloutStarted):
            self._titles = event.execution_plan.steps
            self._steps = {op.id: op.step for op in event.execution_plan.operations}
        if isinstance(event, OperationIntended | OperationAwaited):
            known = self._began.get(event.operation.id)
            if known is None or known[0] != event.attempt:
                self._began[event.operation.id] = (event.attempt, record.attended_s)

    def enters(self, operation: str) -> str:
        """The head of the step that this operation is the first one told of; else empty."""
        step = self._steps.get(operation, "")
        if not step or step == self._step:
            return ""
        self._step = step
        title = self._titles.get(step) or step
        return title if title == step else f"{step}: {title}"

    def took(self, record: Record) -> str:
        """How long what ends here went on, in attended seconds; empty for what took no time."""
        if not isinstance(record.event, OperationCompleted | OperationFailed | GateDecided):
            return ""
        began = self._began.pop(record.event.operation, None)
        took_s = 0.0 if began is None else record.attended_s - began[1]
        return f"  {span(took_s)}" if took_s > 0 else ""
