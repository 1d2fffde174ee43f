"""What the engine asks of a provider."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

Tree = dict[str, Any]


@dataclass
class Change:
    """What would have to change: property path to kind, `add`, `update`, `delete` and `-replace`."""

    paths: dict[str, str] = field(default_factory=dict)
    delete_first: bool = False
    by_inputs: bool = True
    """The paths are of inputs; else of the object as a whole, and events name no top-level ones."""

    detailed: bool = True
    """Else only the top-level properties are named."""

    @property
    def replaces(self) -> list[str]:
        return sorted(path for path, kind in self.paths.items() if kind.endswith("-replace"))


@dataclass
class Read:
    """An object as it is in the world."""

    inputs: Tree
    outputs: Tree
    reasons: list[str] = field(default_factory=list)


@dataclass
class Call:
    """One resource's operation: who asks, and how to tell it to stop or say something."""

    urn: str
    type: str
    preview: bool
    cancelled: threading.Event
    say: Callable[[str], None]
    """A progress message that is shown and forgotten."""
    warn: Callable[[str], None] = lambda text: None
    timeout_s: float | None = None

    @property
    def name(self) -> str:
        return self.urn.rpartition("::")[2]


class Provider(Protocol):
    """Inputs and outputs are plain: secrets are unwrapped before and wrapped again after."""

    def check(self, call: Call, new: Tree) -> tuple[Tree, list[tuple[str, str]]]:
        """The inputs with defaults, and what is wrong with them: (property, reason)."""

    def diff(self, call: Call, old_inputs: Tree, old_outputs: Tree, new: Tree) -> Change: ...

    def create(self, call: Call, new: Tree) -> tuple[str, Tree]:
        """Id and outputs; in a preview the outputs that are not known are left unknown."""

    def update(self, call: Call, id_: str, old: Tree, outputs: Tree, new: Tree) -> Tree: ...

    def delete(self, call: Call, id_: str, outputs: Tree) -> None: ...

    def read(self, call: Call, id_: str, inputs: Tree, outputs: Tree) -> Read | None:
        """None: it is gone."""

    def invoke(self, token: str, arguments: Tree) -> Tree: ...


def shallow(old: Tree, new: Tree) -> dict[str, str]:
    """Differences of the top-level properties."""
    found: dict[str, str] = {}
    for key in sorted(old.keys() | new.keys()):
        if key.startswith("__"):
            continue
        if key not in old:
            found[key] = "add"
        elif key not in new:
            found[key] = "delete"
        elif old[key] != new[key]:
            found[key] = "update"
    return found


def deep(old: Any, new: Any, path: str = "") -> dict[str, str]:
    """Differences of leaves: `spec.containers[0].image`."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, str] = {}
        for key in sorted(old.keys() | new.keys()):
            below = _below(path, key)
            if key not in old:
                found[below] = "add"
            elif key not in new:
                found[below] = "delete"
            else:
                found |= deep(old[key], new[key], below)
        return found
    if isinstance(old, list) and isinstance(new, list):
        found = {}
        for at in range(max(len(old), len(new))):
            below = f"{path}[{at}]"
            if at >= len(old):
                found[below] = "add"
            elif at >= len(new):
                found[below] = "delete"
            else:
                found |= deep(old[at], new[at], below)
        return found
    return {} if old == new else {path: "update"}


def _below(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key
