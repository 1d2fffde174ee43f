"""The system's time, and the signals that cut waiting short."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from datetime import UTC, datetime
from types import FrameType

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
DECLINED = "declined"
"""What stands in place of a signal's name when a person at the terminal says no."""


class SystemClock:
    """Wall clock, a monotonic one that runs through suspend, and a sleep that a signal ends."""

    def __init__(self) -> None:
        # A pipe, not an Event: a handler that takes the lock its own thread is waiting with, never returns.
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self.signal: str | None = None

    def __del__(self) -> None:
        for descriptor in (self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    def sleep(self, seconds: float) -> None:
        if self.signal is None:
            select.select([self._wake_read], [], [], max(0.0, seconds))

    def interrupted(self) -> bool:
        return self.signal is not None

    def interrupt(self, name: str) -> None:
        """Ask everything that waits on this clock to stop."""
        self.signal = self.signal or name
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP as a wish to stop; journal appends are never abandoned."""
        for name in STOPPING:
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._on_signal)
        pipe = getattr(signal, "SIGPIPE", None)
        if pipe is not None:
            signal.signal(pipe, signal.SIG_IGN)  # a closed pipe ends output, not the rollout

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.interrupt(signal.Signals(number).name)
