"""`resume`: go on with a rollout that was interrupted or holds."""

from __future__ import annotations

from rollout_kit.cli.arguments import Resume
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.wiring import session


def run(arguments: Resume, console: Console) -> ExitCode:
    choice = arguments.choice
    how = Run(
        command="resume",
        output=arguments.output,
        state=choice.state,
        lock_wait_s=arguments.lock_wait_s,
        wait=arguments.wait,
    )
    return carry_out(
        how,
        console,
        lambda around: session.resume(
            choice.rollout, around, target=choice.target, accept=arguments.accept
        ),
    )
