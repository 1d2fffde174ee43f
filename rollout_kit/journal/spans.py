"""A journal as spans in time: the rollout, its rollback, each step, each attempt of an operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from rollout_kit.model.events import (
    GateDecided,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    OperationIntended,
    OperationReapplied,
    OperationSkipped,
    Outcome,
    Record,
    RollbackStarted,
    RolloutFinished,
    RolloutStarted,
)
from rollout_kit.model.operation import Operation
from rollout_kit.model.state import RolloutState, evolve

RESTORED = (Outcome.ROLLED_BACK, Outcome.ROLLED_BACK_WITH_RESIDUE)


class Status(IntEnum):
    """How a span ended; the numbers are OpenTelemetry's."""

    UNSET = 0  # not over, skipped, or begun anew
    OK = 1
    ERROR = 2


@dataclass(slots=True, kw_only=True)
class Span:
    """One stretch of time. `seed` tells it from all other spans of its rollout, also in a later export.

    `moments` are the records that fall into it and begin no span of their own.
    """

    seed: str
    parent: str  # its seed; "" for the rollout's own span
    name: str
    start: datetime
    end: datetime
    about: dict[str, str | int | float | bool | Sequence[int]]
    moments: list[Record] = field(default_factory=list)
    status: Status = Status.UNSET
    message: str = ""
    open: bool = True

    def reach(self, at: datetime) -> None:
        """It lasts until then at least; a wall clock that was set back shortens nothing."""
        self.end = max(self.end, at)

    def close(self, status: Status, message: str = "") -> None:
        self.status, self.open = status, False
        self.message = message if status is Status.ERROR else ""


def spans(records: Sequence[Record]) -> tuple[Span, ...]:
    """The rollout's own span first; none where nothing has begun."""
    if not records or not isinstance(records[0].event, RolloutStarted):
        return ()
    story = _Story(records[0].event, records[0])
    for record in records:
        story.add(record)
    story.judge_steps()
    story.root.about |= {
        "attended_s": records[-1].attended_s,
        "records": len(records),
        "fences": sorted({record.fence for record in records}),
    }
    return tuple(story.spans)


class _Story:
    def __init__(self, started: RolloutStarted, record: Record) -> None:
        self.titles = started.execution_plan.steps
        self.known = {op.id: op for op in started.execution_plan.operations}
        self.state = RolloutState()
        self.attempts: dict[str, Span] = {}  # the latest of each operation
        self.steps: dict[str, Span] = {}
        self.spans: list[Span] = []
        self.rollback: Span | None = None
        about = {
            "rollout": started.rollout,
            "plan": started.plan,
            "digest": started.digest,
            "target": started.target,
        }
        self.root = self._begin(f"rollout {started.plan}", record, None, "rollout", about)

    def add(self, record: Record) -> None:
        self.state = evolve(self.state, record)
        self.root.reach(record.at)
        if self.rollback is not None and self.state.finished is None:
            self.rollback.reach(record.at)
        match record.event:
            case OperationAwaited(operation=op) | OperationIntended(operation=op):
                self.known.setdefault(op.id, op)
                self._attempt(op.id, record)
            case OperationReapplied(operation=name) | GateDecided(operation=name):
                self._attempt(name, record).moments.append(record)
            case OperationCompleted() | OperationFailed() | OperationSkipped() as event:
                self._end(event, record)
            case RollbackStarted(cause=cause):
                self.root.moments.append(record)
                self.root.close(Status.UNSET)
                self.rollback = self._begin(
                    "rollback", record, self.root, "rollback", {"cause": cause}
                )
            case RolloutFinished() as event:
                self._finish(event, record.at)
            case RolloutStarted():
                pass
            case _:
                self.root.moments.append(record)

    def judge_steps(self) -> None:
        """A step is what the last attempts of its operations are."""
        for step in self.steps.values():
            own = [span for span in self.attempts.values() if span.parent == step.seed]
            failed = [span for span in own if span.status is Status.ERROR]
            if failed:
                step.close(Status.ERROR, f"{failed[0].name}: {failed[0].message}")
            elif not any(span.open for span in own):
                step.close(Status.OK)

    def _end(
        self, event: OperationCompleted | OperationFailed | OperationSkipped, record: Record
    ) -> None:
        span = self._attempt(event.operation, record)
        match event:
            case OperationCompleted(wrote=wrote, sentence=sentence):
                span.about |= {"wrote": wrote, "sentence": sentence}
                span.close(Status.OK)
            case OperationFailed(reason=reason):
                span.close(Status.ERROR, reason)
            case OperationSkipped(reason=reason):
                span.about["skipped"] = reason
                span.close(Status.UNSET)

    def _finish(self, event: RolloutFinished, at: datetime) -> None:
        self.root.about["outcome"] = event.outcome.value
        good = event.outcome is Outcome.SUCCEEDED
        self.root.close(Status.OK if good else Status.ERROR, event.sentence)
        if self.rollback is not None:
            self.rollback.reach(at)
            restored = event.outcome in RESTORED
            self.rollback.close(Status.OK if restored else Status.ERROR, event.sentence)

    def _attempt(self, name: str, record: Record) -> Span:
        """The attempt that is under way; one that begins with this record if there is none."""
        number = self.state.attempt(name)
        found = self.attempts.get(name)
        op = self.known.get(name) or Operation(id=name, kind="", step=name.partition("/")[0])
        parent = self._parent(op, record)
        if found is not None and found.open and found.about["attempt"] == number:
            found.reach(record.at)
            return found
        if found is not None:
            found.open = False
        about: dict[str, str | int] = {
            "operation": op.id,
            "kind": op.kind,
            "step": op.step,
            "because": op.because,
            "attempt": number,
            "actor": record.actor,
            "fence": record.fence,
        }
        self.attempts[name] = self._begin(name, record, parent, "operation", about)
        return self.attempts[name]

    def _parent(self, op: Operation, record: Record) -> Span:
        """An undo belongs to the rollback, if there is one; anything else to its step."""
        if self.rollback is not None and op.id.startswith("undo/"):
            return self.rollback
        if op.step not in self.steps:
            about = {"step": op.step, "title": self.titles.get(op.step, "")}
            self.steps[op.step] = self._begin(op.step, record, self.root, "step", about)
        self.steps[op.step].reach(record.at)
        return self.steps[op.step]

    def _begin(
        self,
        name: str,
        record: Record,
        parent: Span | None,
        what: str,
        about: Mapping[str, str | int],
    ) -> Span:
        span = Span(
            seed=f"{record.sequence}/{what}",
            parent=parent.seed if parent else "",
            name=name,
            start=record.at,
            end=record.at,
            about=dict(about),
        )
        self.spans.append(span)
        return span
