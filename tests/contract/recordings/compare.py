"""Is an answer the recorded one? Keys and types always, values wherever the given state fixes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter
from typing import Any

_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}|[0-9A-HJKMNP-TV-Z]{26}")
_DIGIT = re.compile(r"\d+")
_MICROSECONDS = re.compile(r"(?<=\.)\d{6}(?=Z)")
_ALWAYS_OPEN = (
    "*generated_at",
    # Manifests that never change: their shape is what clients rely on.
    "auth_composition_contract.*",
    "bridge_adapter_outcome_contract.*",
    "control_plane.request_contract.*",
    "worker_protocol.*_contract.*",
    "operator_metrics.backend.readiness_contract.*",
)


def differences(
    recorded: Any, answered: Any, undetermined: Sequence[str] = (), path: str = ""
) -> Iterator[str]:
    """Each place where the answer is not the recorded one, as a sentence.

    `undetermined` are patterns of dotted paths whose values the given state leaves open: there
    the type, the keys and the spelling of ids and times are compared, not the value.
    """
    if type(recorded) is not type(answered):
        yield f"{path}: recorded {recorded!r}, answered {answered!r}"
    elif isinstance(recorded, dict):
        yield from _objects(recorded, answered, undetermined, path)
    elif isinstance(recorded, list):
        yield from _lists(recorded, answered, undetermined, path)
    elif _open(path, undetermined) or _is_id(recorded):
        if _spelling(recorded) != _spelling(answered):
            yield f"{path}: recorded {recorded!r}, answered {answered!r} is spelled differently"
    elif recorded != answered:
        yield f"{path}: recorded {recorded!r}, answered {answered!r}"


def _objects(
    recorded: dict[str, Any], answered: dict[str, Any], undetermined: Sequence[str], path: str
) -> Iterator[str]:
    if missing := sorted(recorded.keys() - answered.keys()):
        yield f"{path}: {missing} are missing"
    if surplus := sorted(answered.keys() - recorded.keys()):
        yield f"{path}: {surplus} were never recorded"
    for name in recorded.keys() & answered.keys():
        inner = f"{path}.{name}" if path else name
        yield from differences(recorded[name], answered[name], undetermined, inner)


def _lists(
    recorded: list[Any], answered: list[Any], undetermined: Sequence[str], path: str
) -> Iterator[str]:
    if not _open(path, undetermined) and len(recorded) != len(answered):
        yield f"{path}: recorded {len(recorded)} items, answered {len(answered)}"
    pairs = zip(_settled(recorded), _settled(answered), strict=False)
    for number, (old, new) in enumerate(pairs):
        yield from differences(old, new, undetermined, f"{path}[{number}]")


def _settled(items: list[Any]) -> list[Any]:
    """Workers come newest heartbeat first; among equal heartbeats their order is the database's."""
    if not all(isinstance(item, dict) and "last_heartbeat_at" in item for item in items):
        return items
    return [
        worker
        for _, equal in groupby(items, key=itemgetter("last_heartbeat_at"))
        for worker in sorted(equal, key=lambda item: str(item.get("worker_id")))
    ]


def _open(path: str, undetermined: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in (*_ALWAYS_OPEN, *undetermined))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _spelling(value: object) -> object:
    """What is left of a value when only its form counts."""
    if not isinstance(value, str):
        return type(value)
    if _is_id(value):
        return "an id, " + ("lower" if value == value.lower() else "upper")
    if value[:2] == "20" and "T" in value:
        return _DIGIT.sub("0", _MICROSECONDS.sub("u", value))
    return str
