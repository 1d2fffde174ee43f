"""The flags of one update that change what is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Options:
    """The flags of one update that change what is done."""

    targets: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    target_dependents: bool = False
    replaces: list[str] = field(default_factory=list)
    continue_on_error: bool = False
    exclude_protected: bool = False


def matches(urn: str, pattern: str) -> bool:
    return urn == pattern or ("*" in pattern and fnmatchcase(urn, pattern))
