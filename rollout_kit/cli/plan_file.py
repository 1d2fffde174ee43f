"""A plan file from the command line: read, checked, or refused with everything that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.cli.arguments import PlanChoice
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.document.read import PlanReading, read_plan
from rollout_kit.document.substitute import Purpose
from rollout_kit.reporters.diagnostics_view import print_diagnostics

if TYPE_CHECKING:
    from rollout_kit.document.plan import PlanDocument  # who only validates does not pay for it

BYTES_AT_MOST = 4 * 1024 * 1024


def read(choice: PlanChoice, console: Console, purpose: Purpose) -> PlanReading:
    """What the file holds and what is wrong with it. Raises `CommandError` if it cannot be read."""
    variables = dict(choice.variables)
    if len(variables) < len(choice.variables):
        names = [name for name, _ in choice.variables]
        twice = next(name for name in names if names.count(name) > 1)
        raise CommandError(ExitCode.USAGE, f"--var {twice} is given twice", hint="give it once")
    return read_plan(
        _text(console.folder / choice.file, choice.file),
        file=choice.file,
        variables=variables,
        environment=console.environment,
        purpose=purpose,
    )


def usable(choice: PlanChoice, console: Console, purpose: Purpose) -> PlanDocument:
    """The plan, for a command that connects; its problems go to stderr.

    Raises:
        CommandError: the plan is invalid.
    """
    reading = read(choice, console, purpose)
    print_diagnostics(reading.diagnostics, console.err)
    if reading.errors or reading.document is None:
        raise CommandError(
            ExitCode.USAGE,
            f"{choice.file} is not a valid plan; nothing was contacted",
            hint=f"`rollout-kit validate {choice.file}` shows this again",
        )
    return reading.document


def folder(choice: PlanChoice, console: Console) -> Path:
    """Where relative paths of the plan start."""
    return (console.folder / choice.file).parent


def _text(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > BYTES_AT_MOST and path.is_file():
            size = path.stat().st_size
            message = f"{shown} has {size} bytes; a plan has at most {BYTES_AT_MOST}"
            raise CommandError(ExitCode.USAGE, message, hint="is it the right file?")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{shown} is not UTF-8: byte 0x{error.object[error.start]:02x} at {error.start}"
        raise CommandError(ExitCode.USAGE, message, hint="save it as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(
            ExitCode.USAGE, f"{shown} cannot be read: {reason}", hint="check the path"
        ) from error
