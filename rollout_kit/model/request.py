"""What a person, or the controller that they steer, is asked to change; and how that will be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollout_kit.model.observation import FactValue
from rollout_kit.model.operation import JsonValue, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One change that somebody else makes.

    `word`: the server does not show when it is done, so only a person can say.
    """

    what: str  # "replace what runs as api-1"
    before: str = ""  # as it is now: "version 0.2.9, marker none"
    after: str = ""  # as it is to be
    where: str = ""  # an address, a queue
    seen: str = ""  # how it will be known that it is done
    word: bool = False

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        change = f": {self.before} -> {self.after}" if self.after else ""
        return f"{self.what}{change}{f' ({self.where})' if self.where else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAsked:
    """A person was asked to change something, or to say what only they can know.

    From here on it may happen, so this carries what an intent does: the facts before, and those it
    may move. `change`: what was asked, as a driver wrote it; None where only a word is wanted.
    `fingerprint`: of what the answer is bound to. `begun`: it is awaited in place; else the rollout
    holds, and nothing has begun.
    """

    operation: Operation
    attempt: int
    request: Request
    key: str = ""
    change: JsonValue = None
    before: Mapping[str, FactValue]
    touches: tuple[str, ...] = ()
    fingerprint: str = ""
    begun: bool = True
