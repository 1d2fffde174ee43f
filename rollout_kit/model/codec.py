"""Frozen dataclasses to JSON values and back, by their type hints: the journal's and previews' alphabet.

Unions of dataclasses are tagged with `"is": <class name>`; enums go by value; tuples are lists;
datetimes are ISO 8601 in UTC. Unknown keys are ignored, so that an older reader survives a newer
writer; a missing key takes the field's default or is an error that names it.

A type's hints are looked at once: what reads and writes its values is built then and kept.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar, overload

T = TypeVar("T")
TAG = "is"
Encoder: TypeAlias = Callable[[Any], Any]
Decoder: TypeAlias = Callable[[Any], Any]
_PLAIN = frozenset({type(None), bool, int, float, str})


class CodecError(ValueError):
    """A JSON value does not have the shape of the type it is read as."""


class _Misfit(Exception):
    """A value that does not fit, somewhere below; whoever it passes says where it was going."""

    def __init__(self, text: str, *path: str) -> None:
        super().__init__(text)
        self.text = text
        self.path = list(path)

    def below(self, place: str) -> _Misfit:
        self.path.append(place)
        return self


def to_json(value: object) -> Any:
    """`value` as plain JSON types. Dataclasses always carry their tag: unions need no context."""
    kind: Any = type(value)
    return _encoder(kind)(value)


@cache
def _encoder(kind: Any) -> Encoder:
    """What writes values of this class."""
    if kind in _PLAIN:
        return lambda value: value
    if is_dataclass(kind):
        return _tagged(kind)
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, str | int | float):
        return lambda value: value
    if issubclass(kind, Mapping):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    if issubclass(kind, tuple | list):
        return lambda value: [to_json(item) for item in value]
    if issubclass(kind, datetime):
        return lambda value: value.isoformat()
    if issubclass(kind, frozenset | set):
        return lambda value: sorted((to_json(item) for item in value), key=str)
    raise CodecError(f"{kind.__name__} has no JSON form")


def _tagged(kind: Any) -> Encoder:
    names = tuple(item.name for item in fields(kind))

    def write(value: Any) -> dict[str, Any]:
        body: dict[str, Any] = {TAG: kind.__name__}
        for name in names:
            item = getattr(value, name)
            found: Any = type(item)
            body[name] = item if found in _PLAIN else _encoder(found)(item)
        return body

    return write


@overload
def from_json(kind: type[T], data: Any, where: str = "$") -> T: ...


@overload
def from_json(kind: Any, data: Any, where: str = "$") -> Any: ...


def from_json(kind: Any, data: Any, where: str = "$") -> Any:
    """Read `data` as `kind`.

    Raises:
        CodecError: names the place (`$.a.b[2]`) and what was found there.
    """
    try:
        return _decoder(kind)(data)
    except _Misfit as misfit:
        place = where + "".join(reversed(misfit.path))
        raise CodecError(f"{place}: {misfit.text}") from None


@cache
def _decoder(kind: Any) -> Decoder:
    """What reads values of this type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return lambda data: data
    if origin in (typing.Union, types.UnionType):
        return _union(tuple(_flattened(arguments)))
    if origin is tuple:
        return _tuple(arguments)
    if origin in (frozenset, set):
        items = _sequence(_decoder(arguments[0]))
        return lambda data: frozenset(items(data))
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(_decoder(arguments[1]))
    return _dataclass(kind) if is_dataclass(kind) else _scalar(kind)


def _scalar(kind: Any) -> Decoder:
    if kind is datetime:
        return _datetime
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    name = "null" if kind is type(None) else getattr(kind, "__name__", str(kind))

    def read(data: Any) -> Any:
        if type(data) is kind:
            return data
        if kind is float and type(data) is int:
            return float(data)
        if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
            raise _expected(name, data)
        return data

    return read


def _datetime(data: Any) -> datetime:
    if not isinstance(data, str):
        raise _expected("a time", data)
    return datetime.fromisoformat(data)


def _enum(kind: type[Enum]) -> Decoder:
    members = _members(kind)

    def read(data: Any) -> Enum:
        found = members.get(data) if isinstance(data, str) else None
        if found is None:
            raise _Misfit(f"{data!r} is not a {kind.__name__}")
        return found

    return read


def _members(kind: type[Enum]) -> dict[str, Enum]:
    """Looked up: asking the class is dear where most values, texts among facts, are none of it."""
    return {member.value: member for member in kind}


def _flattened(options: tuple[Any, ...]) -> typing.Iterator[Any]:
    for option in options:
        if typing.get_origin(option) in (typing.Union, types.UnionType):
            yield from _flattened(typing.get_args(option))
        else:
            yield option


def _union(options: tuple[Any, ...]) -> Decoder:
    """Dataclasses by their tag; else enums first, then the very type of the value, then what fits."""
    classes = [option for option in options if isinstance(option, type)]
    tagged = {option.__name__: _decoder(option) for option in classes if is_dataclass(option)}
    members = {
        value: member
        for option in reversed(classes)
        if issubclass(option, Enum)
        for value, member in _members(option).items()
    }
    exact = {option: _decoder(option) for option in options if option in _PLAIN}
    others = [_decoder(option) for option in options]

    def read(data: Any) -> Any:
        if data is None and type(None) in exact:
            return None
        if isinstance(data, dict) and TAG in data:
            tag = data[TAG]
            found = tagged.get(tag) if isinstance(tag, str) else None
            if found is None:
                raise _Misfit(f"{tag!r} is not known here")
            return found(data)
        if isinstance(data, str) and data in members:
            return members[data]
        first = exact.get(type(data))
        for decode in (first, *others) if first else others:
            try:
                return decode(data)
            except _Misfit:
                continue
        raise _Misfit(f"{data!r} fits none of the types that may stand here")

    return read


def _mapping(item: Decoder) -> Decoder:
    def read(data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise _expected("an object", data)
        key = ""
        try:
            return {(key := name): item(entry) for name, entry in data.items()}
        except _Misfit as misfit:
            raise misfit.below(f".{key}") from None

    return read


def _tuple(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(_decoder(arguments[0]))
    items = tuple(_decoder(argument) for argument in arguments)

    def read(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, list) or len(data) != len(items):
            raise _expected(f"{len(items)} items", data)
        return tuple(_at(item, entry, n) for n, (item, entry) in enumerate(zip(items, data)))  # noqa: B905

    return read


def _sequence(item: Decoder) -> Decoder:
    def read(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, list):
            raise _expected("a list", data)
        return tuple(_at(item, entry, n) for n, entry in enumerate(data))

    return read


def _at(item: Decoder, entry: Any, number: int) -> Any:
    try:
        return item(entry)
    except _Misfit as misfit:
        raise misfit.below(f"[{number}]") from None


def _dataclass(kind: Any) -> Decoder:
    """Its fields' decoders are built at its first value: types may contain themselves."""
    known: list[tuple[str, Decoder, bool]] = []

    def build() -> None:
        hints = typing.get_type_hints(kind)
        for item in fields(kind):
            needed = item.default is MISSING and item.default_factory is MISSING
            known.append((item.name, _decoder(hints[item.name]), needed))

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _expected("an object", data)
        if not known:
            build()
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, decode, needed in known:
                if name in data:
                    values[name] = decode(data[name])
                elif needed:
                    raise _Misfit(f"{kind.__name__} lacks {name!r}")
        except _Misfit as misfit:
            raise misfit.below(f".{name}") if name in data else misfit from None
        return kind(**values)

    return read


def _expected(wanted: str, data: Any) -> _Misfit:
    return _Misfit(f"expected {wanted}, found {data!r}")
