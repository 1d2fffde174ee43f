"""From a command line to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

from . import faults
from .arguments import Arguments
from .failure import ERROR, Failure

_COMMANDS: dict[str, str] = {
    "version": "stack_commands.version",
    "about": "stack_commands.about",
    "whoami": "stack_commands.whoami",
    "up": "updates.up",
    "preview": "updates.preview",
    "refresh": "updates.refresh",
    "destroy": "updates.destroy",
    "cancel": "stack_commands.cancel",
    "config": "config_commands.show",
    "config get": "config_commands.get",
    "config set": "config_commands.set_one",
    "config set-all": "config_commands.set_all",
    "config rm": "config_commands.remove",
    "config rm-all": "config_commands.remove",
    "config refresh": "config_commands.refresh",
    "stack": "stack_commands.show",
    "stack init": "stack_commands.init",
    "stack select": "stack_commands.select_stack",
    "stack ls": "stack_commands.listing",
    "stack rm": "stack_commands.remove",
    "stack output": "stack_commands.output",
    "stack export": "transfer.export",
    "stack import": "transfer.import_",
    "stack history": "stack_commands.history",
    "stack tag ls": "stack_commands.nothing",
    "state repair": "transfer.repair",
    "state delete": "transfer.delete",
    "state unprotect": "transfer.unprotect",
    "plugin ls": "stack_commands.plugins",
    "plugin install": "stack_commands.nothing",
}


def main(argv: list[str]) -> int:
    """Run one command; its failures are lines on standard error, never tracebacks."""
    try:
        arguments = Arguments(argv)
        faults.of_command(arguments.command)
        faults.strike("start")
        module, _, function = _COMMANDS[arguments.command].partition(".")
        run: Callable[[Arguments], int | None] = getattr(
            import_module(f".{module}", __package__), function
        )
        return run(arguments) or 0
    except Failure as wrong:
        if wrong.text:
            sys.stderr.write(f"error: {wrong.text}\n")
        return wrong.code
    except KeyboardInterrupt:
        return ERROR
