"""`sandbox up|down|status`: a fleet of real processes on this machine."""

from __future__ import annotations

from rollout_kit.cli.arguments import Output, Sandbox, SandboxAct
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.sandbox_view import fleet_json, print_fleet, print_next_steps
from rollout_kit.reporters.json_document import document
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import Generation


def run(arguments: Sandbox, console: Console) -> ExitCode:
    """Exit 1 when it does not come up, or `status` finds it not up."""
    folder = console.folder / arguments.folder
    if arguments.act is SandboxAct.DOWN:
        fleet.down(folder)
        if arguments.output is Output.JSON:
            console.out.raw(document("sandbox", {"folder": str(folder), "up": False}))
        else:
            console.out.line(f"Sandbox in {folder}: down")
        return ExitCode.SUCCESS
    if arguments.act is SandboxAct.UP:
        console.err.line("starting nodes, scheduler, maintenance, workers and load …")
        fleet.up(folder, generation=Generation(arguments.generation))
    status = fleet.status(folder)
    if arguments.output is Output.JSON:
        console.out.raw(fleet_json(status))
    else:
        print_fleet(status, console.out)
        if arguments.act is SandboxAct.UP:
            print_next_steps(status.info, console.out)
    return ExitCode.SUCCESS if status.up else ExitCode.FAILURE
