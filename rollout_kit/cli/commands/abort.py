"""`abort`: stop a rollout and leave the fleet as it is. Who runs it stops; else it is ended here."""

from __future__ import annotations

from rollout_kit.cli import journals, requests
from rollout_kit.cli.arguments import Abort
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.wiring.attach import attach


def run(arguments: Abort, console: Console) -> ExitCode:
    """Exit 0 when it was asked of a running rollout, or when it is aborted."""
    found = journals.find(arguments.choice, console)
    requests.demand_unfinished(found)
    requests.leave(PersonSaid.ABORT, found, arguments.because, console)
    running = journals.holder(found, console)
    if running:
        console.out.line(f"asked {running} to stop; an open group is closed first")
        return ExitCode.SUCCESS
    how = Run(command="abort", output=arguments.output, state=arguments.choice.state)
    code = carry_out(how, console, lambda around: attach(found.entry, around))
    ended = journals.find(arguments.choice, console).state.finished
    return ExitCode.SUCCESS if ended is not None and code is ExitCode.FAILURE else code
