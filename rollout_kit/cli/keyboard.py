"""Lines that somebody types, heard by a thread of its own: signals and all else go on meanwhile."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
from collections.abc import Callable

TICK_S = 0.2


class Keyboard:
    """Listens from `__init__` to `close`. What was typed before either is nobody's answer."""

    def __init__(self, descriptor: int, heard: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._heard = heard
        self._over = threading.Event()
        self._forget()
        self._thread = threading.Thread(target=self._listen, name="keyboard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join(2 * TICK_S)
        self._forget()

    def _listen(self) -> None:
        typed = b""
        while not self._over.is_set():
            if not self._ours():
                self._over.wait(TICK_S)
                continue
            if not select.select([self._descriptor], [], [], TICK_S)[0]:
                continue
            try:
                found = os.read(self._descriptor, 4096)
            except OSError:
                return
            if not found:  # end of input: an answer can still come from another terminal
                return
            *lines, typed = (typed + found).split(b"\n")
            for line in lines:
                self._heard(line.decode("utf-8", "replace").strip())

    def _ours(self) -> bool:
        """Whether this process is in the foreground: reading in the background would stop it."""
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return False

    def _forget(self) -> None:
        if self._ours():
            with contextlib.suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
