"""Read the fields of an answer one by one, failing closed: what is missing is named, never guessed.

Empty maps may come as `[]` (the server's language does not tell them apart).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from rollout_kit.transport.errors import Malformed

FOUND_CHARACTERS = 60
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Fields:
    """An object of an answer. `where` is its place, for errors."""

    body: dict[str, Any]
    where: str = ""

    @staticmethod
    def of(value: Any, where: str = "") -> Fields:
        """Raises Malformed when `value` is no object."""
        if value == []:
            return Fields({}, where)
        if not isinstance(value, dict):
            _fail(where or "the answer", "an object", value)
        return Fields(value, where)

    def has(self, key: str) -> bool:
        return key in self.body

    def count(self, key: str) -> int:
        """A number of things: an integer, 0 or more. Missing or null is an error (rule 14)."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            _fail(self._at(key), "a count", value)
        return value

    def seconds(self, key: str) -> float:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            _fail(self._at(key), "a number of seconds", value)
        return float(value)

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            _fail(self._at(key), "a text", value)
        return value

    def text_or_null(self, key: str) -> str | None:
        """The key must be there; null is an answer."""
        return None if self._get(key) is None else self.text(key)

    def version(self, key: str) -> str:
        """`"2"` or `2`: published schemas and servers differ in the type."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            _fail(self._at(key), "a version", value)
        return str(value)

    def flag(self, key: str) -> bool:
        value = self._get(key)
        if not isinstance(value, bool):
            _fail(self._at(key), "true or false", value)
        return value

    def object(self, key: str) -> Fields:
        return Fields.of(self._get(key), self._at(key))

    def objects(self, key: str) -> Iterator[Fields]:
        value = self._get(key)
        if not isinstance(value, list):
            _fail(self._at(key), "a list", value)
        for position, item in enumerate(value):
            yield Fields.of(item, f"{self._at(key)}[{position}]")

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            _fail(self._at(key), "a list of texts", value)
        return tuple(value)

    def _get(self, key: str) -> Any:
        return self.body.get(key, _MISSING)

    def _at(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def moment_s(text: str) -> float | None:
    """Seconds since 1970 of any of the server's three spellings of a time; None: it is no time."""
    if len(text) < 19 or text[4:5] != "-":
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.timestamp() if parsed.tzinfo else None


def _fail(where: str, wanted: str, value: object) -> NoReturn:
    if value is _MISSING:
        raise Malformed(where, wanted, "missing")
    shown = "null" if value is None else repr(value)[:FOUND_CHARACTERS]
    raise Malformed(where, wanted, shown)
