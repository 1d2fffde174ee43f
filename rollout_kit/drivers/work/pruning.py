# ruff: noqa: PTH105, PTH106, PTH108, PTH110, PTH202, PTH208
"""What ended long ago makes room: the newest changes and logs are kept, of each resource and role."""

from __future__ import annotations

import os

from rollout_kit.drivers.work import records, roles

KEPT = 20
"""So many of each; what a rollout restarts at most is far below."""
OF = "of"
"""File in a key's folder: the resource or the queue of jobs whose change or run it is."""


def rotate(log: str) -> None:
    """Give the next launch of a role a log of its own: `.1` is the one before, `.20` the oldest."""
    if not os.path.exists(log) or not os.path.getsize(log):
        return
    for number in range(KEPT - 1, -1, -1):
        older = f"{log}.{number}" if number else log
        if os.path.exists(older):
            os.replace(older, f"{log}.{number + 1}")


def prune(mine: str) -> None:
    """Remove the folders of keys that ended, but for the newest of each resource.

    What belongs to the rollout of `mine`, the folder of a key, stays: it may be resumed or undone.
    The last change of a resource is its newest. What runs holds its lock, and stays.
    """
    parent, _, name = mine.rpartition("/")
    rollout = _rollout(name)
    groups: dict[str, list[tuple[float, str]]] = {}
    for entry in os.scandir(parent):
        told = _told(entry.path)
        if told is not None:
            groups.setdefault(told, []).append((entry.stat().st_mtime, entry.path))
    for found in groups.values():
        for _, path in sorted(found, reverse=True)[KEPT:]:
            if _rollout(path.rpartition("/")[2]) != rollout:
                _remove(path)


def _rollout(name: str) -> str:
    """A key's first part, in the name of its folder."""
    return name.partition("%2F")[0]


def _told(folder: str) -> str | None:
    """Whose change this folder is; None where nothing says so, and it stays."""
    try:
        told = records.read(f"{folder}/{OF}")
    except (OSError, StopIteration, ValueError):
        return None
    return told if isinstance(told, str) else None


def _remove(folder: str) -> None:
    lock = roles.take(f"{folder}/lock")
    if lock is None:
        return
    try:
        job = records.read(f"{folder}/job.json")
        if job and any(_runs_on(folder, place["role"]) for place in job["places"]):
            return
        for place in job["places"] if job else ():
            _forget_command(place["role"])
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
    finally:
        os.close(lock)


def _runs_on(folder: str, role: str) -> bool:
    """Whether a program of this key's own outlived its supervisor: whoever comes next waits for it."""
    holder = roles.holder(role) if role.startswith(f"{folder}/") else None
    return holder is not None and holder.alive


def _forget_command(role: str) -> None:
    """A command's role is its key's alone; that of a named job is the next run's too."""
    if not role.rpartition("/")[2].startswith("command%2F") or roles.is_taken(f"{role}.lock"):
        return
    for ending in ("json", "lock"):
        if os.path.exists(f"{role}.{ending}"):
            os.unlink(f"{role}.{ending}")
