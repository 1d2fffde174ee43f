"""The verification table: what a rollout's end was judged by, row by row."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.model.gate import Verdict
from rollout_kit.model.state import RolloutState, Standing
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.sentences import VERDICTS
from rollout_kit.reporters.text import Printer, Style, one_line

ROWS = (
    "bootstrap-done",
    "nodes-are-to",
    "supporters",
    "served",
    "drains-retired",
    "schedules-caught-up",
    "repair-near-baseline",
)
GATE = "judge_gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRow:
    """One row. `verdict=None`: not judged, for the reason in `sentence`."""

    name: str
    verdict: Verdict | None
    sentence: str


def verification(state: RolloutState) -> tuple[VerificationRow, ...]:
    """The gates that judge the whole plan; then the table's rows that this plan has no subject for."""
    if state.started is None:
        return ()
    judged = [
        op for op in state.started.execution_plan.operations if op.kind == GATE and op.follows_plan
    ]
    rows = [_row(state, op.id) for op in judged]
    names = {row.name for row in rows}
    absent = [
        VerificationRow(name=name, verdict=None, sentence="not in this plan")
        for name in ROWS
        if name not in names
    ]
    is_default_table = bool(names & set(ROWS))
    return (*rows, *absent) if is_default_table else tuple(rows)


def _row(state: RolloutState, operation_id: str) -> VerificationRow:
    name = operation_id.rpartition("/")[2]
    decided = state.decisions.get(operation_id)
    if decided:
        return VerificationRow(name=name, verdict=decided.verdict, sentence=decided.sentence)
    found = state.operations.get(operation_id)
    if found is None:
        return VerificationRow(name=name, verdict=None, sentence="not reached")
    waiting = found.standing is Standing.AWAITED
    verdict = Verdict.PENDING if waiting else None
    return VerificationRow(name=name, verdict=verdict, sentence=found.reason or found.standing)


def print_verification(rows: tuple[VerificationRow, ...], printer: Printer) -> None:
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        symbol, style = VERDICTS[row.verdict] if row.verdict else ("-", Style.FAINT)
        mark = printer.paint(symbol, style)
        said = one_line(row.sentence.removeprefix(f"{row.name}: "))
        text = printer.paint(said, Style.NONE if row.verdict else style)
        printer.raw(f"  {mark} {printer.paint(f'{row.name:<{width}}', Style.NONE)}  {text}")


def verification_markdown(rows: tuple[VerificationRow, ...]) -> str:
    lines = ["| | row | judged |", "|---|---|---|"]
    for row in rows:
        symbol = VERDICTS[row.verdict][0] if row.verdict else "-"
        lines.append(f"| {symbol} | {code(row.name)} | {prose(row.sentence)} |")
    return "\n".join(lines)
