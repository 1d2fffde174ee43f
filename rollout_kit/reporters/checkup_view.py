"""A checkup for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.ports.checkup import Finding, Health
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.text import Printer, Style, one_line

LOOKS = {
    Health.OK: ("✓", Style.GOOD),
    Health.PROBLEM: ("✗", Style.BAD),
    Health.NOT_JUDGED: ("?", Style.FAINT),
}
WIDTH = 22


def print_finding(finding: Finding, printer: Printer) -> None:
    """One line, and below it what to do."""
    symbol, style = LOOKS[finding.health]
    mark = printer.paint(symbol, style)
    said = finding.sentence
    if finding.health is Health.NOT_JUDGED:
        said = f"not judged: {said}"
    printer.raw(f"{mark} {finding.what:<{WIDTH}}  {one_line(said, 2000)}")
    if finding.hint and finding.health is Health.PROBLEM:
        printer.line(f"  hint: {one_line(finding.hint, 1000)}")


def print_summary(found: Sequence[Finding], printer: Printer) -> None:
    problems = sum(1 for finding in found if finding.health is Health.PROBLEM)
    left = sum(1 for finding in found if finding.health is Health.NOT_JUDGED)
    tail = f"; {left} not judged" if left else ""
    if problems:
        word = "problem" if problems == 1 else "problems"
        printer.line(f"✗ {problems} {word}{tail}. Nothing was changed.", Style.BAD)
    else:
        printer.line(f"✓ Everything that was looked at is there{tail}.", Style.GOOD)


def checkup_json(found: Sequence[Finding], plan_file: str) -> str:
    """The findings as one JSON document."""
    return document(
        "checkup",
        {
            "plan_file": plan_file,
            "problems": sum(1 for finding in found if finding.health is Health.PROBLEM),
            "findings": [
                {
                    "what": finding.what,
                    "health": finding.health.value,
                    "sentence": finding.sentence,
                    "hint": finding.hint,
                }
                for finding in found
            ],
        },
    )


def checkup_markdown(found: Sequence[Finding]) -> str:
    """A table for a job's summary."""
    rows = [
        f"| {LOOKS[one.health][0]} | {_cell(one.what)} | {_cell(one.sentence)} | {_cell(one.hint)} |"
        for one in found
    ]
    return "\n".join(["| | what | found | what to do |", "|---|---|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return one_line(text, 1000).replace("|", "\\|")
