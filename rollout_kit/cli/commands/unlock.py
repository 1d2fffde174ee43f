"""`unlock`: who holds a target; with `--force`, open its lock so that another can go on."""

from __future__ import annotations

import sys

from rollout_kit.cli import journals
from rollout_kit.cli.arguments import Unlock
from rollout_kit.cli.console import Console
from rollout_kit.cli.errors import CommandError
from rollout_kit.cli.exit_codes import ExitCode
from rollout_kit.cli.options import with_state
from rollout_kit.journal.lock import since, unlock
from rollout_kit.journal.owner import actor, is_gone, this_process
from rollout_kit.journal.store import RolloutStore
from rollout_kit.reporters.text import Style


def run(arguments: Unlock, console: Console) -> ExitCode:
    """Exit 0 when the lock is open, 15 when it is held and was not opened."""
    store = journals.store(arguments.state, console)
    target = _target(arguments.target, store)
    place = store.lock(target)
    lock = place.read()
    if lock is None or lock.released:
        console.out.line(f"{target} is not locked")
        return ExitCode.SUCCESS
    is_dead = is_gone(lock.owner, this_process(console.environment))
    console.out.line(
        f"{target} is held by {lock.owner.label}{since(lock)} for {lock.rollout}, "
        f"last renewed {lock.renewed_at}"
        + ("; that process is gone, and `resume` needs no unlocking" if is_dead else "")
    )
    if not arguments.force:
        force = f"rollout-kit unlock --target {target} --force"
        command = with_state(force, arguments.state or "")
        console.out.line(f"next: {command}, if it is dead and cannot be waited for")
        return ExitCode.LOCKED
    if not _is_meant(arguments, console):
        console.out.line("left as it is")
        return ExitCode.LOCKED
    unlock(place, by=actor(console.environment), because=arguments.because or "no reason given")
    console.out.line("✓ opened; if its holder lives, it stops before its next effect", Style.GOOD)
    return ExitCode.SUCCESS


def _target(given: str | None, store: RolloutStore) -> str:
    targets = store.targets()
    target = given or (targets[0] if len(targets) == 1 else None)
    known = ", ".join(targets) or "none"
    if target is None:
        message = f"{len(targets)} targets have a journal in {store.place}"
        raise CommandError(ExitCode.USAGE, message, hint=f"say which with --target: {known}")
    if target not in targets:
        message = f'No target "{target}" in {store.place}'
        raise CommandError(ExitCode.NOT_FOUND, message, hint=f"there are: {known}")
    return target


def _is_meant(arguments: Unlock, console: Console) -> bool:
    """Somebody who sees the holder says yes; who is not there to be asked gives the reason."""
    if console.interactive and not arguments.yes:
        console.err_stream.write("Open its lock? Its work in flight cannot be called back. [y/N] ")
        console.err_stream.flush()
        return sys.stdin.readline().strip().casefold() in ("y", "yes")
    if not arguments.because:
        raise CommandError(
            ExitCode.USAGE,
            "Nobody can be asked here whether that is meant",
            why="Two processes would work on one fleet if the holder is alive.",
            hint="say why with --because TEXT; its holder, if it lives, is told",
        )
    return True
