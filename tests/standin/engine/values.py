"""Property values: as gRPC carries them, as state files keep them, as people may see them.

Inside the engine a value is plain JSON; a secret is an object with the signature key, as on the
wire, and an unknown is a fixed string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
MASK = "[secret]"


def secret(value: Any) -> dict:
    return {SIGNATURE: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def _walk(tree: Any, at_secret: Callable[[dict], Any]) -> Any:
    if is_secret(tree):
        return at_secret(tree)
    if isinstance(tree, dict):
        return {key: _walk(value, at_secret) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_walk(one, at_secret) for one in tree]
    return tree


def reveal(tree: Any) -> Any:
    """Without the wrapping of secrets: what a provider works with."""
    return _walk(tree, lambda wrapped: reveal(wrapped["value"]))


def mask(tree: Any) -> Any:
    return _walk(tree, lambda wrapped: MASK)


def resecret(tree: dict[str, Any], like: dict[str, Any], more: list[str]) -> dict[str, Any]:
    """A provider's plain outputs, with secrets where the inputs had some, or where it is asked."""
    return {
        key: secret(value) if (_has_secret(like.get(key)) or key in more) else value
        for key, value in tree.items()
    }


def _has_secret(tree: Any) -> bool:
    if is_secret(tree):
        return True
    if isinstance(tree, dict):
        return any(map(_has_secret, tree.values()))
    return isinstance(tree, list) and any(map(_has_secret, tree))


def has_unknown(tree: Any) -> bool:
    if isinstance(tree, dict):
        return any(map(has_unknown, tree.values()))
    if isinstance(tree, list):
        return any(map(has_unknown, tree))
    return tree == UNKNOWN


def map_secrets(tree: Any, change: Callable[[dict], Any]) -> Any:
    """Every secret replaced: by its ciphertext on the way out, by its value on the way in."""
    return _walk(tree, change)
