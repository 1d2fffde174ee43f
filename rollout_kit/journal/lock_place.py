"""The lock of one target, whatever keeps it: replaced whole, and only by who has seen how it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Protocol

from rollout_kit.journal.owner import Owner
from rollout_kit.model.codec import CodecError, from_json, to_json
from rollout_kit.ports.journal import JournalLost

NAME = "lock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """What stands there. `version` rises with every replacement, `fence` with every new holder."""

    version: int
    fence: int
    owner: Owner
    rollout: str
    attended_s: float = 0.0  # as of this renewal, of this rollout
    taken_at: str = ""  # by this holder; wall clock, for people only, as the next
    renewed_at: str = ""
    released: bool = False
    note: str = ""  # who forced it open, and why

    def after(self, seen: LockState | None) -> LockState:
        """The same with the version that follows `seen`: no two states are ever equal."""
        return replace(self, version=(seen.version if seen else 0) + 1)


class LockPlace(Protocol):
    """Reads and compare-and-swaps. Both raise `JournalLost` where that is not possible."""

    @property
    def place(self) -> str:
        """As messages name it."""
        ...

    def read(self) -> LockState | None:
        """What stands there now."""
        ...

    def swap(self, seen: LockState | None, new: LockState) -> LockState | None:
        """Write `new` with the next version if `seen` still stands there; None when it does not."""
        ...


def encode(state: LockState) -> bytes:
    return json.dumps(to_json(state), indent=1).encode()


def decode(data: bytes, place: str) -> LockState:
    """Raises `JournalLost` for what is no lock."""
    try:
        return from_json(LockState, json.loads(data))
    except (CodecError, ValueError) as error:
        raise JournalLost(
            f"{place} is no lock that this program can read: {error}",
            "make sure that nobody runs a rollout on this target, then remove it",
        ) from error
