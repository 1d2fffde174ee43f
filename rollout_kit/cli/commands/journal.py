"""`journal verify|show|export`: is it what was written, what does it tell, a copy of it."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Journal, JournalAct, Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.journal import codec
from rollout_kit.journal.store import RolloutEntry
from rollout_kit.journal.verify import JournalReport, verify
from rollout_kit.model.duration import span
from rollout_kit.reporters import journal_view as view
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.text import Style


def run(arguments: Journal, console: Console) -> ExitCode:
    found = journals.find(arguments.choice, console)
    match arguments.act:
        case JournalAct.VERIFY:
            tape = found.store.tape(found.entry.target, found.entry.rollout)
            _print_report(found.entry, verify(tape), arguments.output, console)
        case JournalAct.SHOW if arguments.output is Output.JSON:
            console.out.raw(view.journal_json(found.records))
        case JournalAct.SHOW if arguments.output is Output.MARKDOWN:
            console.out.raw(view.journal_markdown(found.records).rstrip("\n"))
        case JournalAct.SHOW:
            view.print_journal(found.records, console.out)
        case JournalAct.EXPORT:
            for record in found.records:
                console.out.raw(codec.encode(record).decode("ascii"))
    return ExitCode.SUCCESS


def _print_report(
    entry: RolloutEntry, report: JournalReport, output: Output, console: Console
) -> None:
    if output is Output.JSON:
        body = {
            "rollout": entry.rollout,
            "journal": report.place,
            "records": report.records,
            "bytes": report.bytes,
            "attended_s": report.attended_s,
            "fences": list(report.fences),
            "remarks": list(report.remarks),
        }
        console.out.raw(document("journal-verification", body))
        return
    fences = ", ".join(str(fence) for fence in report.fences)
    text = (
        f"{report.place}: {report.records} records in {report.bytes} bytes, each after the one it "
        f"was written after; attended {span(report.attended_s)}, fences {fences}"
    )
    console.out.line(text, Style.GOOD)
    for remark in report.remarks:
        console.out.line(f"remark: {remark}", Style.CHANGE)
