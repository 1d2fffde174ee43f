"""Waits for what is known to come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 60


def await_(holds: Callable[[], Any]) -> None:
    """Until it does; raises AssertionError where it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
