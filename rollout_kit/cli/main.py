"""The way in: arguments, one command, an exit code. Whatever goes wrong ends as a sentence."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rollout_kit.cli.console import Console


def entry() -> NoReturn:
    """The `rollout-kit` command."""
    out = sys.stdout  # where a program is still being previewed, that is another one
    gc.disable()  # nothing that is imported is garbage, and looking through it takes a tenth of the start
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # while modules are read: nothing stands yet that could explain it
        sys.stderr.write("error: interrupted\n  Nothing was written to the fleet.\n")
        code = 16
    _ignore_signals()
    gc.freeze()  # nor is there anything to look for on the way out
    try:
        out.flush()
        sys.stderr.flush()
    except OSError:  # who read our output has gone; nothing is left to tell them
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, out.fileno())
        os.dup2(null, sys.stderr.fileno())
    sys.exit(code)


def _ignore_signals() -> None:
    """The exit code stands: a second signal, while the interpreter leaves, must not replace it."""
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def main(argv: list[str], console: Console | None = None) -> int:
    """Run one command. Never raises, but for `SystemExit` of `--help` and of wrong arguments."""
    from rollout_kit.cli.parser import parse

    given = parse(argv)
    from rollout_kit.cli import arguments
    from rollout_kit.cli import console as consoles
    from rollout_kit.cli.errors import explain

    around = console or consoles.for_process()
    try:
        command = import_module(f"rollout_kit.cli.commands.{given.command}")
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return int(command.run(arguments.read(given), around))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        return int(explain(error, around))
