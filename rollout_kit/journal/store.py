"""Where rollouts lie: `<state>/<target>/<rollout id>.jsonl`, found by id, by prefix, or the newest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from rollout_kit.journal.people import PeopleFolder
from rollout_kit.model.codec import TAG

SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEntry:
    """One rollout that has begun, as its first and last records tell without reading the others."""

    target: str
    rollout: str
    path: Path
    plan: str
    digest: str
    started_at: datetime
    last_at: datetime
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


class RolloutStore:
    """The journals below one state folder. Reads only."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def folder(self, target: str) -> Path:
        """Where lock and journals of a target lie."""
        return self.state / _file_name(target)

    def journal(self, target: str, rollout: str) -> Path:
        return self.folder(target) / f"{_file_name(rollout)}{SUFFIX}"

    def people(self, target: str, rollout: str) -> PeopleFolder:
        return PeopleFolder(self.folder(target) / f"{_file_name(rollout)}.people")

    def rollouts(self, target: str | None = None) -> tuple[RolloutEntry, ...]:
        """All rollouts of the target (of every target), newest first."""
        folders = [self.folder(target)] if target else _folders(self.state)
        paths = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
        found = [entry for path in paths if (entry := read_entry(path))]
        return tuple(sorted(found, key=lambda entry: entry.started_at, reverse=True))

    def targets(self) -> tuple[str, ...]:
        """Every target that has a folder here."""
        return tuple(unquote(folder.name) for folder in _folders(self.state))

    def newest_unfinished(self, target: str | None = None) -> RolloutEntry | None:
        return next((entry for entry in self.rollouts(target) if not entry.finished), None)

    def find(self, rollout: str | None, target: str | None = None) -> RolloutEntry:
        """The rollout of this id or unique prefix; without one, the newest unfinished.

        Raises:
            RolloutNotFound: none, or several, with the names that there are.
        """
        entries = self.rollouts(target)
        where = f"target {target}" if target else str(self.state)
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


def new_rollout_id(plan: str, now: datetime, randomness: bytes) -> str:
    """`<plan>-<UTC time>-<4 hex>`; `randomness`: at least two bytes."""
    return f"{plan}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{randomness[:2].hex()}"


def read_entry(path: Path) -> RolloutEntry | None:
    """A journal's entry; None where its first record was cut off: nothing has begun."""
    lines = path.read_bytes().split(b"\n")[:-1]
    first = _peek(lines[0]) if lines else None
    if first is None:
        return None
    latest = (found for line in reversed(lines) if (found := _peek(line)))
    last = next(latest, first)
    # Who attaches to a finished rollout and finds nothing to do has not begun it again.
    while last.kind == "Attached" and (before := next(latest, None)):
        last = before
    return RolloutEntry(
        target=unquote(path.parent.name),
        rollout=unquote(path.name.removesuffix(SUFFIX)),
        path=path,
        plan=str(first.event.get("plan", "")),
        digest=str(first.event.get("digest", "")),
        started_at=first.at,
        last_at=last.at,
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


def _file_name(name: str) -> str:
    """A name as one part of a path; `quote` alone would let `..` through."""
    quoted = quote(name, safe="")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def _folders(state: Path) -> list[Path]:
    return sorted(entry for entry in state.iterdir() if entry.is_dir()) if state.is_dir() else []


def _only_target(unfinished: Sequence[RolloutEntry], where: str) -> RolloutEntry:
    targets = sorted({entry.target for entry in unfinished})
    if len(targets) > 1:
        message = f"Rollouts of {len(targets)} targets in {where} are unfinished"
        raise RolloutNotFound(message, f"say which with --target: {', '.join(targets)}")
    return unfinished[0]


def _known(entries: Sequence[RolloutEntry]) -> str:
    if not entries:
        return "is --state the folder where `apply` kept its journal?"
    shown = ", ".join(f"{entry.rollout} ({entry.outcome or 'unfinished'})" for entry in entries[:5])
    more = f" and {len(entries) - 5} more" if len(entries) > 5 else ""
    return f"there are: {shown}{more}"
