"""`hold`: ask a running rollout to stop where it may, with everything left as it then is."""

from __future__ import annotations

from rollout_kit.cli import journals, requests
from rollout_kit.cli.arguments import Hold
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import with_state
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.reporters.text import Style


def run(arguments: Hold, console: Console) -> ExitCode:
    """Exit 0 when it was asked, or when nobody runs the rollout: then it stands still anyway."""
    found = journals.find(arguments.choice, console)
    requests.demand_unfinished(found)
    rollout = found.entry.rollout
    if found.state.rollback is not None:
        raise CommandError(
            ExitCode.FAILURE,
            f"{rollout} is rolling back, and a rollback is not held",
            why="Half of it put back is no place to stay.",
            hint="`rollout-kit status` shows how far it is",
        )
    running = journals.holder(found, console)
    if running:
        requests.leave(PersonSaid.HOLD, found, arguments.because, console)
        console.out.line(f"asked {running} to hold; an open group is closed first")
    else:
        console.out.line(f"nobody runs {rollout}: it stands still already")
    command = with_state(f"rollout-kit resume {rollout}", arguments.choice.state or "")
    console.out.line(f"next: {command}, when it may go on", Style.STRONG)
    return ExitCode.SUCCESS
