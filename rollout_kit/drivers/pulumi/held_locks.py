"""Who holds a stack, wherever its backend is; and the end of locks whose owner is ours and dead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rollout_kit.drivers.pulumi import environment, locks, reading, service_updates
from rollout_kit.drivers.pulumi.api import Stack
from rollout_kit.drivers.pulumi.locks import Claim, Lock, Standing
from rollout_kit.drivers.pulumi.marks import Marks, here
from rollout_kit.drivers.work import processes

CLI_TIMEOUT_S = 30.0
CANCEL = (
    "if no update of this stack runs on any machine, `pulumi cancel` removes its locks; it stops "
    "nobody, and of two updates at once the last to save makes what the other did vanish from the state"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One lock, and what can be said of its owner."""

    lock: Lock
    standing: Standing

    @property
    def dead(self) -> bool:
        return self.standing is Standing.OURS_AND_DEAD


def found(stack: Stack, claim: Claim | None = None) -> tuple[Held, ...] | None:
    """The stack's locks; None where the backend tells nobody but an update.

    Files are read where the backend is a folder. In a bucket the CLI is asked, which takes the lock
    for a moment (`reading.locks`). A service tells in the stack's history what is under way.
    `claim`: beside our own record of the stack. Raises an `OutsideError`: it cannot be asked.
    """
    backend = locks.backend_of(stack.backend, environment.of(stack, os.environ))
    ours = replace(claim or Claim(), mark=Marks(Path(stack.folder)).found())
    if service_updates.in_service(backend):
        return _in_service(stack, ours)
    there = locks.read(backend, stack.project, stack.name)
    if there is None and not locks.in_bucket(backend):
        return None
    if there is None:
        cli = reading.cli_of(stack, timeout_s=CLI_TIMEOUT_S)
        reading.version(stack, cli)
        there = reading.locks(stack, cli)
    judged = (locks.judge(lock, ours, here(), processes.runs) for lock in there)
    return tuple(
        Held(lock=lock, standing=standing) for lock, standing in zip(there, judged, strict=True)
    )


def _in_service(stack: Stack, ours: Claim) -> tuple[Held, ...]:
    cli = reading.cli_of(stack, timeout_s=CLI_TIMEOUT_S)
    reading.version(stack, cli)
    with reading.place(stack, "") as (folder, _):
        update = service_updates.under_way(reading.history(stack, cli, folder))
    if update is None:
        return ()
    standing = service_updates.judge(update, ours, here(), processes.runs)
    return (Held(lock=update.lock, standing=standing),)


def remove_dead(stack: Stack, held: Sequence[Held]) -> tuple[Held, ...]:
    """Remove those whose owner is ours and dead; gives them.

    In a bucket the CLI removes all or none: there none, unless all of them are. In a service it
    cancels whatever update is under way: there only what is still the same. Raises an `OutsideError`.
    """
    dead = tuple(item for item in held if item.dead)
    if not dead:
        return ()
    backend = locks.backend_of(stack.backend, environment.of(stack, os.environ))
    if service_updates.in_service(backend) and found(stack) != tuple(held):
        return ()
    if locks.state_root(backend) is not None:
        locks.break_all([item.lock for item in dead])
        return dead
    if len(dead) < len(held):
        return ()
    cli = reading.cli_of(stack, timeout_s=CLI_TIMEOUT_S)
    with reading.place(stack, "") as (folder, _):
        reading.cancel(stack, cli, folder)
    return dead
