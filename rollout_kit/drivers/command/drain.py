"""What a process prints, read as it comes: no more of it is kept than anybody will look at."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import IO

_CHUNK = 1 << 16


class Drain(threading.Thread):
    """Reads one stream to its end, in a thread of its own."""

    def __init__(
        self, stream: IO[bytes] | None, at_most: int, too_much: Callable[[], None] | None = None
    ) -> None:
        """Keeps the last `at_most` bytes; with `too_much`, calls that and stops when there are more."""
        super().__init__(daemon=True)
        assert stream is not None
        self._stream, self._at_most, self._too_much = stream, at_most, too_much
        self._kept = bytearray()
        self.overflowed = False
        self.start()

    @property
    def text(self) -> str:
        """What was read; all of it once it has `ended`."""
        return bytes(self._kept).decode(errors="replace")

    def run(self) -> None:
        try:
            while chunk := os.read(self._stream.fileno(), _CHUNK):
                self._kept += chunk
                if self._too_much is not None and len(self._kept) > self._at_most:
                    self.overflowed = True
                    self._too_much()
                    return
                del self._kept[: -self._at_most]
        except (OSError, ValueError):
            return  # closed, because nobody waits for it any more

    def ended(self, until_s: float) -> bool:
        """Wait for the end of the stream up to that moment of the monotonic clock."""
        self.join(max(0.0, until_s - time.monotonic()))
        return not self.is_alive()
