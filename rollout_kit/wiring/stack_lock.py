"""The locks of the stack that a rollout changes, beside the rollout's own lock of its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.document.plan import PulumiInfra
from rollout_kit.document.read import read_canonical
from rollout_kit.journal.store import RolloutStore
from rollout_kit.model.events import Attached, OperationIntended, Record, RolloutStarted
from rollout_kit.model.state import Standing, fold

if TYPE_CHECKING:
    from rollout_kit.drivers.pulumi.api import Stack
    from rollout_kit.drivers.pulumi.held_locks import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """Which machines have run a rollout, and since when its open intents stand, by key."""

    hosts: tuple[str, ...]
    intended_at: dict[str, datetime]


def attendance(records: Sequence[Record]) -> Attendance:
    """As a journal tells it."""
    state = fold(records)
    hosts: dict[str, None] = {}
    intended_at: dict[str, datetime] = {}
    for record in records:
        match record.event:
            case Attached(host=host):
                hosts[host] = None
            case OperationIntended(operation=operation, key=key) if (
                state.standing(operation.id) is Standing.INTENDED
            ):
                intended_at.setdefault(key, record.at)
            case _:
                pass
    return Attendance(hosts=tuple(hosts), intended_at=intended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLocks:
    """`held` None: this backend tells nobody but an update."""

    stack: Stack
    held: tuple[Held, ...] | None

    @property
    def next(self) -> str:
        """What to do about those that nobody here may break."""
        from rollout_kit.drivers.pulumi.held_locks import CANCEL

        return CANCEL.replace("pulumi cancel", f"pulumi cancel --stack {self.stack.name}")

    def remove_dead(self) -> tuple[Held, ...]:
        """Remove what is provably ours and dead, and nothing else. Raises an `OutsideError`."""
        from rollout_kit.drivers.pulumi.held_locks import remove_dead

        return remove_dead(self.stack, self.held or ())


def of_target(store: RolloutStore, target: str) -> StackLocks | None:
    """Who holds the stack of the target's newest rollout; None: it changes no stack.

    Raises an `OutsideError`: the backend cannot be asked.
    """
    entries = store.rollouts(target)
    if not entries:
        return None
    records = store.load(entries[0]).records
    started = records[0].event
    assert isinstance(started, RolloutStarted), "every journal begins with RolloutStarted"
    infra = read_canonical(started.document).infra
    if not isinstance(infra, PulumiInfra) or infra.waits:
        return None
    from rollout_kit.drivers.pulumi.held_locks import found
    from rollout_kit.drivers.pulumi.locks import Claim
    from rollout_kit.wiring.pulumi import stack_of

    stack = stack_of(infra, Path(started.plan_folder))
    attended = attendance(records)
    since = min(attended.intended_at.values(), default=None)
    return StackLocks(
        stack=stack, held=found(stack, Claim(hosts=attended.hosts, intended_at=since))
    )
