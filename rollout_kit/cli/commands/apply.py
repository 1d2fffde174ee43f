"""`apply`: carry a plan out, or go on with its unfinished rollout."""

from __future__ import annotations

from rollout_kit.cli import plan_file, saved_previews
from rollout_kit.cli.arguments import Apply
from rollout_kit.cli.commands.preview import policies
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.running import Run, carry_out, warn_of_a_lost_state
from rollout_kit.document.substitute import Purpose
from rollout_kit.journal.state_url import below
from rollout_kit.wiring import session


def run(arguments: Apply, console: Console) -> ExitCode:
    document = plan_file.usable(arguments.plan, console, Purpose.APPLY)
    folder = plan_file.folder(arguments.plan, console)
    preview = arguments.preview
    saved = saved_previews.load(preview, document, console) if preview is not None else None
    planned = below(folder, document.state) if document.state else None
    how = Run(
        command="apply",
        output=arguments.output,
        state=arguments.state or planned,
        plan_file=arguments.plan.file,
        wait=arguments.wait,
        lock_wait_s=arguments.lock_wait_s,
        policies=policies(arguments.policies, folder, console),
    )
    warn_of_a_lost_state(how, console)
    return carry_out(how, console, lambda around: session.apply(document, folder, around, saved))
