"""Findings in the text that they were found in: the file, the line itself, the order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rollout_kit.document.characters import lines_of
from rollout_kit.document.diagnostics import Diagnostic, Finding, order


def placed(
    findings: Iterable[Finding],
    *,
    text: str,
    file: str,
    hide: Callable[[int, str], bool] = lambda _number, _line: False,
) -> tuple[Diagnostic, ...]:
    """Give diagnostics in the order of the file; `hide` names lines that must not be shown."""
    lines = lines_of(text)

    def excerpt(finding: Finding) -> str | None:
        if finding.at is None or finding.at.line > len(lines):
            return None
        line = lines[finding.at.line - 1]
        return None if hide(finding.at.line, line) else line

    return order(
        Diagnostic(
            severity=finding.severity,
            code=finding.code,
            summary=finding.summary,
            detail=finding.detail,
            hint=finding.hint,
            file=file,
            line=finding.at.line if finding.at else None,
            col=finding.at.column if finding.at else None,
            excerpt=excerpt(finding),
        )
        for finding in findings
    )
