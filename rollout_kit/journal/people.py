"""What people leave beside a journal: approvals, proofs, requests to hold or abort.

Each is a file or object of its own, created once and never changed. Any process may leave one at any
time, also while another runs the rollout; only that one reads them into the journal.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from rollout_kit.journal.guard import lost, make_folder, sync_folder, write_all
from rollout_kit.model.codec import CodecError, from_json, to_json
from rollout_kit.ports.approvals import PersonRecord
from rollout_kit.ports.journal import JournalLost


class People(Protocol):
    """Implements `ports.approvals.ApprovalReader`, for those who leave records too."""

    def read(self) -> tuple[PersonRecord, ...]:
        """All records, oldest first. Raises `JournalLost` for one that cannot be read."""
        ...

    def leave(self, record: PersonRecord) -> bool:
        """Leave the record, durably. False when the same was said before: the first one stands.

        Two records are the same when they agree in what was said, operation, attempt, plan digest
        and fingerprint. Raises `JournalLost` when it cannot be written.
        """
        ...


class PeopleFolder:
    """Implements `People`: `<rollout id>.people/` beside the journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> tuple[PersonRecord, ...]:
        try:
            names = sorted(entry.name for entry in os.scandir(self.folder))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise lost(self.folder, error) from error
        return oldest_first(_load(self.folder / name) for name in names if name[0] != ".")

    def leave(self, record: PersonRecord) -> bool:
        make_folder(self.folder)
        path = self.folder / name_of(record)
        # Not the pid: two containers on one shared folder may both be number 1.
        beside = self.folder / f".{path.name}.{secrets.token_hex(8)}"
        try:
            _write(beside, encode(record))
            try:
                # A link appears whole or not at all, and never replaces what stands there.
                os.link(beside, path)
            except FileExistsError:
                return False
            finally:
                beside.unlink()
            sync_folder(self.folder)
        except OSError as error:
            raise lost(path, error) from error
        return True


def name_of(record: PersonRecord) -> str:
    """Equal for records that are the same."""
    about = (record.operation, str(record.attempt), record.digest, record.fingerprint)
    digest = hashlib.sha256("\0".join(about).encode()).hexdigest()
    return f"{record.said}-{digest[:16]}.json"


def oldest_first(records: Iterable[PersonRecord]) -> tuple[PersonRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.at))


def encode(record: PersonRecord) -> bytes:
    return json.dumps(to_json(record), indent=1).encode()


def decode(data: bytes, place: str) -> PersonRecord:
    """Raises `JournalLost` for what is no record."""
    try:
        return from_json(PersonRecord, json.loads(data))
    except (CodecError, ValueError) as error:
        raise JournalLost(
            f"{place} is no record that this program can read: {error}",
            "remove it and say it again with `rollout-kit approve` or `abort`",
        ) from error


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(path: Path) -> PersonRecord:
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise lost(path, error) from error
