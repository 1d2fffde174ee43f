"""`schema`: the JSON Schema of the plan file, or of another contract, for editors and other tools."""

from __future__ import annotations

from rollout_kit.cli.arguments import Schema
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode


def run(arguments: Schema, console: Console) -> ExitCode:
    """Print it as published."""
    console.out.raw(_text(arguments.of).rstrip("\n"))
    return ExitCode.SUCCESS


def _text(of: str) -> str:
    if of == "command-driver":
        from rollout_kit.drivers.command.contract import contract_text

        return contract_text()
    from rollout_kit.document.assembly import schema_text

    return schema_text()
