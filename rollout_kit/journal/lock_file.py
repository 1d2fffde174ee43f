"""The lock of one target as a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout_kit.journal.guard import exclusively, lost, make_folder, sync_folder, write_all
from rollout_kit.journal.lock_place import NAME, LockState, decode, encode


class LockFile:
    """Implements `lock_place.LockPlace`, under the flock of a guard file that is never replaced."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._guard = folder / ".lock.guard"

    @property
    def place(self) -> str:
        return str(self.path)

    def read(self) -> LockState | None:
        try:
            return decode(self.path.read_bytes(), self.place)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise lost(self.path, error) from error

    def swap(self, seen: LockState | None, new: LockState) -> LockState | None:
        make_folder(self.path.parent)
        with self._guarded():
            if self.read() != seen:
                return None
            written = new.after(seen)
            try:
                self._replace(encode(written))
            except OSError as error:
                raise lost(self.path, error) from error
            return written

    def _replace(self, data: bytes) -> None:
        beside = self.path.with_name(f".{NAME}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        beside.replace(self.path)
        sync_folder(self.path.parent)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            descriptor = os.open(self._guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise lost(self._guard, error) from error
        try:
            with exclusively(descriptor, self._guard):
                yield
        finally:
            os.close(descriptor)
