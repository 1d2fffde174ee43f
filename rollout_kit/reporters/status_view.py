"""Where a rollout stands, for who comes by: steps, hold, lock, next command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout_kit.model.asked import pending
from rollout_kit.model.duration import span
from rollout_kit.model.state import RolloutState
from rollout_kit.reporters import board
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.request_view import asked_in_words
from rollout_kit.reporters.sentences import OUTCOMES
from rollout_kit.reporters.text import Printer, Style, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One rollout. `running`: who holds the target's lock for it, or nothing."""

    rollout: str
    target: str
    journal: str
    state: RolloutState
    running: str = ""
    next: str = ""  # the command to type next

    @property
    def word(self) -> str:
        """How it stands, in a word or two."""
        if self.state.finished:
            return OUTCOMES[self.state.finished.outcome][1]
        if self.running:
            return "rolling back" if self.state.rollback else "running"
        if self.state.hold:
            return f"held ({self.state.hold.kind})"
        return "interrupted while rolling back" if self.state.rollback else "interrupted"


def print_status(status: Status, printer: Printer) -> None:
    state = status.state
    printer.line(f"{status.rollout} on {status.target}: {status.word}", Style.STRONG)
    if state.started:
        attended = span(state.attended_s)
        printer.line(
            f"plan {state.started.plan} ({state.started.digest[:12]}), attended {attended}"
        )
    if status.running:
        printer.line(f"run by {status.running}")
    views = board.steps(state)
    width = max((len(view.id) for view in views), default=0)
    for view in views:
        mark = printer.paint(view.standing.symbol, view.standing.style)
        counts = f"{view.done}/{view.total}"
        printer.raw(
            f"  {mark} {printer.paint(f'{view.id:<{width}}  {view.title}', Style.NONE)}  {counts}"
        )
        for name in view.current:
            printer.line(f"      … {name}", Style.CHANGE)
    for asked in pending(state):
        text, details = asked_in_words(asked.request, asked.operation)
        printer.line(f"{asked.operation.id} {one_line(text)}", Style.CHANGE)
        for detail in details:
            printer.line(f"    {one_line(detail)}")
    if state.hold:
        printer.line(
            f"held at {state.hold.operation or 'a request'}: {one_line(state.hold.reason)}"
        )
        if state.hold.hint:
            printer.line(f"hint: {one_line(state.hold.hint)}")
    if state.finished:
        printer.line(one_line(state.finished.sentence))
        for left in state.finished.residue:
            printer.line(f"left running: {one_line(left)}", Style.CHANGE)
    printer.line(f"journal {status.journal}", Style.FAINT)
    if status.next:
        printer.line(f"next: {status.next}")


def status_json(statuses: Sequence[Status]) -> str:
    return document("status", {"rollouts": [_json(status) for status in statuses]})


def status_markdown(statuses: Sequence[Status]) -> str:
    lines = ["| rollout | target | stands | next |", "|---|---|---|---|"]
    for one in statuses:
        lines.append(
            f"| {code(one.rollout)} | {code(one.target)} | {prose(one.word)} | {code(one.next)} |"
        )
    return "\n".join(lines) + "\n"


def _json(status: Status) -> Mapping[str, object]:
    state = status.state
    return {
        "rollout": status.rollout,
        "target": status.target,
        "journal": status.journal,
        "standing": status.word,
        "outcome": state.finished.outcome.value if state.finished else None,
        "residue": list(state.finished.residue) if state.finished else [],
        "running": status.running,
        "attended_s": state.attended_s,
        "hold": None
        if state.hold is None
        else {
            "kind": state.hold.kind.value,
            "operation": state.hold.operation,
            "reason": state.hold.reason,
            "hint": state.hold.hint,
        },
        "asked": [
            {
                "operation": asked.operation.id,
                "attempt": asked.attempt,
                "what": asked.request.what,
                "from": asked.request.before,
                "to": asked.request.after,
                "where": asked.request.where,
                "seen_by": asked.request.seen,
                "needs_word": asked.request.word,
                "within_s": asked.operation.within_s,
            }
            for asked in pending(state)
        ],
        "steps": [
            {
                "id": view.id,
                "title": view.title,
                "standing": view.standing.word,
                "done": view.done,
                "total": view.total,
                "current": list(view.current),
            }
            for view in board.steps(state)
        ],
        "next": status.next,
    }
