"""A line for every event, and a sign of life on long waits: pipes, CI logs, dumb terminals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollout_kit.model.duration import span
from rollout_kit.model.events import (
    GateDecided,
    OperationCompleted,
    OperationFailed,
    Progress,
    Record,
    RolloutStarted,
)
from rollout_kit.reporters.course import Course
from rollout_kit.reporters.sentences import Sentence, sentence
from rollout_kit.reporters.text import Printer, Style, one_line

SIGN_OF_LIFE_S = 30.0
"""CI systems end jobs that are silent for minutes; people begin to wonder after one."""


class HumanReporter:
    """Implements `ports.reporter.Reporter` over a `Printer`. `monotonic_s` times the signs of life."""

    def __init__(self, printer: Printer, monotonic_s: Callable[[], float]) -> None:
        self._printer = printer
        self._monotonic_s = monotonic_s
        self._spoke_s = monotonic_s()
        self._course = Course()
        self._decided: set[str] = set()

    def catch_up(self, records: Sequence[Record]) -> None:
        """What was journaled before this process took the rollout up: told then, known now."""
        for record in records:
            if isinstance(record.event, RolloutStarted):
                self._course.follow(record)

    def record(self, record: Record) -> None:
        event = record.event
        self._course.follow(record)
        if isinstance(event, OperationCompleted | OperationFailed) and self._is_told(event):
            return
        said = sentence(event)
        head = self._course.enters(said.subject)
        if head:
            self._printer.line(f"{record.at:%H:%M:%S} {head}", Style.STRONG)
        self._say(f"{record.at:%H:%M:%S}", said, self._course.took(record))

        if isinstance(event, GateDecided):
            self._decided.add(event.operation)

    def progress(self, progress: Progress) -> None:
        now_s = self._monotonic_s()
        if now_s - self._spoke_s < SIGN_OF_LIFE_S or progress.operation.startswith("guard/"):
            return
        if self._printer.behind:
            return
        self._spoke_s = now_s
        text = one_line(progress.text) or "waiting"
        waited = span(float(int(progress.waited_s)))
        self._printer.line(f"           … {progress.operation}  {text} (for {waited})", Style.FAINT)

    def _is_told(self, event: OperationCompleted | OperationFailed) -> bool:
        """A gate's end repeats its decision, which was printed with it."""
        is_decided = event.operation in self._decided
        self._decided.discard(event.operation)
        return is_decided

    def _say(self, at: str, said: Sentence, took: str) -> None:
        self._spoke_s = self._monotonic_s()
        inset = "  " if said.subject else ""
        subject = f"{one_line(said.subject)}  " if said.subject else ""
        symbol = self._printer.paint(said.symbol, said.style)
        text = self._printer.paint(one_line(said.text), Style.NONE if said.subject else said.style)
        self._printer.raw(f"{at} {inset}{symbol} {subject}{text}{took}")
        for detail in said.details:
            self._printer.line(f"{' ' * len(at)} {inset}  {one_line(detail)}", Style.FAINT)
