"""Rows in this process's memory: for tests and for the simulation, which never sleeps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any, TypeVar, cast

from rollout_kit.emulator.model.layouts import LAYOUTS, Layout
from rollout_kit.emulator.store import Rows

R = TypeVar("R")
_Key = tuple[Any, ...]
_NONE: dict[_Key, object] = {}


def _tuple_of(fields: Sequence[str]) -> Callable[[object], _Key]:
    """What reads these fields of a record: `attrgetter`, which of a single one makes no tuple."""
    found: Callable[[object], Any] = attrgetter(*fields)
    return found if len(fields) > 1 else lambda record: (found(record),)


class _Index:
    """The rows of a table by some of their fields."""

    __slots__ = ("buckets", "fields", "values")

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self.values = _tuple_of(fields)
        self.buckets: dict[_Key, dict[_Key, object]] = {}


class _Table:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.rows: dict[_Key, object] = {}
        self.key = _tuple_of(layout.key)
        self._indexes = [_Index(fields) for fields in layout.indexes]
        self._asked: dict[tuple[str, ...], _Index] = {}

    def replace(self, key: _Key, record: object | None) -> object | None:
        """Set the row of this key, or take it away; what stood there before is returned."""
        before = self.rows.get(key)
        for index in self._indexes:
            was = None if before is None else index.values(before)
            now = None if record is None else index.values(record)
            if was is not None and was != now:
                del index.buckets[was][key]
            if now is not None:
                index.buckets.setdefault(now, {})[key] = record
        if record is not None:
            self.rows[key] = record
        else:
            self.rows.pop(key, None)
        return before

    def matching(self, where: dict[str, object]) -> dict[_Key, object]:
        """The rows whose fields are these, by their keys."""
        if not where:
            return self.rows
        asked = tuple(where)
        index = self._asked.get(asked)
        if index is None:
            index = self._asked[asked] = self._indexed_by(asked)
        return index.buckets.get(tuple([where[name] for name in index.fields]), _NONE)

    def _indexed_by(self, asked: tuple[str, ...]) -> _Index:
        for index in self._indexes:
            if set(index.fields) == set(asked):
                return index
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
        return cast("R | None", self._tables[kind].rows.get(key))

    def put(self, record: object) -> None:
        table = self._tables[type(record)]
        self._change(table, table.key(record), record)

    def delete(self, record: object) -> None:
        table = self._tables[type(record)]
        self._change(table, table.key(record), None)

    def select(self, kind: type[R], /, **where: object) -> Sequence[R]:
        found = self._tables[kind].matching(where)
        rows = [found[key] for key in sorted(found)] if len(found) > 1 else list(found.values())
        return cast("Sequence[R]", rows)

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
