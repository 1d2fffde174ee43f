"""`unlock`: who holds a target; with `--force`, open its lock so that another can go on."""

from __future__ import annotations

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Unlock
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.journal.lock import unlock
from rollout_kit.journal.owner import actor
from rollout_kit.reporters.text import Style


def run(arguments: Unlock, console: Console) -> ExitCode:
    """Exit 0 when the lock is open, 15 when it is held and `--force` was not given."""
    store = journals.store(arguments.state, console)
    targets = store.targets()
    target = arguments.target or (targets[0] if len(targets) == 1 else None)
    if target is None:
        known = ", ".join(targets) or "none"
        message = f"{len(targets)} targets have a journal in {store.place}"
        raise CommandError(ExitCode.USAGE, message, hint=f"say which with --target: {known}")
    if target not in targets:
        known = ", ".join(targets) or "none"
        message = f'No target "{target}" in {store.place}'
        raise CommandError(ExitCode.NOT_FOUND, message, hint=f"there are: {known}")
    place = store.lock(target)
    lock = place.read()
    if lock is None or lock.released:
        console.out.line(f"{target} is not locked")
        return ExitCode.SUCCESS
    console.out.line(
        f"{target} is held by {lock.owner.label} for {lock.rollout}, last renewed {lock.renewed_at}"
    )
    if not arguments.force:
        console.out.line(f"next: rollout-kit unlock --target {target} --force, if it is dead")
        return ExitCode.LOCKED
    unlock(place, by=actor(console.environment), because=arguments.because or "no reason given")
    console.out.line("✓ opened; if its holder lives, it stops before its next effect", Style.GOOD)
    return ExitCode.SUCCESS
