"""`journal verify|show|export`: is it what was written, what does it tell, a copy of it."""

from __future__ import annotations

import json

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Export, Journal, JournalAct, Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.journal.tape import Tape
from rollout_kit.journal.verify import JournalReport, verify
from rollout_kit.model.duration import span
from rollout_kit.reporters import journal_view as view
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.text import Style


def run(arguments: Journal, console: Console) -> ExitCode:
    tape = journals.tape(arguments.choice, console)
    match arguments.act:
        case JournalAct.VERIFY:
            _print_report(verify(tape), arguments.output, console)
        case JournalAct.SHOW if arguments.output is Output.JSON:
            console.out.raw(view.journal_json(tape.load().records))
        case JournalAct.SHOW if arguments.output is Output.MARKDOWN:
            console.out.raw(view.journal_markdown(tape.load().records).rstrip("\n"))
        case JournalAct.SHOW:
            view.print_journal(tape.load().records, console.out)
        case JournalAct.EXPORT:
            _export(tape, arguments, console)
    return ExitCode.SUCCESS


def _export(tape: Tape, arguments: Journal, console: Console) -> None:
    """The journal as it stands, byte for byte; or told in another form."""
    chain = tape.load()
    match arguments.form:
        case Export.JSONL:
            lines = tape.lines()[: chain.tail.count]  # what a crash cut off is no part of it
            text = b"".join(line + b"\n" for line in lines).decode("ascii")
        case Export.OTEL:
            from rollout_kit.journal.otlp import traces

            text = json.dumps(traces(chain.records)) + "\n"
    if arguments.to is None:
        console.out.raw(text.removesuffix("\n"))
    else:
        (console.folder / arguments.to).write_text(text, encoding="utf-8")


def _print_report(report: JournalReport, output: Output, console: Console) -> None:
    if output is Output.JSON:
        body = {
            "rollout": report.rollout,
            "journal": report.place,
            "records": report.records,
            "bytes": report.bytes,
            "versions": list(report.versions),
            "attended_s": report.attended_s,
            "fences": list(report.fences),
            "outcome": report.outcome,
            "last": report.last,
            "remarks": list(report.remarks),
        }
        console.out.raw(document("journal-verification", body))
        return
    console.out.line(f"{report.place}: whole", Style.GOOD)
    fences = ", ".join(str(fence) for fence in report.fences)
    console.out.line(
        f"  {report.rollout or 'nothing has begun'}: {report.outcome or 'unfinished'}, "
        f"attended {span(report.attended_s)}"
    )
    console.out.line(
        f"  {report.records} records in {report.bytes} bytes, each after the one it was written "
        f"after; fences {fences}"
    )
    console.out.line(f"  last line's SHA-256: {report.last}")
    for remark in report.remarks:
        console.out.line(f"  remark: {remark}", Style.CHANGE)
