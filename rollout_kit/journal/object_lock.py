"""The lock of one target as an object: created where none is, replaced by if-match."""

from __future__ import annotations

from rollout_kit.journal.lock_place import NAME, LockState, decode, encode
from rollout_kit.journal.objects import Objects, Version


class ObjectLock:
    """Implements `lock_place.LockPlace`. Who got no answer to a swap reads what became of it."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self._key = f"{folder}/{NAME}"
        self._known: tuple[LockState, Version] | None = None

    @property
    def place(self) -> str:
        return f"{self._objects.place}/{self._key}"

    def read(self) -> LockState | None:
        found = self._objects.read(self._key)
        if found is None:
            return None
        state = decode(found.data, self.place)
        self._known = (state, found.version)
        return state

    def swap(self, seen: LockState | None, new: LockState) -> LockState | None:
        written = new.after(seen)
        if seen is None:
            version = self._objects.create(self._key, encode(written))
        elif self._known is not None and self._known[0] == seen:
            version = self._objects.replace(self._key, encode(written), self._known[1])
        else:
            return None  # what was read last is something else
        if version is None:
            return None
        self._known = (written, version)
        return written
