"""Where rollouts lie: by target and id, found by id, by prefix, or as the newest unfinished."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import Chain
from rollout_kit.journal.lock_place import LockPlace
from rollout_kit.journal.people import People
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.journal.tape import Tape
from rollout_kit.model.codec import TAG
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.lock import Lock

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEntry:
    """One rollout that has begun, as its first and last records tell without reading the others."""

    target: str
    rollout: str
    place: str  # of its journal, as messages name it
    plan: str
    digest: str
    started_at: datetime
    outcome: str | None  # an Outcome's value; None: unfinished
    fence: int

    @property
    def finished(self) -> bool:
        return self.outcome is not None


class RolloutNotFound(Exception):
    """No rollout, or more than one, is what was asked for. `hint` names the ones there are."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RolloutStore(ABC):
    """The journals, locks and people's records below one place: a folder, a bucket, memory."""

    @property
    @abstractmethod
    def place(self) -> str:
        """As `--state` and messages name it."""

    @abstractmethod
    def prove(self) -> None:
        """See, before the first write, that two writers can be told apart here.

        Raises:
            JournalLost: the store lacks what that takes, or cannot be written.
        """

    @abstractmethod
    def targets(self) -> tuple[str, ...]:
        """Every target of which something lies here."""

    @abstractmethod
    def ids(self, target: str) -> frozenset[str]:
        """The rollouts of a target, also one whose first record was cut off. Fast."""

    @abstractmethod
    def tape(self, target: str, rollout: str) -> Tape:
        """Where the lines of its journal stand, or will."""

    @abstractmethod
    def people(self, target: str, rollout: str) -> People:
        """What people left beside its journal."""

    @abstractmethod
    def lock(self, target: str) -> LockPlace:
        """The lock of a target."""

    def journal(  # noqa: PLR0913 - as `StoredJournal`
        self,
        target: str,
        rollout: str,
        *,
        clock: Clock,
        actor: str,
        lock: Lock,
        attendance: Attendance,
        warn: Callable[[str], None] = lambda _: None,
    ) -> StoredJournal:
        """Its journal, for who holds the target's lock."""
        return StoredJournal(
            self.tape(target, rollout),
            clock=clock,
            actor=actor,
            lock=lock,
            attendance=attendance,
            warn=warn,
        )

    def load(self, entry: RolloutEntry) -> Chain:
        """All records of a rollout. Raises `JournalDamaged`, or `JournalLost` if unreadable."""
        return self.tape(entry.target, entry.rollout).load()

    def rollouts(self, target: str | None = None) -> tuple[RolloutEntry, ...]:
        """All rollouts of the target (of every target), newest first."""
        targets = self.targets() if target is None else (target,)
        there = [(name, rollout) for name in targets for rollout in sorted(self.ids(name))]
        found = self._each(lambda one: _entry(*one, self.tape(*one)), there)
        entries = (entry for entry in found if entry is not None)
        return tuple(sorted(entries, key=lambda entry: entry.started_at, reverse=True))

    def newest_unfinished(self, target: str | None = None) -> RolloutEntry | None:
        return next((entry for entry in self.rollouts(target) if not entry.finished), None)

    def find(self, rollout: str | None, target: str | None = None) -> RolloutEntry:
        """The rollout of this id or unique prefix; without one, the newest unfinished.

        Raises:
            RolloutNotFound: none, or several, with the names that there are.
        """
        entries = self.rollouts(target)
        where = f"target {target}" if target else self.place
        if rollout is None:
            unfinished = [entry for entry in entries if not entry.finished]
            if unfinished:
                return _only_target(unfinished, where)
            raise RolloutNotFound(f"No unfinished rollout in {where}", _known(entries))
        exact = [entry for entry in entries if entry.rollout == rollout]
        fitting = exact or [entry for entry in entries if entry.rollout.startswith(rollout)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            names = ", ".join(entry.rollout for entry in fitting[:5])
            message = f'{len(fitting)} rollouts in {where} begin with "{rollout}"'
            raise RolloutNotFound(message, f"give more of the id: {names}")
        raise RolloutNotFound(f'No rollout "{rollout}" in {where}', _known(entries))

    def _each(self, act: Callable[[S], T], items: Sequence[S]) -> Iterable[T]:
        """`act` on each, in their order; a store that is far away asks several at a time."""
        return map(act, items)


def new_rollout_id(plan: str, now: datetime, randomness: bytes) -> str:
    """`<plan>-<UTC time>-<4 hex>`; `randomness`: at least two bytes."""
    return f"{plan}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{randomness[:2].hex()}"


def part_of_path(name: str) -> str:
    """A name as one part of a path; `quote` alone would let `..` through."""
    quoted = quote(name, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def name_of_part(part: str) -> str:
    """What `part_of_path` was given."""
    return unquote(part)


def _entry(target: str, rollout: str, tape: Tape) -> RolloutEntry | None:
    """A journal's entry; None where its first record was cut off: nothing has begun."""
    first = _peek(tape.first())
    if first is None:
        return None
    latest = (found for line in tape.backwards() if (found := _peek(line)))
    last = next(latest, first)
    # Who attaches to a finished rollout and finds nothing to do has not begun it again.
    while last.kind == "Attached" and (before := next(latest, None)):
        last = before
    return RolloutEntry(
        target=target,
        rollout=rollout,
        place=tape.place,
        plan=str(first.event.get("plan", "")),
        digest=str(first.event.get("digest", "")),
        started_at=first.at,
        outcome=str(last.event["outcome"]) if last.kind == "RolloutFinished" else None,
        fence=last.fence,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Peek:
    """A record's outside: listing must be fast, and work for a journal that cannot be read in full."""

    at: datetime
    fence: int
    kind: str
    event: Mapping[str, Any]


def _peek(line: bytes) -> _Peek | None:
    try:
        data = json.loads(line)
        at = datetime.fromisoformat(data["at"])
        event = data["event"]
        return _Peek(at=at, fence=int(data["fence"]), kind=event[TAG], event=event)
    except (ValueError, KeyError, TypeError):
        return None


def _only_target(unfinished: Sequence[RolloutEntry], where: str) -> RolloutEntry:
    targets = sorted({entry.target for entry in unfinished})
    if len(targets) > 1:
        message = f"Rollouts of {len(targets)} targets in {where} are unfinished"
        raise RolloutNotFound(message, f"say which with --target: {', '.join(targets)}")
    return unfinished[0]


def _known(entries: Sequence[RolloutEntry]) -> str:
    if not entries:
        return "is --state the place where `apply` kept its journal?"
    shown = ", ".join(f"{entry.rollout} ({entry.outcome or 'unfinished'})" for entry in entries[:5])
    more = f" and {len(entries) - 5} more" if len(entries) > 5 else ""
    return f"there are: {shown}{more}"
