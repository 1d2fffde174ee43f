"""`schema`: the JSON Schema of the plan file, for editors and other tools."""

from __future__ import annotations

from rollout_kit.cli.arguments import Schema
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.document.assembly import schema_text


def run(_arguments: Schema, console: Console) -> ExitCode:
    """Print it as published."""
    console.out.raw(schema_text().rstrip("\n"))
    return ExitCode.SUCCESS
