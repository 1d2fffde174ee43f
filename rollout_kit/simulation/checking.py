"""What must always be true, judged beside the product: what a checker is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rollout_kit.model.events import Outcome
from rollout_kit.simulation.effects import Happening
from rollout_kit.simulation.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Something that must never be. `at_s`: virtual seconds since the world began."""

    checker: str
    at_s: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the rollout ended. `outcome`: None where it was refused, or did not end in its time."""

    outcome: Outcome | None
    residue: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How near a rule came to being broken. `spare`: in the rule's own unit; 0 is the very edge."""

    checker: str
    spare: float
    sentence: str


class Checker(Protocol):
    """One rule. It shares no code with the executor, and judges what happened, not what was meant.

    A fresh one is made for every run, when the world stands and before the tool starts.
    """

    def saw(self, happening: Happening, truth: Truth) -> None:
        """An effect has just taken place."""
        ...

    def step(self, truth: Truth) -> None:
        """Half a second has gone by."""
        ...

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        """The rollout is over, nothing fails any more, all has come to rest: what was broken?"""
        ...

    def margin(self) -> Margin | None:
        """After `finish`: how near it came. None: it was not put to the test, or it has no measure."""
        ...


MakeChecker: TypeAlias = Callable[[Truth], Checker]
"""A checker for one run; `truth` shows the world before the rollout."""
