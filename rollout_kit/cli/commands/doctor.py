"""`doctor`: is everything there that a plan needs? Changes nothing."""

from __future__ import annotations

from rollout_kit.cli import plan_file
from rollout_kit.cli.arguments import Doctor, Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import of_trouble
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.document.substitute import Purpose
from rollout_kit.ports.checkup import Finding, Health
from rollout_kit.reporters import checkup_view as view
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.doctor import examine


def run(arguments: Doctor, console: Console) -> ExitCode:
    """Exit 0 without a problem; else the code of the first one."""
    document = plan_file.usable(arguments.plan, console, Purpose.PREVIEW)
    folder = plan_file.folder(arguments.plan, console)
    found: list[Finding] = []
    for finding in examine(document, folder, console.environment, SystemClock()):
        found.append(finding)
        if arguments.output is Output.HUMAN:
            view.print_finding(finding, console.out)
    match arguments.output:
        case Output.HUMAN:
            view.print_summary(found, console.out)
        case Output.JSON:
            console.out.raw(view.checkup_json(found, arguments.plan.file))
        case Output.MARKDOWN:
            console.out.raw(view.checkup_markdown(found))
    problems = [finding for finding in found if finding.health is Health.PROBLEM]
    return of_trouble(problems[0].trouble.value) if problems else ExitCode.SUCCESS
