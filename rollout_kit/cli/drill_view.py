"""The rollback from every step, as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rollout_kit.model.duration import span
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.text import Printer, Style
from rollout_kit.simulation.drill import Drilled

HEADINGS = ("step", "what failed there", "how it ended", "rollback took", "left")
ENDINGS = {
    "rolled-back": "rolled back",
    "rolled-back-with-residue": "rolled back with residue",
    "rollback-incomplete": "rolled back incompletely",
    "failed": "failed: no rollback is offered",
    "aborted": "aborted",
    "refused": "no rollback is offered from here",
    "unfinished": "did not end",
    "succeeded": "nothing noticed it: it went on to its end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilling:
    """`forward_only`: the plan's reason for offering no rollback."""

    plan: str
    file: str
    asked: int
    rows: tuple[Drilled, ...]
    stands_in: tuple[str, ...]
    forward_only: str | None = None


def print_drill(shown: Drilling, out: Printer) -> None:
    table = [HEADINGS, *(_cells(row) for row in shown.rows)]
    widths = [max(len(cells[number]) for cells in table) for number in range(len(HEADINGS) - 1)]
    out.line(_headline(shown), Style.STRONG)
    for number, cells in enumerate(table):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        line = "  ".join([*padded, cells[-1]]).rstrip()
        style = Style.FAINT
        if number:
            row = shown.rows[number - 1]
            style = (Style.NONE if row.noticed else Style.CHANGE) if row.restored else Style.BAD
        out.line(f"  {line}", style)
        if number:
            for violation in shown.rows[number - 1].violations:
                out.line(f"    broken: {violation}", Style.BAD)
    if shown.forward_only:
        out.line(f"The plan offers no rollback: {shown.forward_only}", Style.CHANGE)
    for sentence in shown.stands_in:
        out.line(f"note: {sentence}", Style.FAINT)


def drill_markdown(shown: Drilling) -> str:
    head = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---|---:|---|"]
    rows = []
    for row in shown.rows:
        step, what, ended, took, left = _cells(row)
        mark = ("" if row.noticed else "! ") if row.restored else "✗ "
        rows.append(
            f"| {code(step)} | {prose(what)} | {mark}{prose(ended)} | {took} | {prose(left)} |"
        )
    parts = [f"### Drill of {code(shown.plan)}", prose(_headline(shown)), "\n".join(head + rows)]
    for row in shown.rows:
        parts += [f"- ✗ {code(row.step)}: {prose(violation)}" for violation in row.violations]
    if shown.forward_only:
        parts.append(f"The plan offers no rollback: {prose(shown.forward_only)}")
    parts.append("<sub>" + " ".join(prose(sentence) for sentence in shown.stands_in) + "</sub>")
    return "\n\n".join(parts) + "\n"


def drill_json(shown: Drilling) -> str:
    return document(
        "drill",
        {
            "plan": shown.plan,
            "file": shown.file,
            "asked": shown.asked,
            "forward_only": shown.forward_only,
            "rollbacks": [asdict(row) | {"restored": row.restored} for row in shown.rows],
            "stands_in": list(shown.stands_in),
        },
    )


def _headline(shown: Drilling) -> str:
    good = sum(row.restored and row.noticed for row in shown.rows)
    missed = sum(not row.noticed for row in shown.rows)
    left = f" of {shown.asked}" if len(shown.rows) < shown.asked else ""
    unseen = f", {missed} that nothing noticed" if missed else ""
    return f"{shown.plan}: {len(shown.rows)}{left} rehearsed, {good} ended as they should{unseen}"


def _cells(row: Drilled) -> tuple[str, str, str, str, str]:
    what = f"{row.what} ({row.failed_at})" if row.failed_at else row.what
    took = span(row.took_s) if row.took_s else "-"
    left = "; ".join(row.residue)
    if row.ending == "rollback-incomplete":
        left = row.sentence
    return row.step, what, ENDINGS[row.ending], took, left
