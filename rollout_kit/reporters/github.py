"""GitHub Actions: annotations beside the plan's lines, and the rollout in the job's summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.model.asked import pending
from rollout_kit.model.events import PersonAsked, Progress, Record, RolloutHeld
from rollout_kit.model.operation import Operation
from rollout_kit.reporters.markdown import truncated
from rollout_kit.reporters.request_view import asked_in_words
from rollout_kit.reporters.rollout_markdown import MarkdownReporter
from rollout_kit.reporters.sentences import sentence
from rollout_kit.reporters.text import Printer, one_line

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
        self._story = MarkdownReporter()

    def catch_up(self, records: Sequence[Record]) -> None:
        """What was journaled before this process took the rollout up."""
        self._story.catch_up(records)

    def record(self, record: Record) -> None:
        self._story.record(record)

    def progress(self, progress: Progress) -> None:
        """Nothing: a job's log has the lines, its summary the result."""

    def close(self) -> None:
        """Print the annotations and append the summary. A summary that cannot be written is let go."""
        for record in self._story.notable[:ANNOTATIONS_AT_MOST]:
            self._printer.raw(self._annotation(record).command)
        for asked in pending(self._story.state)[:ANNOTATIONS_AT_MOST]:
            self._printer.raw(self._request(asked).command)
        if self._summary is None:
            return
        notice = "**Cut here.** See all of it with `rollout-kit journal show`."
        text = truncated(self._story.text(), SUMMARY_BYTES, notice)
        try:
            with self._summary.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self._printer.line(f"warning: the job summary cannot be written: {error}")

    def _request(self, asked: PersonAsked) -> Annotation:
        """What is wanted of a person when this job ends, beside the step that wants it."""
        text, details = asked_in_words(asked.request, asked.operation)
        operation = self._operation(asked.operation.id)
        return Annotation(
            level="notice",
            title=one_line(asked.operation.id),
            message="\n".join((text, *details)),
            file=self._plan_file,
            line=operation.line if operation else 0,
            column=operation.column if operation else 0,
        )

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
        started = self._story.state.started
        operations = started.execution_plan.operations if started else ()
        return next((op for op in operations if op.id == operation_id), None)


def escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")
