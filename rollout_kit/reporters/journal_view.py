"""A journal as a story in time: what happened, when, by whom, and why."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.codec import to_json
from rollout_kit.model.duration import span
from rollout_kit.model.events import Record
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.sentences import sentence
from rollout_kit.reporters.text import Printer, Style, one_line


def print_journal(records: Sequence[Record], printer: Printer) -> None:
    """One line an event; a head where the day, the person or the process changes."""
    day, holder = "", ("", -1)
    for record in records:
        today = f"{record.at:%Y-%m-%d}"
        if today != day:
            day = today
            printer.line(f"{day} (UTC)", Style.STRONG)
        if (record.actor, record.fence) != holder:
            holder = (record.actor, record.fence)
            text = f"  {one_line(record.actor)}, attended {span(record.attended_s)} so far"
            printer.line(text, Style.FAINT)
        said = sentence(record.event)
        subject = f"{one_line(said.subject)}  " if said.subject else ""
        symbol = printer.paint(said.symbol, said.style)
        text = printer.paint(one_line(said.text), Style.NONE)
        printer.raw(f"  {record.at:%H:%M:%S} {symbol} {printer.paint(subject, Style.NONE)}{text}")
        for detail in said.details:
            printer.line(f"{' ' * 13}{one_line(detail)}", Style.FAINT)


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
