"""GitHub Actions: annotations beside the plan's lines, and the rollout in the job's summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rollout_kit.model.duration import span
from rollout_kit.model.events import (
    GuardBreached,
    OperationFailed,
    Progress,
    Record,
    RolloutHeld,
    UndoSkipped,
)
from rollout_kit.model.operation import Operation
from rollout_kit.model.state import RolloutState, evolve
from rollout_kit.reporters import board
from rollout_kit.reporters.markdown import code, prose, truncated
from rollout_kit.reporters.sentences import OUTCOMES, sentence
from rollout_kit.reporters.text import Printer, one_line
from rollout_kit.reporters.verification import verification, verification_markdown

SUMMARY_BYTES = 1024 * 1024
"""A longer summary is refused as a whole."""
ANNOTATIONS_AT_MOST = 10
"""More of a kind are dropped without a word; all of them stand in the summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A message beside a line of the plan file; without a line, beside the file."""

    level: str  # error | warning | notice
    title: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def command(self) -> str:
        """The workflow command, with everything in it escaped."""
        places = {"file": self.file, "line": self.line, "col": self.column, "title": self.title}
        properties = ",".join(
            f"{name}={escape_property(str(value))}" for name, value in places.items() if value
        )
        return f"::{self.level} {properties}::{escape_data(self.message)}"


class GithubReporter:
    """Implements `ports.reporter.Reporter`; says everything at `close`, when it knows what mattered."""

    def __init__(self, printer: Printer, *, plan_file: str, summary: Path | None) -> None:
        self._printer = printer
        self._plan_file = plan_file
        self._summary = summary
        self._state = RolloutState()
        self._notable: list[Record] = []

    def record(self, record: Record) -> None:
        self._state = evolve(self._state, record)
        if isinstance(record.event, OperationFailed | GuardBreached | RolloutHeld | UndoSkipped):
            self._notable.append(record)

    def progress(self, progress: Progress) -> None:
        """Nothing: a job's log has the lines, its summary the result."""

    def close(self) -> None:
        """Print the annotations and append the summary. A summary that cannot be written is let go."""
        for record in self._notable[:ANNOTATIONS_AT_MOST]:
            self._printer.raw(self._annotation(record).command)
        if self._summary is None or self._state.started is None:
            return
        notice = "**Cut here.** See all of it with `rollout-kit journal show`."
        text = truncated(self._markdown(), SUMMARY_BYTES, notice)
        try:
            with self._summary.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self._printer.line(f"warning: the job summary cannot be written: {error}")

    def _annotation(self, record: Record) -> Annotation:
        said = sentence(record.event)
        operation = self._operation(said.subject)
        level = "warning" if isinstance(record.event, RolloutHeld) else "error"
        return Annotation(
            level=level,
            title=one_line(said.subject or "rollout"),
            message="\n".join((said.text, *said.details)),
            file=self._plan_file,
            line=operation.line if operation else 0,
            column=operation.column if operation else 0,
        )

    def _operation(self, operation_id: str) -> Operation | None:
        assert self._state.started is not None
        operations = self._state.started.execution_plan.operations
        return next((op for op in operations if op.id == operation_id), None)

    def _markdown(self) -> str:
        state = self._state
        assert state.started is not None
        finished = state.finished
        symbol, word, _ = OUTCOMES[finished.outcome] if finished else ("‖", "not finished", None)
        parts = [
            f"### {symbol} {code(state.started.rollout)} on {code(state.started.target)}: {word}",
            f"{prose(finished.sentence)} Attended {span(state.attended_s)}." if finished else "",
            self._steps(),
            *self._lists(),
        ]
        rows = verification(state)
        if rows:
            parts.append(f"#### Verification\n\n{verification_markdown(rows)}")
        if not finished:
            command = board.next_command(state, state.started.rollout)
            parts.append(f"Next: {code(command)}")
        return "\n\n".join(part for part in parts if part) + "\n"

    def _steps(self) -> str:
        rows = [
            f"| {view.standing.symbol.replace('~', chr(92) + '~')} | {code(view.id)} "
            f"| {prose(view.title)} | {view.done}/{view.total} |"
            for view in board.steps(self._state)
        ]
        return "\n".join(["| | step | | operations |", "|---|---|---|---|", *rows])

    def _lists(self) -> list[str]:
        found = []
        notable = [sentence(record.event) for record in self._notable]
        if notable:
            lines = [f"- {said.symbol} {code(said.subject)} {prose(said.text)}" for said in notable]
            found.append("\n".join(lines))
        if self._state.finished and self._state.finished.residue:
            lines = [f"- {prose(left)}" for left in self._state.finished.residue]
            found.append("\n".join(["Left running:", "", *lines]))
        return found


def escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
