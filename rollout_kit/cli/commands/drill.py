"""`drill`: the rollback of a plan, rehearsed from every step on an emulated fleet."""

from __future__ import annotations

from rollout_kit.cli import drill_view as view
from rollout_kit.cli import stand_in
from rollout_kit.cli.arguments import Output
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.progress import Counted
from rollout_kit.cli.simulated_arguments import Drill
from rollout_kit.simulation.drill import cases, drilled


def run(arguments: Drill, console: Console) -> ExitCode:
    """Exit 0; 1 where a rollback did not restore, or broke a rule; 16 interrupted."""
    theirs = stand_in.read(
        arguments.plan, console, generation=arguments.generation, live=arguments.live
    )
    all_cases = tuple(cases(theirs, arguments.step))
    if not all_cases:
        steps = ", ".join(step.id for step in theirs.document.steps)
        raise CommandError(
            ExitCode.NOT_FOUND, f'the plan has no step "{arguments.step}"', hint=f"it has {steps}"
        )
    counted = Counted(console, len(all_cases), "rollbacks")
    jobs = min(stand_in.jobs(arguments.jobs), len(all_cases))
    found = tuple(counted.of(drilled(all_cases, jobs)))
    shown = view.Drilling(
        plan=theirs.document.name,
        file=arguments.plan.file,
        asked=len(all_cases),
        rows=found,
        stands_in=theirs.stands_in,
        forward_only=theirs.document.rollback.forward_only,
    )
    match arguments.output:
        case Output.JSON:
            console.out.raw(view.drill_json(shown))
        case Output.MARKDOWN:
            console.out.raw(view.drill_markdown(shown).rstrip("\n"))
        case Output.HUMAN:
            view.print_drill(shown, console.out)
    if not all(row.restored for row in found):
        return ExitCode.FAILURE
    return ExitCode.INTERRUPTED if counted.interrupted else ExitCode.SUCCESS
