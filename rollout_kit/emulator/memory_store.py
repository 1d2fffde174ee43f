"""Rows in this process's memory: for tests and for the simulation, which never sleeps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import TypeVar, cast

from rollout_kit.emulator.model.layouts import LAYOUTS, Layout
from rollout_kit.emulator.store import Rows

R = TypeVar("R")
_Key = tuple[Hashable, ...]


def _values(record: object, fields: Sequence[str]) -> _Key:
    return tuple(getattr(record, name) for name in fields)


_ORDERS = {kind: attrgetter(*layout.key) for kind, layout in LAYOUTS.items()}


class _Table:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rows: dict[_Key, object] = {}
        self._indexes: dict[tuple[str, ...], dict[_Key, dict[_Key, object]]] = {
            index: {} for index in layout.indexes
        }
        self._fields: dict[tuple[str, ...], tuple[str, ...]] = {}

    def key(self, record: object) -> _Key:
        return _values(record, self._layout.key)

    def get(self, key: _Key) -> object | None:
        return self._rows.get(key)

    def replace(self, key: _Key, record: object | None) -> object | None:
        """Set the row of this key, or take it away; what stood there before is returned."""
        before = self._rows.pop(key, None)
        for fields, buckets in self._indexes.items():
            if before is not None:
                buckets[_values(before, fields)].pop(key)
            if record is not None:
                buckets.setdefault(_values(record, fields), {})[key] = record
        if record is not None:
            self._rows[key] = record
        return before

    def matching(self, where: dict[str, object]) -> dict[_Key, object]:
        if not where:
            return self._rows
        asked = tuple(where)
        fields = self._fields.get(asked)
        if fields is None:
            fields = self._fields[asked] = self._indexed_by(asked)
        return self._indexes[fields].get(tuple([where[name] for name in fields]), {})

    def _indexed_by(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        for fields in self._indexes:
            if set(fields) == set(asked):
                return fields
        msg = f"{self._layout.table} has no index on {sorted(asked)}"
        raise LookupError(msg)


class _Reading:
    """The store's lock, held. Made once: a simulation reads thousands of times a second."""

    __slots__ = ("_lock", "_store")

    def __init__(self, store: MemoryStore, lock: threading.RLock) -> None:
        self._store = store
        self._lock = lock

    def __enter__(self) -> Rows:
        self._lock.acquire()
        return self._store

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._lock.release()


class _Writing(_Reading):
    """The same, and what was changed is put back when an exception ends it."""

    __slots__ = ()

    def __enter__(self) -> Rows:
        self._lock.acquire()
        self._store._begin()
        return self._store

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._store._end(whole=kind is None)
        self._lock.release()


class MemoryStore:
    """One lock, dictionaries, and a list of what to put back when a transaction fails."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tables = {kind: _Table(layout) for kind, layout in LAYOUTS.items()}
        self._numbers = itertools.count(1)
        self._undo: list[tuple[_Table, _Key, object | None]] | None = None
        self._reading = _Reading(self, self._lock)
        self._writing = _Writing(self, self._lock)

    def read(self) -> AbstractContextManager[Rows]:
        return self._reading

    def write(self) -> AbstractContextManager[Rows]:
        return self._writing

    def _begin(self) -> None:
        self._undo = []

    def _end(self, *, whole: bool) -> None:
        undo, self._undo = self._undo, None
        if not whole:
            for table, key, before in reversed(undo or ()):
                table.replace(key, before)

    def close(self) -> None:
        """Nothing to let go of."""

    def get(self, kind: type[R], *key: object) -> R | None:
        return cast("R | None", self._tables[kind].get(key))

    def put(self, record: object) -> None:
        table = self._tables[type(record)]
        self._change(table, table.key(record), record)

    def delete(self, record: object) -> None:
        table = self._tables[type(record)]
        self._change(table, table.key(record), None)

    def select(self, kind: type[R], /, **where: object) -> Sequence[R]:
        found = self._tables[kind].matching(where).values()
        if len(found) < 2:
            return cast("Sequence[R]", list(found))
        return cast("Sequence[R]", sorted(found, key=_ORDERS[kind]))

    def each(self, kind: type[R], /, **where: object) -> Iterator[R]:
        return iter(self.select(kind, **where))

    def count(self, kind: type[object], /, **where: object) -> int:
        return len(self._tables[kind].matching(where))

    def unique(self) -> int:
        return next(self._numbers)

    def _change(self, table: _Table, key: _Key, record: object | None) -> None:
        if self._undo is None:
            msg = "a row is changed outside a write transaction"
            raise RuntimeError(msg)
        self._undo.append((table, key, table.replace(key, record)))
