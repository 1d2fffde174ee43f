"""Objects under keys, written only where nothing stands or where what stands there was seen.

That is all that journals, locks and people's records need of a store. In memory, it is a dictionary.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout_kit.ports.journal import JournalLost


class Unanswered(JournalLost):
    """No answer, or one that says nothing: whether a write took effect is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What `replace` must find. Stores use one of the two or both."""

    e_tag: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object as it was read."""

    data: bytes
    version: Version


class Objects(Protocol):
    """Every call returns within five seconds. Keys are relative, their parts parted by `/`.

    Raises, each of them: Unanswered; JournalLost for what the store refuses.
    """

    @property
    def place(self) -> str:
        """As messages name it, without a slash at the end."""
        ...

    def create(self, key: str, data: bytes) -> Version | None:
        """Write what is not there yet; None: something is, and stays as it is. Sent once."""
        ...

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        """Write over what was seen; None: it is no longer what stands there. Sent once."""
        ...

    def read(self, key: str) -> Found | None:
        """None: it is not there."""
        ...

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        """Many at once, in their order; takes as long as it takes."""
        ...

    def names(self, folder: str) -> list[str]:
        """What stands directly in a folder, without the folder's own name, sorted."""
        ...

    def folders(self, folder: str) -> list[str]:
        """The folders directly in a folder ("": at the top), sorted."""
        ...


class MemoryObjects:
    """Implements `Objects` for one process: simulation and tests."""

    place = "memory:"

    def __init__(self) -> None:
        self._objects: dict[str, Found] = {}
        self._written = 0
        self._mutex = threading.Lock()

    def create(self, key: str, data: bytes) -> Version | None:
        with self._mutex:
            return None if key in self._objects else self._put(key, data)

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        with self._mutex:
            there = self._objects.get(key)
            return self._put(key, data) if there and there.version == seen else None

    def read(self, key: str) -> Found | None:
        return self._objects.get(key)

    def read_all(self, keys: Sequence[str]) -> list[bytes | None]:
        found = [self.read(key) for key in keys]
        return [one.data if one else None for one in found]

    def names(self, folder: str) -> list[str]:
        return sorted(rest for rest in self._below(folder) if "/" not in rest)

    def folders(self, folder: str) -> list[str]:
        return sorted({rest.split("/", 1)[0] for rest in self._below(folder) if "/" in rest})

    def overwrite(self, key: str, data: bytes | None) -> None:
        """What no rollout does, but somebody with other tools may; None takes the object away."""
        with self._mutex:
            if data is None:
                self._objects.pop(key, None)
            else:
                self._put(key, data)

    def _below(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return [key[len(prefix) :] for key in list(self._objects) if key.startswith(prefix)]

    def _put(self, key: str, data: bytes) -> Version:
        self._written += 1
        version = Version(version=str(self._written))
        self._objects[key] = Found(data=data, version=version)
        return version
