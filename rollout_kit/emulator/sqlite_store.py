"""Rows in one SQLite file, shared by API nodes, scheduler, maintenance and whoever looks."""

from __future__ import annotations

import itertools
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

from rollout_kit.emulator.model import records
from rollout_kit.emulator.model.layouts import LAYOUTS, Layout
from rollout_kit.emulator.store import Rows, StoreUnavailable

R = TypeVar("R")

_BUSY_TIMEOUT_S = 20.0
_LAYOUT_VERSION = 1
_DECODED_KEPT = 4096


def _columns(layout: Layout) -> tuple[str, ...]:
    fields = dict.fromkeys(layout.key)
    for index in layout.indexes:
        fields.update(dict.fromkeys(index))
    return tuple(fields)


def _enums(kind: type) -> Mapping[str, type[StrEnum]]:
    """The fields that hold enum members; JSON gives back their plain text."""
    named = {item.name: getattr(records, str(item.type), None) for item in _fields(kind)}
    return {
        name: found
        for name, found in named.items()
        if isinstance(found, type) and issubclass(found, StrEnum)
    }


def _fields(kind: type) -> Sequence[Field[Any]]:
    return fields(cast("type[Any]", kind))


class _Kind:
    """The statements for one kind of record, written once."""

    def __init__(self, kind: type, layout: Layout) -> None:
        self.kind = kind
        self.columns = _columns(layout)
        self.key = layout.key
        self.fields = tuple(item.name for item in _fields(kind))
        self.enums = _enums(kind)
        self._decoded: dict[str, object] = {}
        table, columns = layout.table, self.columns
        marks = ", ".join("?" * (len(columns) + 1))
        where_key = " AND ".join(f"{name} = ?" for name in layout.key)
        self.create = [
            f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}, body TEXT NOT NULL, "
            f"PRIMARY KEY ({', '.join(layout.key)})) WITHOUT ROWID",
            *(
                f"CREATE INDEX IF NOT EXISTS {table}_{'_'.join(index)} "
                f"ON {table} ({', '.join(index)})"
                for index in layout.indexes
            ),
        ]
        self.put = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}, body) VALUES ({marks})"
        self.get = f"SELECT body FROM {table} WHERE {where_key}"
        self.delete = f"DELETE FROM {table} WHERE {where_key}"
        self._select = f"SELECT body FROM {table}"
        self._count = f"SELECT COUNT(*) FROM {table}"
        self._order = f" ORDER BY {', '.join(layout.key)}"

    def select(self, where: Mapping[str, object]) -> str:
        return self._select + self._filter(where) + self._order

    def count(self, where: Mapping[str, object]) -> str:
        return self._count + self._filter(where)

    def encode(self, record: object) -> tuple[object, ...]:
        body = {name: getattr(record, name) for name in self.fields}
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        return (*(body[name] for name in self.columns), text)

    def decode(self, text: str) -> object:
        """The record that this text is; records never change, so the same text is the same one."""
        known = self._decoded.get(text)
        if known is None:
            if len(self._decoded) >= _DECODED_KEPT:
                self._decoded.clear()
            known = self._decoded[text] = self._decode(text)
        return known

    def _decode(self, text: str) -> object:
        body: dict[str, Any] = json.loads(text)
        for name, enum in self.enums.items():
            body[name] = enum(body[name])
        return self.kind(**body)

    def _filter(self, where: Mapping[str, object]) -> str:
        if not where:
            return ""
        if unknown := set(where) - set(self.columns):
            msg = f"{self.kind.__name__} has no index on {sorted(unknown)}"
            raise LookupError(msg)
        return " WHERE " + " AND ".join(f"{name} IS ?" for name in where)


_KINDS = {kind: _Kind(kind, layout) for kind, layout in LAYOUTS.items()}


class _SqliteRows:
    def __init__(self, connection: sqlite3.Connection, numbers: Iterator[int]) -> None:
        self._connection = connection
        self._numbers = numbers

    def unique(self) -> int:
        return next(self._numbers)

    def get(self, kind: type[R], *key: object) -> R | None:
        statements = _KINDS[kind]
        row = self._connection.execute(statements.get, key).fetchone()
        return None if row is None else cast("R", statements.decode(row[0]))

    def put(self, record: object) -> None:
        statements = _KINDS[type(record)]
        self._connection.execute(statements.put, statements.encode(record))

    def delete(self, record: object) -> None:
        statements = _KINDS[type(record)]
        key = tuple(getattr(record, name) for name in statements.key)
        self._connection.execute(statements.delete, key)

    def select(self, kind: type[R], /, **where: object) -> Sequence[R]:
        statements = _KINDS[kind]
        found = self._connection.execute(statements.select(where), tuple(where.values()))
        return [cast("R", statements.decode(row[0])) for row in found.fetchall()]

    def each(self, kind: type[R], /, **where: object) -> Iterator[R]:
        statements = _KINDS[kind]
        found = self._connection.execute(statements.select(where), tuple(where.values()))
        return (cast("R", statements.decode(row[0])) for row in found)

    def count(self, kind: type[object], /, **where: object) -> int:
        statements = _KINDS[kind]
        found = self._connection.execute(statements.count(where), tuple(where.values()))
        return int(found.fetchone()[0])


class SqliteStore:
    """A WAL database; readers never wait, writers queue, each thread has a connection of its own."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the file; with `create` false a missing one makes every transaction unavailable."""
        self._path = path
        self._create = create
        self._local = threading.local()
        self._numbers = itertools.count(secrets.randbits(79))

    @contextmanager
    def read(self) -> Iterator[Rows]:
        with self._transaction("BEGIN") as rows:
            yield rows

    @contextmanager
    def write(self) -> Iterator[Rows]:
        with self._transaction("BEGIN IMMEDIATE") as rows:
            yield rows

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with them."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Rows]:
        try:
            connection = self._connection()
            connection.execute(begin)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        try:
            yield _SqliteRows(connection, self._numbers)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        existing: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if existing is not None:
            return existing
        if not self._create and not self._path.exists():
            msg = (
                f"Database file at path [{self._path}] does not exist. "
                "Ensure this is an absolute path to the database."
            )
            raise StoreUnavailable(msg)
        connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        if connection.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT_VERSION:
            connection.execute("BEGIN IMMEDIATE")
            for statements in _KINDS.values():
                for statement in statements.create:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_LAYOUT_VERSION}")
            connection.execute("COMMIT")
        self._local.connection = connection
        return connection
