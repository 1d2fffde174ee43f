"""What tests of several folders use, and what a run says at its end."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

from tests.toolchain.fixtures import cluster, space

__all__ = ["cluster", "space"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background like this, and every child would inherit it:
    # programs that tests ask to stop could not hear it. The command line always listens by itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)


if not os.environ.get("CI"):  # there hypothesis has a profile of its own, just as patient
    settings.register_profile(
        "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("patient")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each reason to leave something out. Here, for under xdist only this file is asked."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"left out: {count} tests, {reason}")
