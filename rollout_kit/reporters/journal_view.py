"""A journal as a story in time: what happened, when, by whom, and why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rollout_kit.model.codec import to_json
from rollout_kit.model.duration import span
from rollout_kit.model.events import Record, RolloutFinished
from rollout_kit.reporters.course import Course
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.sentences import sentence
from rollout_kit.reporters.text import Printer, Style, one_line


def print_journal(records: Sequence[Record], printer: Printer) -> None:
    """One line an event; a head where the day, the step or the process changes."""
    course = Course()
    for before, record in pairwise((None, *records)):
        assert record is not None
        course.follow(record)
        if before is None or f"{before.at:%Y-%m-%d}" != f"{record.at:%Y-%m-%d}":
            printer.line(f"{record.at:%Y-%m-%d} (UTC)", Style.STRONG)
        if before is None or (before.actor, before.fence) != (record.actor, record.fence):
            printer.line(f"  {_takes_up(before, record)}", Style.FAINT)
        said = sentence(record.event)
        head = course.enters(said.subject)
        if head:
            printer.line(f"  {record.at:%H:%M:%S} {head}", Style.STRONG)
        subject = f"{one_line(said.subject)}  " if said.subject else ""
        inset = "  " if said.subject else ""
        symbol = printer.paint(said.symbol, said.style)
        text = printer.paint(f"{subject}{one_line(said.text)}", Style.NONE)
        printer.raw(f"  {record.at:%H:%M:%S} {inset}{symbol} {text}{course.took(record)}")
        for detail in said.details:
            printer.line(f"{' ' * 13}{inset}{one_line(detail)}", Style.FAINT)
    if records and not isinstance(records[-1].event, RolloutFinished):
        printer.line("  here it ends, unfinished: `rollout-kit status` says what to do next")


def _takes_up(before: Record | None, record: Record) -> str:
    """Who runs it from here, and for how long nobody did."""
    who = f"{one_line(record.actor)} (lock {record.fence})"
    if before is None:
        return f"{who} runs it"
    idle_s = (record.at - before.at).total_seconds()
    since = f"{span(idle_s)} after the record before" if idle_s >= 1 else "at once"
    return f"{who} goes on with it, {since}; attended {span(before.attended_s)} so far"


def journal_json(records: Sequence[Record]) -> str:
    return document("journal", {"records": [to_json(record) for record in records]})


def journal_markdown(records: Sequence[Record]) -> str:
    lines = ["| when (UTC) | who | | what |", "|---|---|---|---|"]
    for record in records:
        said = sentence(record.event)
        subject = f"{code(said.subject)} " if said.subject else ""
        what = "<br>".join((f"{subject}{prose(said.text)}", *(prose(d) for d in said.details)))
        symbol = said.symbol.replace("~", "&#126;")
        when = f"{record.at:%Y-%m-%d %H:%M:%S}"
        lines.append(f"| {when} | {prose(record.actor)} | {symbol} | {what} |")
    return "\n".join(lines) + "\n"
