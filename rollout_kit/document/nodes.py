"""A YAML document as a tree in which every value and every key has its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rollout_kit.document.position import Position
from rollout_kit.document.scalars import Plain

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarNode:
    """A leaf."""

    value: Plain
    at: Position
    end_line: int
    shown: str | None = None
    """What messages may show of it where the value holds something of the environment's."""
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNode:
    """A list."""

    items: tuple[Node, ...]
    at: Position
    size: int
    """Nodes in it, itself included, aliases counted as often as they are used."""
    height: int
    """Levels below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingNode:
    """A mapping; its keys keep the order of the file."""

    entries: Mapping[str, Node]
    keys_at: Mapping[str, Position]
    at: Position
    size: int
    height: int


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def plain(node: Node) -> object:
    """Give the node as strings, numbers, lists and dicts."""
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(value) for key, value in node.entries.items()}


def find(root: Node, path: Path) -> Node | None:
    """Give the node at `path`."""
    node: Node | None = root
    for part in path:
        match node:
            case MappingNode() if isinstance(part, str):
                node = node.entries.get(part)
            case SequenceNode() if isinstance(part, int) and part < len(node.items):
                node = node.items[part]
            case _:
                return None
    return node


def locate(root: Node, path: Path, *, key: bool = False) -> Position:
    """Find the place of the value at `path` (of its key, with `key`), or of what comes nearest."""
    node, at = root, root.at
    for index, part in enumerate(path):
        match node:
            case MappingNode() if isinstance(part, str) and part in node.entries:
                at = node.keys_at[part] if key and index == len(path) - 1 else node.entries[part].at
                node = node.entries[part]
            case SequenceNode() if isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                at = node.at
            case _:
                return at
    return at


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, ScalarNode]]:
    """Give every leaf with its path."""
    match node:
        case ScalarNode():
            yield path, node
        case SequenceNode():
            for index, item in enumerate(node.items):
                yield from walk(item, (*path, index))
        case MappingNode():
            for key, value in node.entries.items():
                yield from walk(value, (*path, key))
