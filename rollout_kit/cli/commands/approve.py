"""`approve`: a person's yes to what a rollout holds for, bound to what they saw."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.approval import SAYS, word, yes
from rollout_kit.cli.arguments import Approve
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import with_state
from rollout_kit.journal.owner import actor
from rollout_kit.model.asked import pending, wants_word
from rollout_kit.model.events import PersonAsked, RolloutHeld
from rollout_kit.reporters.text import Style
from rollout_kit.wiring.clock import SystemClock


def run(arguments: Approve, console: Console) -> ExitCode:
    found = journals.find(arguments.choice, console)
    who, because, at = actor(console.environment), arguments.because, SystemClock().now()
    asked = _asked(arguments.operation, found)
    if asked is not None:
        record = word(found.state, asked, actor=who, because=because, at=at)
    else:
        held = _held(arguments.operation, found)
        record = yes(found.state, held, actor=who, because=because, at=at)
    people = found.store.people(found.entry.target, found.entry.rollout)
    if not people.leave(record):
        console.out.line(f"{record.operation} was approved before; that stands")
    else:
        console.out.line(f"✓ {record.operation} approved by {record.actor}", Style.GOOD)
    running = journals.holder(found, console)
    if running:
        console.out.line(f"{running} goes on")
    else:
        resume = f"rollout-kit resume {found.entry.rollout}"
        command = with_state(resume, arguments.choice.state or "")
        console.out.line(f"next: {command}", Style.STRONG)
    return ExitCode.SUCCESS


def _asked(operation: str | None, found: journals.Found) -> PersonAsked | None:
    """What was asked in place, without a hold: the operation named, or the only one there is."""
    state = found.state
    if state.hold is not None and operation in (None, state.hold.operation):
        return None
    if operation is not None:
        return wants_word(state, operation)
    words = [one for one in pending(state) if wants_word(state, one.operation.id)]
    return words[0] if len(words) == 1 else None


def _held(operation: str | None, found: journals.Found) -> RolloutHeld:
    """The hold that a yes settles. Raises `CommandError` when there is none."""
    held, rollout = found.state.hold, found.entry.rollout
    if held is None or held.kind not in SAYS:
        what = f"holds for something else: {held.reason}" if held else "does not hold"
        several = [one.operation.id for one in pending(found.state)]
        if held is None and several:
            what = f"waits for more than one word: {', '.join(several)}"
        hint = held.hint if held else "`rollout-kit status` shows where it stands"
        raise CommandError(ExitCode.NOT_FOUND, f"{rollout} {what}", hint=hint)
    if operation is not None and operation != held.operation:
        message = f"{rollout} holds at {held.operation}, not at {operation}"
        hint = f"`rollout-kit approve {held.operation}`, once you have looked at it"
        raise CommandError(ExitCode.NOT_FOUND, message, hint=hint)
    return held
