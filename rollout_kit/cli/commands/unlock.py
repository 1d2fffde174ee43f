"""`unlock`: who holds a target and its stack; with `--force`, open what may be opened.

The target's lock is opened for whoever says why. A stack's lock stops nobody once it is gone, so of
those only the ones are removed whose owner is provably ours and dead.
"""

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
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.journal import JournalLost
from rollout_kit.reporters.text import Style
from rollout_kit.wiring import stack_lock


def run(arguments: Unlock, console: Console) -> ExitCode:
    """Exit 0 when target and stack are open, 15 when one is held and was not opened."""
    store = journals.store(arguments.state, console)
    target = _target(arguments.target, store)
    ends = (
        _of_target(target, store, arguments, console),
        _of_stack(target, store, arguments, console),
    )
    return max(ends)


def _of_target(target: str, store: RolloutStore, arguments: Unlock, console: Console) -> ExitCode:
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


def _of_stack(target: str, store: RolloutStore, arguments: Unlock, console: Console) -> ExitCode:
    """The stack's own locks, where the target's newest rollout changes one."""
    try:
        found = stack_lock.of_target(store, target)
        if found is None:
            return ExitCode.SUCCESS
        name = f"stack {found.stack.name}"
        if not found.held:
            unknown = "of its locks its backend tells an update alone"
            console.out.line(
                f"{name}: {unknown}" if found.held is None else f"{name} is not locked"
            )
            return ExitCode.SUCCESS
        for item in found.held:
            console.out.line(f"{name} is held by {item.lock.owner}: {item.standing.value}")
        removed = found.remove_dead() if arguments.force else ()
    except (OutsideError, JournalLost, ValueError) as error:
        console.warn(f"whether its stack is locked is not known: {error}")
        return ExitCode.SUCCESS
    for item in removed:
        console.out.line(f"✓ removed the lock of {item.lock.owner}", Style.GOOD)
    left = [item for item in found.held if item not in removed]
    if not left:
        return ExitCode.SUCCESS
    if all(item.dead for item in left):
        console.out.line("next: `resume` removes it, or this command with --force")
    else:
        console.out.line(f"next: wait for it; {found.next}")
    return ExitCode.LOCKED


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
