"""The variables of a plan and what they were."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the plan with the value it had when the plan was read."""

    name: str
    value: str
    """Of a secret one the reference."""
    secret: bool
