"""A rollout's end as Markdown: job summaries, comments, `--output markdown`."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.asked import pending
from rollout_kit.model.duration import span
from rollout_kit.model.events import (
    GuardBreached,
    OperationFailed,
    Progress,
    Record,
    RolloutHeld,
    UndoSkipped,
)
from rollout_kit.model.state import RolloutState, evolve, fold
from rollout_kit.reporters import board
from rollout_kit.reporters.before_and_now import before_and_now, before_and_now_markdown
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.request_view import asked_in_words
from rollout_kit.reporters.sentences import OUTCOMES, sentence
from rollout_kit.reporters.verification import verification, verification_markdown


class MarkdownReporter:
    """Implements `ports.reporter.Reporter`; `text` is asked for at the end."""

    def __init__(self) -> None:
        self.state = RolloutState()
        self.notable: list[Record] = []

    def catch_up(self, records: Sequence[Record]) -> None:
        """What was journaled before this process took the rollout up."""
        self.state = fold(records)

    def record(self, record: Record) -> None:
        self.state = evolve(self.state, record)
        if isinstance(record.event, OperationFailed | GuardBreached | RolloutHeld | UndoSkipped):
            self.notable.append(record)

    def progress(self, progress: Progress) -> None:
        """Nothing: a summary has no use for signs of life."""

    def text(self, otherwise: str = "Nothing was begun.") -> str:
        """The summary; `otherwise` where no rollout has begun."""
        state = self.state
        if state.started is None:
            return f"{prose(otherwise)}\n"
        parts = [self._head(), self._steps(), *self._asked(), *self._lists()]
        rows = verification(state)
        if any(row.verdict for row in rows):
            parts.append(f"#### Verification\n\n{verification_markdown(rows)}")
        compared = before_and_now(state)
        if compared:
            parts.append(f"#### The fleet, before and now\n\n{before_and_now_markdown(compared)}")
        if not state.finished:
            parts.append(f"Next: {code(board.next_command(state, state.started.rollout))}")
        return "\n\n".join(part for part in parts if part) + "\n"

    def _head(self) -> str:
        state = self.state
        assert state.started is not None
        finished = state.finished
        symbol, word, _ = OUTCOMES[finished.outcome] if finished else ("‖", "not finished", None)
        names = f"{code(state.started.rollout)} on {code(state.started.target)}"
        sentences = f"{prose(finished.sentence)}. " if finished and finished.sentence else ""
        return f"### {symbol} {names}: {word}\n\n{sentences}Attended {span(state.attended_s)}."

    def _steps(self) -> str:
        rows = [
            f"| {view.standing.symbol.replace('~', '&#126;')} | {code(view.id)} "
            f"| {prose(view.title)} | {view.done}/{view.total} |"
            for view in board.steps(self.state)
        ]
        return "\n".join(["| | step | | operations |", "|---|---|---|---|", *rows])

    def _asked(self) -> list[str]:
        """What is wanted of people now, in full: a job that ended with 12 says it here."""
        found = []
        for asked in pending(self.state):
            text, details = asked_in_words(asked.request, asked.operation)
            lines = [f"- **{code(asked.operation.id)}** {prose(text)}"]
            found.append("\n".join([*lines, *(f"  - {prose(detail)}" for detail in details)]))
        return ["\n".join(["#### Asked of a person", "", *found])] if found else []

    def _lists(self) -> list[str]:
        found = []
        said = [sentence(record.event) for record in self.notable]
        if said:
            found.append("\n".join(f"- {s.symbol} {code(s.subject)} {prose(s.text)}" for s in said))
        if self.state.finished and self.state.finished.residue:
            lines = [f"- {prose(left)}" for left in self.state.finished.residue]
            found.append("\n".join(["Left running:", "", *lines]))
        return found
