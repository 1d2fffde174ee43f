"""`abort`: stop a rollout and leave the fleet as it is. Who runs it stops; else it is ended here."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Abort
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.running import Run, carry_out
from rollout_kit.journal.owner import actor
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from rollout_kit.wiring.attach import attach
from rollout_kit.wiring.clock import SystemClock


def run(arguments: Abort, console: Console) -> ExitCode:
    """Exit 0 when it was asked of a running rollout, or when it is aborted."""
    found = journals.find(arguments.choice, console)
    if found.state.finished is not None or found.state.started is None:
        raise CommandError(
            ExitCode.NOT_FOUND,
            f"{found.entry.rollout} is over: {found.entry.outcome}",
            hint="`rollout-kit rollback` puts back what a finished rollout did",
        )
    record = PersonRecord(
        said=PersonSaid.ABORT,
        operation="",
        attempt=found.state.records,
        digest=found.state.started.digest,
        fingerprint="",
        actor=actor(console.environment),
        because=arguments.because or "asked for",
        at=SystemClock().now(),
    )
    found.store.people(found.entry.target, found.entry.rollout).leave(record)
    running = journals.holder(found, console)
    if running:
        console.out.line(f"asked {running} to stop; an open group is closed first")
        return ExitCode.SUCCESS
    how = Run(command="abort", output=arguments.output, state=arguments.choice.state)
    code = carry_out(how, console, lambda around: attach(found.entry, around))
    ended = journals.find(arguments.choice, console).state.finished
    return ExitCode.SUCCESS if ended is not None and code is ExitCode.FAILURE else code
