"""`preview`: what a plan would do to the live fleet. Reads only."""

from __future__ import annotations

from pathlib import Path

from rollout_kit.cli import plan_file, saved_previews
from rollout_kit.cli.arguments import Output, Preview
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import DEFAULT_STATE
from rollout_kit.document.substitute import Purpose
from rollout_kit.execution import preview as execution
from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.policy.find import packs_beside, packs_in
from rollout_kit.reporters.preview_json import preview_json
from rollout_kit.reporters.preview_markdown import preview_markdown
from rollout_kit.reporters.preview_view import print_preview
from rollout_kit.wiring import session
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.result import Surroundings


def run(arguments: Preview, console: Console) -> ExitCode:
    """Exit 0; 1 with a blocker, 13 refused by policy, 20 with `--exit-code` and changes."""
    document = plan_file.usable(arguments.plan, console, Purpose.PREVIEW)
    folder = plan_file.folder(arguments.plan, console)
    around = Surroundings(
        environment=console.environment,
        store=FolderStore(console.folder / DEFAULT_STATE),
        clock=SystemClock(),
        command="preview",
        policies=policies(arguments.policies, folder, console),
        warn=console.warn,
    )
    found = session.preview(document, folder, around)
    if arguments.save is not None:
        saved_previews.save(found, arguments.save, console)
    match arguments.output:
        case Output.JSON:
            console.out.raw(preview_json(found, arguments.plan.file))
        case Output.MARKDOWN:
            console.out.raw(preview_markdown(found, arguments.plan.file))
        case Output.HUMAN:
            print_preview(found, arguments.plan.file, console.out)
    return _code(found, arguments.exit_code)


def policies(named: tuple[str, ...], plan_folder: Path, console: Console) -> tuple[Path, ...]:
    """The packs named on the command line; else those beside the plan."""
    if named:
        return packs_in(console.folder / path for path in named)
    return packs_beside(plan_folder)


def _code(found: execution.Preview, exit_code: bool) -> ExitCode:
    if found.problems:
        return ExitCode.FAILURE
    if found.refused:
        return ExitCode.POLICY
    return ExitCode.PENDING if exit_code and found.changes else ExitCode.SUCCESS
