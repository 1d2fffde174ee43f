"""Runs that end: each made at most once, as a unit would be run, and what it wrote kept.

Runs in the provider's own process, as `host` does; standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from single_host.host import Argv, HostError, write

TAIL = 64 * 1024
_KEPT = ("PATH", "LANG", "HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program that ends. It runs as a unit would: as `user` (empty: as whoever asks), and of the
    variables of whoever asks, who holds the rollout's own secrets, it sees only those of `_KEPT`."""

    argv: Argv
    environment: Mapping[str, str]
    environment_files: Argv
    user: str


def run_once(folder: str, job: str, run: str, command: Command) -> str:
    """What this run of the job wrote to standard output, the end of it.

    One run of a job at a time, each at most once: its record is there before it starts. A run that
    succeeded is not made again, and one whose end nobody knows is not either. One that failed is,
    when it is asked for again.

    Raises HostError: it failed, or may not be made.
    """
    own, account = _as_user(command.user)
    environment = {**own, **_filed(command.environment_files), **command.environment}
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    with _alone(where / f"{job}.lock", job):
        record = where / f"{job}-{run}.json"
        try:
            with record.open("x", encoding="utf-8") as begun:
                json.dump({"argv": command.argv}, begun)
        except FileExistsError:
            if not _failed(record):
                return _known_end(record, job, run)
            write(record, json.dumps({"argv": command.argv}))
        try:
            done = subprocess.run(
                command.argv,
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                **account,
            )
        except OSError as error:
            record.unlink()
            whom = f" as {command.user}" if command.user else ""
            raise HostError(f"{job} cannot run {command.argv[0]}{whom}: {error.strerror}") from None
        end = {
            "exit": done.returncode,
            "output": done.stdout[-TAIL:],
            "errors": done.stderr[-TAIL:],
        }
        write(record, json.dumps({"argv": command.argv, **end}))
        return _known_end(record, job, run)


class _Account(TypedDict, total=False):
    """Whom a process runs as, in the words of `subprocess`."""

    user: int
    group: int
    extra_groups: list[int]


def _as_user(name: str) -> tuple[dict[str, str], _Account]:
    """The variables that a service manager gives a process of this user, and the user's ids."""
    own = {kept: os.environ[kept] for kept in _KEPT if kept in os.environ}
    if not name:
        return own, {}
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise HostError(f"`user` is {name!r}, and this machine has no such user") from None
    own |= {"HOME": found.pw_dir, "USER": name, "LOGNAME": name, "SHELL": found.pw_shell}
    if found.pw_uid == os.geteuid():
        return own, {}
    groups = os.getgrouplist(name, found.pw_gid)
    return own, {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": groups}


def _filed(paths: Argv) -> dict[str, str]:
    """Variables of files with one `NAME=value` a line, as the units' own files have them."""
    found = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise HostError(f"environment file {path} cannot be read: {error.strerror}") from None
        for line in text.splitlines():
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                found[name.strip()] = value.strip().strip("\"'")
    return found


def _failed(record: Path) -> bool:
    return bool(json.loads(record.read_text(encoding="utf-8") or "{}").get("exit", 0))


def _known_end(record: Path, job: str, run: str) -> str:
    end = json.loads(record.read_text(encoding="utf-8") or "{}")
    if "exit" not in end:
        raise HostError(
            f"run {run} of {job} was begun before and nobody knows its end: look at what it did, "
            f"then ask for another run ({record} is its record)"
        )
    if end["exit"] != 0:
        words = (end["errors"] or end["output"]).strip().splitlines()[-5:]
        raise HostError(
            f"run {run} of {job} {_how(end['exit'])}: {' | '.join(words) or 'it said nothing'}"
        )
    return str(end["output"])


def _how(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"


@contextmanager
def _alone(path: Path, job: str) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HostError(f"another run of {job} is still going on this machine") from None
        yield
