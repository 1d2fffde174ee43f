"""`rollback`: put back what a rollout did, finished or not, from its journal alone."""

from __future__ import annotations

from rollout_kit.cli.arguments import Rollback
from rollout_kit.cli.console import Console
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.wiring import session


def run(arguments: Rollback, console: Console) -> ExitCode:
    choice = arguments.choice
    how = Run(
        command="rollback",
        output=arguments.output,
        state=choice.state,
        lock_wait_s=arguments.lock_wait_s,
    )
    return carry_out(
        how,
        console,
        lambda around: session.roll_back(
            choice.rollout, around, target=choice.target, freeze=arguments.freeze
        ),
    )
