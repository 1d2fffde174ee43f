"""A terminal with somebody at it: a pseudo-terminal, all that was written to it, and its keyboard."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
FOREGROUND = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """The command at a terminal of its own, of which it is the foreground process."""

    def __init__(
        self, *argv: str, folder: Path, environment: Mapping[str, str], columns: int, rows: int
    ) -> None:
        self._ours, theirs = os.openpty()
        self._written = b""
        self.resize(columns, rows)
        given = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES", "CI")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", FOREGROUND, sys.executable, "-m", "rollout_kit", *argv],
            cwd=folder,
            env={**given, "TERM": "xterm", "NO_COLOR": "1"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def written(self) -> str:
        return self._written.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """Every line that was ever drawn, without what moves the cursor."""
        return _SEQUENCE.sub("", self.written).replace("\r", "\n").split("\n")

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def await_text(self, text: str, within_s: float = 60.0) -> None:
        deadline_s = time.monotonic() + within_s
        while text not in self.written:
            over = self.process.poll() is not None and not self._reader.is_alive()
            assert not over, f"ended without {text!r}:\n{self.written[-3000:]}"
            assert time.monotonic() < deadline_s, f"no {text!r}:\n{self.written[-3000:]}"
            time.sleep(0.02)

    def end(self, within_s: float = 60.0) -> int:
        """The exit code."""
        code = self.process.wait(within_s)
        self._reader.join(5.0)
        return code

    def leave(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(5.0)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._ours, 65536)
            except OSError:  # nobody has the other end any more
                return
            if not found:
                return
            self._written += found
