"""A console for as long as a rollout runs: no reader of its output can hold it up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rollout_kit.cli.console import Console
from rollout_kit.reporters import json_lines, outlet
from rollout_kit.reporters.text import Printer, Stream
from rollout_kit.wiring.clock import SystemClock

HURRIED_S = 2.0
"""After a signal the end comes within six seconds, whoever reads how slowly."""


@contextmanager
def never_waiting(console: Console, clock: SystemClock, *, json: bool = False) -> Iterator[Console]:
    """The console with output that no reader can hold up, until the block ends.

    `json`: stdout carries JSON lines.
    """
    streams = (console.out.stream, console.err_stream)
    identities = [_identity(stream) for stream in streams]
    if None in identities or any(isinstance(stream, outlet.Outlet) for stream in streams):
        yield console
        return
    gap = json_lines.left_out if json else outlet.left_out
    out = outlet.Outlet(streams[0], clock.monotonic_s, gap=gap)
    # Two streams into one place stay in order; into two, neither waits for the other.
    err = out if identities[0] == identities[1] else outlet.Outlet(streams[1], clock.monotonic_s)
    try:
        yield replace(
            console,
            out=Printer(out, colour=console.out.colour),
            err=Printer(err, colour=console.err.colour),
            err_stream=err,
        )
    finally:
        for one in dict.fromkeys((out, err)):
            one.finish(within_s=HURRIED_S if clock.interrupted() else None)


def _identity(stream: Stream) -> tuple[int, int] | None:
    """Which file, pipe or terminal it is; None for what is none, as in tests."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
