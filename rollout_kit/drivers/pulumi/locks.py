"""Locks of a stack: whose they are, and whether their owner is dead for certain.

A lock has no expiry and its breaking stops nobody: with its owner alive, two updates would
overwrite each other's state. So one is broken only where it is provably ours and dead. `judge` is
pure; the rest reads the lock files of a `file://` backend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rollout_kit.drivers.pulumi.marks import Machine, Mark

_UNFINISHED = ".tmp"
_NAMED = re.compile(
    r"^  (?P<path>\S+): created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<since>\S+)$",
    re.MULTILINE,
)
_BUCKETS = frozenset({"s3", "gs", "azblob"})
_NANOSECONDS = re.compile(r"(\.\d{6})\d+")


class Standing(StrEnum):
    OURS_AND_DEAD = "ours and dead"
    OURS_AND_ALIVE = "ours and alive"
    OURS_ELSEWHERE = "ours, on another machine"
    FOREIGN = "foreign"
    BROKEN = "broken"  # it cannot be read and names nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One lock file. `since` None: it cannot be read. `pid` is that of the CLI itself.

    `said`: what a service says of the update under way, in place of a process.
    """

    path: str
    pid: int = 0
    user: str = ""
    host: str = ""
    since: datetime | None = None
    written_at: datetime | None = None  # of the file
    said: str = ""

    @property
    def owner(self) -> str:
        if self.since is None:
            return f"nobody it names ({self.path})"
        since = f"since {self.since:%Y-%m-%d %H:%M:%S}Z"
        if self.said:
            return f"{self.said} ({since})"
        return f"{self.user}@{self.host} (process {self.pid}, {since})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What we can say is ours: hosts that the journal names since the intent, and our last mark.

    `operation`: of the change that is about to be sent again.
    """

    mark: Mark | None = None
    hosts: tuple[str, ...] = ()
    intended_at: datetime | None = None
    operation: str = ""


def judge(lock: Lock, claim: Claim, here: Machine, runs: Callable[[int, str], bool]) -> Standing:
    """Whose lock this is. `runs(pid, start)`: whether exactly that process lives here."""
    mark = claim.mark
    if lock.since is None:
        return _judge_broken(lock, mark, here, runs)
    began = [moment for moment in (mark.at if mark else None, claim.intended_at) if moment]
    hosts = {*claim.hosts, *([mark.machine.host] if mark else [])}
    if lock.host not in hosts or not began or _at_latest(lock.since) < min(began):
        return Standing.FOREIGN
    if mark is None or mark.machine != here or not here.certain or lock.host != here.host:
        return Standing.OURS_ELSEWHERE
    start = dict(mark.pids).get(lock.pid)
    if start is None:
        return Standing.FOREIGN  # somebody else's on this machine: each CLI of ours is on record
    return Standing.OURS_AND_ALIVE if runs(lock.pid, start) else Standing.OURS_AND_DEAD


def _at_latest(since: datetime) -> datetime:
    """Of a lock that the CLI names, the seconds alone are known."""
    return since if since.microsecond else since + timedelta(seconds=1)


def _judge_broken(
    lock: Lock, mark: Mark | None, here: Machine, runs: Callable[[int, str], bool]
) -> Standing:
    """A full disk leaves an empty file: ours if it was written by a process of ours that is gone."""
    if mark is None or mark.machine != here or not here.certain:
        return Standing.BROKEN
    written_by_us = lock.written_at is not None and lock.written_at >= mark.at
    dead = not any(runs(pid, start) for pid, start in mark.pids)
    return Standing.OURS_AND_DEAD if written_by_us and mark.pids and dead else Standing.BROKEN


def read(backend: str, project: str, stack: str) -> tuple[Lock, ...] | None:
    """The stack's locks; None where the backend keeps no files that can be read here."""
    root = state_root(backend)
    if root is None:
        return None
    name = stack.rpartition("/")[2]
    folder = root / ".pulumi" / "locks" / "organization" / project / name
    return tuple(_lock(path) for path in sorted(folder.glob("*.json*")) if _is_lock(path))


def in_text(text: str) -> tuple[Lock, ...]:
    """The locks that the CLI names when it meets them, for backends whose files are out of reach."""
    return tuple(
        Lock(
            path=found["path"],
            pid=int(found["pid"]),
            user=found["user"],
            host=found["host"],
            since=_moment(found["since"]),
        )
        for found in _NAMED.finditer(text)
    )


def _is_lock(path: Path) -> bool:
    return not path.name.endswith(".attrs")


def _lock(path: Path) -> Lock:
    try:
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        said = json.loads(path.read_text(encoding="utf-8"))
        if path.name.endswith(_UNFINISHED):
            return Lock(path=str(path), written_at=written_at)
        return Lock(
            path=str(path),
            pid=int(said["pid"]),
            user=str(said["username"]),
            host=str(said["hostname"]),
            since=_moment(str(said["timestamp"])),
            written_at=written_at,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Lock(path=str(path), written_at=_written_at(path))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", text).replace("Z", "+00:00"))
    return moment.astimezone(UTC)


def _written_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def in_bucket(backend: str) -> bool:
    """Whether the backend keeps its locks as objects that the CLI alone can reach."""
    return urlsplit(backend).scheme in _BUCKETS


def state_root(backend: str) -> Path | None:
    """The folder of a `file://` backend; None for any other."""
    parts = urlsplit(backend)
    if parts.scheme != "file":
        return None
    path = unquote(parts.netloc + parts.path)
    return Path(path or ".").expanduser()


def absolute(backend: str, folder: Path) -> str:
    """The same backend, whoever asks from wherever: a relative `file://` path starts at this folder.

    The CLI would start at the folder that it runs in, which is one of ours.
    """
    scheme, separator, path = backend.partition("://")
    if scheme != "file" or path.startswith(("/", "~")):
        return backend
    path, question, options = path.partition("?")
    return f"{scheme}{separator}{(folder / path).resolve()}{question}{options}"


def backend_of(stack_backend: str, environment: Mapping[str, str]) -> str:
    """Where the stack is: what it says, else the environment, else where the CLI is logged in to."""
    if stack_backend or environment.get("PULUMI_BACKEND_URL"):
        return stack_backend or environment["PULUMI_BACKEND_URL"]
    home = Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi")
    try:
        known = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
        return str(known.get("current", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def break_all(locks: Sequence[Lock]) -> None:
    """Remove these files: the same as `pulumi cancel`, for these alone."""
    for lock in locks:
        Path(lock.path).unlink(missing_ok=True)
