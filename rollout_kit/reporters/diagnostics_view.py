"""What is wrong with a plan, for people, programs and a review."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.document.diagnostics import Diagnostic, Severity, render
from rollout_kit.reporters.json_document import document
from rollout_kit.reporters.markdown import code, prose
from rollout_kit.reporters.text import Printer, Style


def print_diagnostics(diagnostics: Sequence[Diagnostic], printer: Printer) -> None:
    """Errors and warnings in the order of the file, heads in colour."""
    if not diagnostics:
        return
    styles = {"error:": Style.BAD, "warning:": Style.CHANGE}
    for line in render(diagnostics).splitlines():
        printer.line(line, styles.get(line.partition(" ")[0], Style.NONE))
    printer.line()
    printer.line(summary(diagnostics))


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many of each."""
    errors = sum(1 for one in diagnostics if one.severity is Severity.ERROR)
    warnings = len(diagnostics) - errors
    parts = [_count(errors, "error")] if errors else []
    parts += [_count(warnings, "warning")] if warnings else []
    return ", ".join(parts) or "no problems"


def diagnostics_json(diagnostics: Sequence[Diagnostic], file: str) -> str:
    """One JSON document with everything that was found."""
    return document(
        "validation",
        {
            "file": file,
            "valid": all(one.severity is not Severity.ERROR for one in diagnostics),
            "diagnostics": [
                {
                    "severity": one.severity.value,
                    "code": one.code.value,
                    "summary": one.summary,
                    "detail": one.detail,
                    "hint": one.hint,
                    "file": one.file,
                    "line": one.line,
                    "column": one.col,
                }
                for one in diagnostics
            ],
        },
    )


def diagnostics_markdown(diagnostics: Sequence[Diagnostic], file: str) -> str:
    """A list for a review's comment."""
    head = f"### {code(file)}: {summary(diagnostics)}"
    lines = []
    for one in diagnostics:
        hint = f" Hint: {prose(one.hint)}" if one.hint else ""
        text = f"**{prose(one.summary)}** {code(one.place)}: {prose(one.detail)}{hint}"
        lines.append(f"- {one.severity.value}: {text}")
    return "\n".join([head, "", *lines]) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
