"""`--state` and a plan's `state:`, read in one place: a folder, or an object store."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.clock import Clock

REMOTE = ("s3", "gs", "az")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


class BadState(Exception):
    """What was given names no place where state can live."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def below(folder: Path, state: str) -> str:
    """The same place, named so that the working folder does not matter."""
    return state if _SCHEME.match(state) else str(folder / state)


def open_state(
    state: str,
    folder: Path,
    environment: Mapping[str, str],
    clock: Clock,
    tell: Callable[[str], None] = lambda _: None,
) -> RolloutStore:
    """The store of a URL, or of a path that starts at `folder`. Nothing is asked of it yet.

    Raises:
        BadState: it is none, or what it takes is not installed.
    """
    found = _SCHEME.match(state)
    scheme = found[1].lower() if found else ""
    if not scheme:
        return FolderStore(folder / state)
    if scheme == "file":
        return FolderStore(_local(state))
    if scheme in REMOTE:
        return _remote(state, environment, clock, tell)
    known = ", ".join(f"{name}://" for name in ("file", *REMOTE))
    raise BadState(f'"{state}" is no place for state that is known here', f"{known}, or a folder")


def _local(state: str) -> Path:
    parts = urlsplit(state)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise BadState(f'"{state}" names no folder of this machine', "file:///absolute/path")
    return Path(unquote(parts.path))


def _remote(
    state: str, environment: Mapping[str, str], clock: Clock, tell: Callable[[str], None]
) -> RolloutStore:
    if not urlsplit(state).netloc:
        raise BadState(f'"{state}" names no bucket or container', "as in s3://bucket/prefix")
    from rollout_kit.journal.object_store import ObjectStore
    from rollout_kit.journal.remote_objects import RemoteObjects

    try:
        objects = RemoteObjects(state, environment)
    except ImportError as error:
        raise BadState(
            f"{state} needs the package obstore, which is not installed here",
            'pip install "rollout-kit[remote]"',
        ) from error
    except ValueError as error:
        raise BadState(
            f"{state} cannot be used: {error}", "check it, and the environment"
        ) from error
    return ObjectStore(objects, clock, tell)
