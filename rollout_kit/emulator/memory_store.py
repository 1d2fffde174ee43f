"""Rows in this process's memory: for tests and for the simulation, which never sleeps."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import TypeVar, cast

from rollout_kit.emulator.model.layouts import LAYOUTS, Layout
from rollout_kit.emulator.store import Rows

R = TypeVar("R")
_Key = tuple[Hashable, ...]


def _values(record: object, fields: Sequence[str]) -> _Key:
    return tuple(getattr(record, name) for name in fields)


class _Table:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._rows: dict[_Key, object] = {}
        self._indexes: dict[tuple[str, ...], dict[_Key, dict[_Key, object]]] = {
            index: {} for index in layout.indexes
        }

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
        for fields, buckets in self._indexes.items():
            if set(fields) == set(where):
                return buckets.get(tuple(where[name] for name in fields), {})
        msg = f"{self._layout.table} has no index on {sorted(where)}"
        raise LookupError(msg)


class MemoryStore:
    """One lock, dictionaries, and a list of what to put back when a transaction fails."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tables = {kind: _Table(layout) for kind, layout in LAYOUTS.items()}
        self._numbers = itertools.count(1)
        self._undo: list[tuple[_Table, _Key, object | None]] | None = None

    @contextmanager
    def read(self) -> Iterator[Rows]:
        with self._lock:
            yield self

    @contextmanager
    def write(self) -> Iterator[Rows]:
        with self._lock:
            undo: list[tuple[_Table, _Key, object | None]] = []
            self._undo = undo
            try:
                yield self
            except BaseException:
                for table, key, before in reversed(undo):
                    table.replace(key, before)
                raise
            finally:
                self._undo = None

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
        order = attrgetter(*LAYOUTS[kind].key)
        return cast("Sequence[R]", sorted(self._tables[kind].matching(where).values(), key=order))

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
