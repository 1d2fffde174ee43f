"""Output that never waits for its reader: a thread of its own writes it from a bounded queue.

A pipe that nobody reads, or a terminal that somebody has stopped, would otherwise stop a rollout between
two effects. What does not fit is left out and counted: the journal has all of it.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable

from rollout_kit.reporters.text import Stream

BEHIND_BYTES = 64 * 1024
"""Beyond this, what only tells that something goes on is not even queued."""
FULL_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 1024
"""A pipe that takes anything takes this much without blocking."""
TICK_S = 0.1
SILENCE_S = 1.0
"""At the end: a reader who takes nothing for so long is not waited for."""


def left_out(lines: int) -> str:
    return (
        f"… {lines} lines were left out here: nobody read them; `rollout-kit journal show` has all"
    )


class Outlet:
    """A text stream as `Printer` and rich write to, in front of a real one. `write` returns at once."""

    def __init__(
        self,
        stream: Stream,
        monotonic_s: Callable[[], float],
        *,
        gap: Callable[[int], str] = left_out,
        full_bytes: int = FULL_BYTES,
    ) -> None:
        self.encoding = stream.encoding or "utf-8"
        self._descriptor = stream.fileno()
        self._terminal = stream.isatty()
        self._gap = gap
        self._full_bytes = full_bytes
        self._pending: deque[bytes] = deque()
        self._bytes = 0
        self._left_out = 0
        self._closing = False
        self._given_up = False
        self._broken = False
        self._monotonic_s = monotonic_s
        self._taken_s = monotonic_s()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._carry, name="output", daemon=True)
        self._thread.start()

    @property
    def behind(self) -> bool:
        """Whether the reader has not kept up: leave out what is of the moment only."""
        return self._bytes > BEHIND_BYTES

    def write(self, text: str) -> int:
        """Queue it. Raises `BrokenPipeError` once the reader has gone."""
        if self._broken:
            raise BrokenPipeError
        data = text.encode(self.encoding, "replace")
        with self._changed:
            if self._bytes + len(data) > self._full_bytes:
                self._left_out += 1
            else:
                self._tell_gap()
                self._put(data)
            self._changed.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing: what is queued is written as soon as it is taken."""

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return self._descriptor

    def finish(self, *, within_s: float | None = None) -> None:
        """Wait while the reader reads (at most `within_s`), and give up on one who does not."""
        with self._changed:
            self._closing = True
            self._tell_gap()
            self._changed.notify()
        began_s = self._monotonic_s()
        while self._thread.is_alive():
            self._thread.join(TICK_S / 2)
            now_s = self._monotonic_s()
            silent = now_s - max(began_s, self._taken_s) > SILENCE_S
            if silent or (within_s is not None and now_s - began_s > within_s):
                self._given_up = True
                return

    def _put(self, data: bytes) -> None:
        self._pending.append(data)
        self._bytes += len(data)

    def _tell_gap(self) -> None:
        if self._left_out:
            self._put(f"{self._gap(self._left_out)}\n".encode(self.encoding, "replace"))
            self._left_out = 0

    def _carry(self) -> None:
        while True:
            with self._changed:
                while not self._pending:
                    if self._closing:
                        return
                    self._changed.wait()
                data = self._pending.popleft()
            try:
                self._deliver(data)
            except (OSError, ValueError):  # who read it has gone, or the disk is full
                self._broken = True
                return
            if self._given_up:
                return
            with self._changed:
                self._bytes -= len(data)

    def _deliver(self, data: bytes) -> None:
        """To the descriptor itself: a lock of Python's streams, held here, would stop the exit."""
        left = memoryview(data)
        while left and not self._given_up:
            if not select.select([], [self._descriptor], [], TICK_S)[1]:
                continue
            try:
                left = left[os.write(self._descriptor, left[:CHUNK_BYTES]) :]
            except BlockingIOError:
                continue
            self._taken_s = self._monotonic_s()
