"""What a command is given of the process it runs in: streams, environment, working folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.reporters.text import (
    Printer,
    Stream,
    Style,
    one_line,
    wants_colour,
    wants_live_view,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """stdout is data, stderr is everything else. Paths of arguments start at `folder`."""

    out: Printer
    err: Printer
    err_stream: Stream
    environment: Mapping[str, str]
    folder: Path
    colour: bool
    live: bool  # stderr can show a view that redraws itself
    interactive: bool  # somebody sits there

    def warn(self, text: str) -> None:
        """A warning is a line on stderr."""
        self.err.raw(f"{self.err.paint('warning:', Style.CHANGE)} {one_line(text, 1000)}")

    def fail(self, message: str, *, why: str = "", hint: str = "") -> None:
        """An error: what, why it matters, what to do next."""
        self.err.raw(f"{self.err.paint('error:', Style.BAD)} {one_line(message, 2000)}")
        if why:
            self.err.line(f"  {one_line(why, 2000)}")
        if hint:
            self.err.line(f"hint: {one_line(hint, 1000)}")


def for_process() -> Console:
    """The console of the running process."""
    environment = dict(os.environ)
    colour = wants_colour(sys.stderr, environment)
    live = wants_live_view(sys.stderr, environment)
    return Console(
        out=Printer(sys.stdout, colour=wants_colour(sys.stdout, environment)),
        err=Printer(sys.stderr, colour=colour),
        err_stream=sys.stderr,
        environment=environment,
        folder=Path.cwd(),
        colour=colour,
        live=live,
        interactive=live and sys.stdin is not None and sys.stdin.isatty(),
    )
