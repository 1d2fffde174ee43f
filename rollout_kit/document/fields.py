"""Values out of a document that keeps to its schema."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeAlias, TypeVar, cast

from rollout_kit.document.quantities import percent, seconds
from rollout_kit.document.sections import UNDECIDED
from rollout_kit.document.terms import BuildSelector, Share

Section: TypeAlias = Mapping[str, object]
Choice = TypeVar("Choice", bound=enum.StrEnum)


class UndecidedError(ValueError):
    """A number waits for an environment variable, so there is no document yet."""


def section(value: Section, key: str) -> Section:
    """Give a mapping, empty where it is left out."""
    return cast("Section", value.get(key, {}))


def sections(value: Section, key: str) -> list[Section]:
    """Give a list of mappings, empty where it is left out."""
    return cast("list[Section]", value.get(key, []))


def text(value: Section, key: str) -> str:
    """Give text that the schema requires."""
    return cast("str", value[key])


def optional_text(value: Section, key: str) -> str | None:
    """Give text, None where it is left out."""
    return cast("str | None", value.get(key))


def texts(value: Section, key: str) -> tuple[str, ...]:
    """Give one text or a list of them, empty where it is left out."""
    given = value.get(key, [])
    return (given,) if isinstance(given, str) else tuple(cast("list[str]", given))


def optional_texts(value: Section, key: str) -> tuple[str, ...] | None:
    """Give a list of texts, None where it is left out."""
    return texts(value, key) if key in value else None


def flag(value: Section, key: str) -> bool:
    """Give a truth value, false where it is left out."""
    return bool(value.get(key, False))


def required_s(value: Section, key: str) -> float:
    """Give a duration in seconds. Raises `UndecidedError`."""
    return seconds(_decided(text(value, key)))


def optional_s(value: Section, key: str) -> float | None:
    """Give a duration in seconds, None where it is left out. Raises `UndecidedError`."""
    return required_s(value, key) if key in value else None


def durations(value: Section, **keys: str) -> dict[str, float]:
    """Give those durations that are not left out, each as the field that is named for it."""
    return {field: required_s(value, key) for field, key in keys.items() if key in value}


def whole(value: Section, key: str, default: int) -> int:
    """Give a whole number. Raises `UndecidedError`."""
    return int(_decided(str(value[key]))) if key in value else default


def optional_whole(value: Section, key: str) -> int | None:
    """Give a whole number, None where it is left out. Raises `UndecidedError`."""
    return whole(value, key, 0) if key in value else None


def number(value: Section, key: str) -> tuple[float, bool]:
    """Give a number and whether it is per cent. Raises `UndecidedError`."""
    given = _decided(str(value[key]))
    return (percent(given), True) if given.endswith("%") else (float(given), False)


def share(value: Section, key: str) -> Share:
    """Give a share. Raises `UndecidedError`."""
    return Share(percent(_decided(text(value, key))))


def cohort(value: Section, key: str) -> BuildSelector:
    """Give a build id or the unversioned cohort."""
    given = value[key]
    return BuildSelector(build_id=given if isinstance(given, str) else None)


def optional_cohort(value: Section, key: str) -> BuildSelector | None:
    """Give a cohort, None where it is left out."""
    return cohort(value, key) if key in value else None


def choice(value: Section, key: str, kind: type[Choice], default: Choice) -> Choice:
    """Give one of an enumeration's values."""
    return kind(text(value, key)) if key in value else default


def _decided(given: str) -> str:
    if UNDECIDED in given:
        raise UndecidedError
    return given
