"""How a rollout's command ended: its exit code, and the last lines that somebody reads."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import with_state
from rollout_kit.reporters import board
from rollout_kit.reporters.before_and_now import (
    before_and_now,
    before_and_now_json,
    print_before_and_now,
)
from rollout_kit.reporters.text import Printer, Style, one_line
from rollout_kit.reporters.verification import print_verification, verification
from rollout_kit.wiring.result import Ending, Result

CODES: Mapping[Ending, ExitCode] = {
    Ending.SUCCEEDED: ExitCode.SUCCESS,
    Ending.NOTHING_TO_DO: ExitCode.SUCCESS,
    Ending.FAILED: ExitCode.FAILURE,
    Ending.ABORTED: ExitCode.FAILURE,
    Ending.BLOCKED: ExitCode.FAILURE,
    Ending.POLICY: ExitCode.POLICY,
    Ending.STALE: ExitCode.STALE,
    Ending.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Ending.RESIDUE: ExitCode.RESIDUE,
    Ending.HELD: ExitCode.PAUSED,
    Ending.LOCKED: ExitCode.LOCKED,
    Ending.INTERRUPTED: ExitCode.INTERRUPTED,
}

LOOKS: Mapping[Ending, tuple[str, str, Style]] = {
    Ending.SUCCEEDED: ("✓", "Succeeded", Style.GOOD),
    Ending.NOTHING_TO_DO: ("✓", "Nothing to do", Style.GOOD),
    Ending.FAILED: ("✗", "Failed", Style.BAD),
    Ending.ABORTED: ("✗", "Aborted", Style.BAD),
    Ending.BLOCKED: ("✗", "Refused", Style.BAD),
    Ending.POLICY: ("✗", "Refused by policy", Style.BAD),
    Ending.STALE: ("✗", "Stale preview", Style.BAD),
    Ending.ROLLED_BACK: ("↩", "Rolled back", Style.CHANGE),
    Ending.RESIDUE: ("↩", "Rolled back in part", Style.BAD),
    Ending.HELD: ("‖", "Held", Style.CHANGE),
    Ending.LOCKED: ("✗", "Locked", Style.BAD),
    Ending.INTERRUPTED: ("‖", "Interrupted", Style.CHANGE),
}


def exit_code(result: Result) -> ExitCode:
    """The code of a result. A hold for an update beyond its announced radius has its own."""
    if result.ending is Ending.HELD and result.hold is not None and result.hold.value == "refused":
        return ExitCode.POLICY
    return CODES[result.ending]


def print_result(result: Result, state_folder: str, printer: Printer) -> None:
    """Outcome, verification, what is left, the journal; the last line is what to type next."""
    symbol, word, style = LOOKS[result.ending]
    said = one_line(result.sentence, 2000)
    repeats = said.casefold().startswith(word.casefold())
    printer.line(f"{symbol} {said if repeats else f'{word}: {said}'}", style)
    if result.state is not None:
        rows = verification(result.state)
        if any(row.verdict for row in rows):
            printer.line("Verification:")
            print_verification(rows, printer)
        compared = before_and_now(result.state)
        if compared:
            print_before_and_now(compared, printer)
    for moved in result.moved:
        printer.line(f"  {one_line(moved.sentence, 1000)}", Style.CHANGE)
    for left in result.residue:
        printer.line(f"left running: {one_line(left, 1000)}", Style.CHANGE)
    for kept in result.kept:
        printer.line(f"kept: {one_line(kept, 1000)}", Style.FAINT)
    if result.hint and result.ending is not Ending.INTERRUPTED:
        printer.line(f"hint: {one_line(result.hint, 1000)}")
    if result.journal is not None:
        printer.line(f"journal: {result.journal}")
    command = next_command(result, state_folder)
    if command:
        printer.line(f"next: {command}", Style.STRONG)


def next_command(result: Result, state_folder: str) -> str:
    """What to type next, complete with the state folder; empty when there is nothing to do."""
    if not result.rollout or result.ending not in (Ending.HELD, Ending.INTERRUPTED):
        return ""
    command = f"rollout-kit resume {result.rollout}"
    if result.ending is Ending.HELD and result.state is not None:
        command = board.next_command(result.state, result.rollout) or command
    return with_state(command, state_folder)


def result_body(result: Result, state_folder: str) -> dict[str, object]:
    """The result for programs."""
    rows = verification(result.state) if result.state is not None else ()
    return {
        "ending": result.ending.value,
        "exit_code": int(exit_code(result)),
        "sentence": result.sentence,
        "rollout": result.rollout,
        "journal": str(result.journal) if result.journal else None,
        "hint": result.hint,
        "residue": list(result.residue),
        "kept": list(result.kept),
        "hold": result.hold.value if result.hold else None,
        "operation": result.operation,
        "moved": [{"what": one.what, "was": one.was, "now": one.now} for one in result.moved],
        "verification": [
            {"row": row.name, "verdict": row.verdict, "sentence": row.sentence} for row in rows
        ],
        "fleet": before_and_now_json(before_and_now(result.state)) if result.state else [],
        "next": next_command(result, state_folder),
    }
