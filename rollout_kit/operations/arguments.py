"""An operation's arguments as its kind's own dataclass, read once however often they are asked for."""

from __future__ import annotations

from typing import Any, TypeVar

from rollout_kit.model import codec
from rollout_kit.model.operation import Operation

T = TypeVar("T")

REMEMBERED = 512

# By identity, beside the mapping itself, so that no other one can come to its id meanwhile.
_read: dict[tuple[type[Any], int], tuple[object, Any]] = {}


def arguments_of(kind: type[T], op: Operation) -> T:
    """`op.arguments` read as `kind`.

    Raises:
        CodecError: they are another kind's.
    """
    key = (kind, id(op.arguments))
    found = _read.get(key)
    if found is None:
        if len(_read) >= REMEMBERED:
            _read.clear()
        found = _read[key] = (op.arguments, codec.from_json(kind, op.arguments))
    decoded: T = found[1]
    return decoded
