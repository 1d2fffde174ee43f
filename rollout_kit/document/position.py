"""Where something stands in a plan file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the plan file; line and column count from 1."""

    line: int
    column: int
