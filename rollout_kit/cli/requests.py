"""What a person asks of a rollout from another terminal: to stop, to hold."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.journal.owner import actor
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from rollout_kit.wiring.clock import SystemClock


def demand_unfinished(found: journals.Found) -> None:
    """Raises `CommandError` where nothing is left to stop."""
    if found.state.finished is not None or found.state.started is None:
        raise CommandError(
            ExitCode.NOT_FOUND,
            f"{found.entry.rollout} is over: {found.entry.outcome}",
            hint="`rollout-kit rollback` puts back what a finished rollout did",
        )


def leave(said: PersonSaid, found: journals.Found, because: str, console: Console) -> None:
    """Leave the request beside the journal. Who runs the rollout meets it within a second or two."""
    assert found.state.started is not None
    record = PersonRecord(
        said=said,
        operation="",
        attempt=found.state.records,
        digest=found.state.started.digest,
        fingerprint="",
        actor=actor(console.environment),
        because=because or "asked for",
        at=SystemClock().now(),
    )
    found.store.people(found.entry.target, found.entry.rollout).leave(record)
