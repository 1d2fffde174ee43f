"""Where the model keeps its rows: what any store offers, and the few things built on that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from rollout_kit.emulator.model.records import Counter, Write

R = TypeVar("R")

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


class StoreUnavailable(Exception):
    """The rows cannot be reached; the text is what the server would show of it."""


class Rows(Protocol):
    """Rows as seen and changed within one transaction."""

    def get(self, kind: type[R], *key: object) -> R | None: ...

    def put(self, record: object) -> None:
        """Insert the record, or replace the one of the same key."""
        ...

    def delete(self, record: object) -> None: ...

    def select(self, kind: type[R], /, **where: object) -> Sequence[R]:
        """All records whose fields equal `where`, in the order of their keys.

        `where` is empty or one of the field sets that the record's layout is indexed by.
        """
        ...

    def each(self, kind: type[R], /, **where: object) -> Iterator[R]:
        """The same records one by one, for those who stop at the first that fits.

        Nothing may be written before the last one that is asked for.
        """
        ...

    def count(self, kind: type[object], /, **where: object) -> int: ...

    def unique(self) -> int:
        """A number below 2**80 that was never given before, larger than this store's last one."""
        ...


class Store(Protocol):
    """Rows shared by every process of one emulated cluster."""

    def read(self) -> AbstractContextManager[Rows]:
        """A consistent view; changes made through it are an error.

        Raises StoreUnavailable when the rows cannot be reached.
        """
        ...

    def write(self) -> AbstractContextManager[Rows]:
        """The only writer until it ends; an exception inside undoes all of it.

        Raises StoreUnavailable when the rows cannot be reached.
        """
        ...

    def close(self) -> None: ...


def next_number(rows: Rows, name: str) -> int:
    """1, 2, 3, ... for each name."""
    counter = rows.get(Counter, name)
    value = 1 if counter is None else counter.value + 1
    rows.put(Counter(name=name, value=value))
    return value


def new_id(rows: Rows, now_us: int) -> str:
    """A fresh 26-character id that sorts by time, then by the order of making."""
    value = (now_us // 1000) << 80 | rows.unique()
    digits = []
    for _ in range(26):
        value, digit = divmod(value, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))


def write_log(store: Store) -> Sequence[Write]:
    """Every mutating control-plane request so far: the proof that a preview wrote nothing."""
    with store.read() as rows:
        return rows.select(Write)
