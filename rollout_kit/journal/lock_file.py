"""The lock of one target as a file: replaced whole, and only by who has seen its present version."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rollout_kit.journal.guard import exclusively, lost, make_folder, sync_folder, write_all
from rollout_kit.journal.owner import Owner
from rollout_kit.model.codec import CodecError, from_json, to_json
from rollout_kit.ports.journal import JournalLost

NAME = "lock.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """What the file says. `version` rises with every replacement, `fence` with every new holder."""

    version: int
    fence: int
    owner: Owner
    rollout: str
    attended_s: float = 0.0  # as of this renewal, of this rollout
    taken_at: str = ""  # by this holder; wall clock, for people only, as the next
    renewed_at: str = ""
    released: bool = False
    note: str = ""  # who forced it open, and why


class LockFile:
    """Reads and compare-and-swaps, each under the flock of a guard file that is never replaced."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._guard = folder / ".lock.guard"

    def read(self) -> LockState | None:
        """What stands there now. Raises `JournalLost` when that cannot be read or understood."""
        try:
            return from_json(LockState, json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise lost(self.path, error) from error
        except (CodecError, ValueError) as error:
            raise JournalLost(
                f"{self.path} is no lock that this program can read: {error}",
                "make sure that nobody runs a rollout on this target, then remove the file",
            ) from error

    def swap(self, seen: LockState | None, new: LockState) -> LockState | None:
        """Write `new` with the next version if the file still says `seen`; None when it does not."""
        make_folder(self.path.parent)
        with self._guarded():
            if self.read() != seen:
                return None
            written = replace(new, version=(seen.version if seen else 0) + 1)
            try:
                self._replace(json.dumps(to_json(written), indent=1).encode())
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
