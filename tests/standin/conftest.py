"""One line at the end of a run for what was left out for want of the real CLI."""

from __future__ import annotations

import pytest

from .fixtures import NO_REAL_CLI


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(NO_REAL_CLI in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(
            f"left out: {count} tests against the real pulumi CLI ({NO_REAL_CLI})"
        )
