"""`validate`: everything that is wrong with a plan file, at once. Contacts nothing."""

from __future__ import annotations

from rollout_kit.cli import plan_file
from rollout_kit.cli.arguments import Output, Validate
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.document.substitute import Purpose
from rollout_kit.reporters import diagnostics_view as view
from rollout_kit.reporters.text import Style


def run(arguments: Validate, console: Console) -> ExitCode:
    """Exit 0 with warnings at most, 2 with an error."""
    reading = plan_file.read(arguments.plan, console, Purpose.VALIDATE)
    file = arguments.plan.file
    match arguments.output:
        case Output.JSON:
            console.out.raw(view.diagnostics_json(reading.diagnostics, file))
        case Output.MARKDOWN:
            console.out.raw(view.diagnostics_markdown(reading.diagnostics, file))
        case Output.HUMAN:
            view.print_diagnostics(reading.diagnostics, console.out)
            if not reading.errors:
                console.out.line(f"{file} is a valid plan", Style.GOOD)
    return ExitCode.USAGE if reading.errors else ExitCode.SUCCESS
