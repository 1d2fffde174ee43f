"""SIGINT and SIGTERM: the first one asks, the second one ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from .failure import CANCELLED
from .operations import Operations
from .providers.registry import Providers
from .session import out


class Signals:
    """While this is entered; `abandon` is called before the process ends at the second signal."""

    def __init__(self, ops: Operations, providers: Providers, abandon: Callable[[], None]) -> None:
        self._ops, self._providers, self._abandon = ops, providers, abandon
        self._heard = 0

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def __exit__(self, *_: object) -> None:
        self._heard = 99

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard += 1
        word = "^C" if number == signal.SIGINT else "SIGTERM"
        # in a thread: the handler may have interrupted a holder of the very locks it needs
        if self._heard == 1:
            threading.Thread(target=self._first, args=[word], daemon=True).start()
        elif self._heard == 2:
            threading.Thread(target=self._second, args=[word], daemon=True).start()

    def _first(self, word: str) -> None:
        again = "^C" if word == "^C" else word
        out(
            f"{word} received; cancelling. If you would like to terminate immediately, press {again} "
            "again.\nNote that terminating immediately may lead to orphaned resources and other "
            "inconsistencies.\n"
        )
        self._ops.cancelled.set()
        self._providers.cancel()
        self._ops.stop()

    def _second(self, word: str) -> None:
        out(f"{word} received; terminating")
        self._providers.cancel()
        self._abandon()
        sys.stderr.write("error: update cancelled\n")
        sys.stderr.flush()
        os._exit(CANCELLED)
