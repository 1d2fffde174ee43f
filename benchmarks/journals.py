"""The journal by itself: an append that is durable, and taking up a long rollout; file and object store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from canned import in_memory
from figures import Figure

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import parse
from rollout_kit.journal.file_journal import FileJournal
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.remote_objects import RemoteObjects
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.model.events import (
    Event,
    OperationAwaited,
    OperationCompleted,
    OperationIntended,
)
from rollout_kit.model.operation import Operation
from rollout_kit.model.state import fold
from rollout_kit.simulation.clock import VirtualClock
from tests.journal.s3 import s3_server
from tests.journal.s3_server import BUCKET

OPERATIONS = 1000
BUCKET_APPENDS = 500


def bench(repeats: int) -> list[Figure]:
    """The records of a real cutover, over and over under other names, until it is a thousand."""
    events = tuple(_events())
    with TemporaryDirectory(prefix="rollout-kit-bench-") as folder:
        path = Path(folder, "journal.jsonl")
        journal = _journal(path)
        journal.read()
        took = [_timed_ms(lambda event=event: journal.append(event)) for event in events]  # type: ignore[misc]
        journal.close()
        bare_ms = _bare_ms(Path(folder, "bare"), path.stat().st_size // len(events))
        folds = [_timed_ms(lambda: _fold(path)) for _ in range(repeats)]
    beside = f"{len(events)} appends; write + fsync of as many bytes alone {bare_ms:.2f} ms"
    told = f"{len(events)} records read, checked and folded"
    percentile = quantiles(took, n=100)[98]
    return [
        Figure(
            bench="journal",
            name="append + fsync (median)",
            measured=median(took),
            unit="ms",
            note=beside,
        ),
        Figure(bench="journal", name="append + fsync (p99)", measured=percentile, unit="ms"),
        Figure(
            bench="journal",
            name=f"resume of {OPERATIONS} operations",
            measured=median(folds),
            unit="ms",
            note=told,
        ),
        *_in_a_bucket(events[:BUCKET_APPENDS], repeats),
    ]


def _in_a_bucket(events: tuple[Event, ...], repeats: int) -> list[Figure]:
    """Against an S3-compatible server in Python on this machine: its own time is most of it."""
    with s3_server() as environment:
        os.environ.update(environment)
        store = _store(environment)
        journal = _opened(store)
        journal.read()
        took = [_timed_ms(lambda event=event: journal.append(event)) for event in events]  # type: ignore[misc]
        size = store.tape("bench", "one").load().tail.end // len(events)
        objects = RemoteObjects(f"s3://{BUCKET}/bare", environment)
        bare = [_timed_ms(lambda n=n: objects.create(str(n), b"x" * size)) for n in range(200)]  # type: ignore[misc]
        reads = [_timed_ms(lambda: _opened(_store(environment)).read()) for _ in range(repeats)]
    beside = (
        f"{len(events)} appends, one create each; a create of as many bytes alone "
        f"{median(bare):.2f} ms, p99 {quantiles(bare, n=100)[98]:.2f} ms"
    )
    return [
        Figure(
            bench="journal",
            name="append to a bucket (median)",
            measured=median(took),
            unit="ms",
            note=beside,
        ),
        Figure(
            bench="journal",
            name="append to a bucket (p99)",
            measured=quantiles(took, n=100)[98],
            unit="ms",
        ),
        Figure(
            bench="journal",
            name="read of a journal in a bucket",
            measured=median(reads),
            unit="ms",
            note=f"{len(events)} records, 24 requests at a time",
        ),
    ]


def _store(environment: Mapping[str, str]) -> ObjectStore:
    return ObjectStore(RemoteObjects(f"s3://{BUCKET}/bench", environment), VirtualClock())


def _opened(store: ObjectStore) -> StoredJournal:
    clock = VirtualClock()
    return store.journal(
        "bench",
        "one",
        clock=clock,
        actor="bench",
        lock=MemoryLock(),
        attendance=Attendance(clock),
    )


def _events() -> Iterator[Event]:
    """What the cutover wrote, as often as it takes."""
    recorded = [record.event for record in parse(in_memory().journal.data, "memory").records]
    done = 0
    yield recorded[0]
    while done < OPERATIONS:
        for event in recorded:
            renamed = _renamed(event, f"~{done}")
            if renamed is None:
                continue
            yield renamed
            done += isinstance(renamed, OperationCompleted)


def _renamed(event: Event, suffix: str) -> Event | None:
    match event:
        case OperationIntended(operation=Operation() as op) | OperationAwaited(operation=op):
            return replace(event, operation=replace(op, id=op.id + suffix))
        case OperationCompleted():
            return replace(event, operation=event.operation + suffix)
        case _:
            return None


def _journal(path: Path) -> FileJournal:
    clock = VirtualClock()
    return FileJournal(
        path,
        clock=clock,
        actor="bench",
        lock=MemoryLock(),
        attendance=Attendance(clock),
        warn=print,
    )


def _fold(path: Path) -> None:
    state = fold(_journal(path).read())
    assert len(state.operations) >= OPERATIONS, len(state.operations)


def _bare_ms(path: Path, size: int) -> float:
    """What the disk itself takes."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line = b"x" * size

    def write() -> None:
        os.write(file, line)
        os.fsync(file)

    try:
        return median(_timed_ms(write) for _ in range(200))
    finally:
        os.close(file)


def _timed_ms(act: object) -> float:
    assert callable(act)
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000.0
