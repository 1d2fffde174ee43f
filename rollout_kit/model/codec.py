"""Frozen dataclasses to JSON values and back, by their type hints: the journal's and previews' alphabet.

Unions of dataclasses are tagged with `"is": <class name>`; enums go by value; tuples are lists;
datetimes are ISO 8601 in UTC. Unknown keys are ignored, so that an older reader survives a newer
writer; a missing key takes the field's default or is an error that names it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, overload

T = TypeVar("T")
TAG = "is"


class CodecError(ValueError):
    """A JSON value does not have the shape of the type it is read as."""


def to_json(value: object) -> Any:
    """`value` as plain JSON types. Dataclasses always carry their tag: unions need no context."""
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return value.value
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case tuple() | list():
            return [to_json(item) for item in value]
        case frozenset() | set():
            return sorted((to_json(item) for item in value), key=str)
    if is_dataclass(value) and not isinstance(value, type):
        body = {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
        return {TAG: type(value).__name__, **body}
    raise CodecError(f"{type(value).__name__} has no JSON form")


@overload
def from_json(kind: type[T], data: Any, where: str = "$") -> T: ...


@overload
def from_json(kind: Any, data: Any, where: str = "$") -> Any: ...


def from_json(kind: Any, data: Any, where: str = "$") -> Any:
    """Read `data` as `kind`.

    Raises:
        CodecError: names the place (`$.a.b[2]`) and what was found there.
    """
    return _decode(kind, data, where)


def _decode(kind: Any, data: Any, where: str) -> Any:
    kind = getattr(kind, "__value__", kind)
    origin = typing.get_origin(kind)
    if kind is Any or kind is object:
        return data
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), data, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), data, where)
    if origin in (frozenset, set):
        (item,) = typing.get_args(kind)
        return frozenset(_decode_tuple((item, Ellipsis), data, where))
    if origin is not None and issubclass(origin, Mapping):
        _, item = typing.get_args(kind)
        _demand(isinstance(data, dict), "an object", data, where)
        return {key: _decode(item, entry, f"{where}.{key}") for key, entry in data.items()}
    if is_dataclass(kind):
        return _decode_dataclass(kind, data, where)
    return _decode_scalar(kind, data, where)


def _decode_scalar(kind: Any, data: Any, where: str) -> Any:
    if kind is type(None):
        _demand(data is None, "null", data, where)
        return None
    if kind is datetime:
        _demand(isinstance(data, str), "a time", data, where)
        return datetime.fromisoformat(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(data)
        except ValueError:
            raise CodecError(f"{where}: {data!r} is not a {kind.__name__}") from None
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is int and isinstance(data, bool):
        raise CodecError(f"{where}: expected int, found {data!r}")
    _demand(isinstance(data, kind), getattr(kind, "__name__", str(kind)), data, where)
    return data


def _decode_union(options: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and type(None) in options:
        return None
    if isinstance(data, dict) and TAG in data:
        for option in options:
            option = getattr(option, "__value__", option)  # noqa: PLW2901
            if typing.get_origin(option) in (typing.Union, types.UnionType):
                return _decode_union(typing.get_args(option), data, where)
            if is_dataclass(option) and getattr(option, "__name__", "") == data[TAG]:
                return _decode_dataclass(option, data, where)
        raise CodecError(f"{where}: {data[TAG]!r} is not known here")
    enums = [option for option in options if isinstance(option, type) and issubclass(option, Enum)]
    for option in (*enums, *_exact(options, data), *options):
        try:
            return _decode(option, data, where)
        except CodecError:
            continue
    raise CodecError(f"{where}: {data!r} fits none of the types that may stand here")


def _exact(options: tuple[Any, ...], data: Any) -> list[Any]:
    """The options whose type is exactly that of `data`: 1 stays int where float is allowed too."""
    return [option for option in options if option is type(data)]


def _decode_tuple(arguments: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    _demand(isinstance(data, list), "a list", data, where)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(arguments[0], item, f"{where}[{n}]") for n, item in enumerate(data))
    _demand(len(data) == len(arguments), f"{len(arguments)} items", data, where)
    pairs = zip(arguments, data, strict=True)
    return tuple(_decode(item, entry, f"{where}[{n}]") for n, (item, entry) in enumerate(pairs))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: Any, data: Any, where: str) -> Any:
    _demand(isinstance(data, dict), "an object", data, where)
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for item in fields(kind):
        if item.name in data:
            values[item.name] = _decode(hints[item.name], data[item.name], f"{where}.{item.name}")
        elif item.default is MISSING and item.default_factory is MISSING:
            raise CodecError(f"{where}: {kind.__name__} lacks {item.name!r}")
    return kind(**values)


def _demand(holds: bool, wanted: str, data: Any, where: str) -> None:
    if not holds:
        raise CodecError(f"{where}: expected {wanted}, found {data!r}")
