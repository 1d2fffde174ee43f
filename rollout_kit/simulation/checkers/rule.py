"""What the checkers have in common: a name, what they found, and how near it came."""

from __future__ import annotations

from rollout_kit.simulation.checking import Ending, Margin, Violation
from rollout_kit.simulation.effects import Happening
from rollout_kit.simulation.truth import Truth

SIGHT_S = 15.0
"""How old the tool's last look may be when it acts: several answers, each as slow as one may be.

What a fault takes away within that time no tool could have seen; what was gone for longer it had to see.
"""


class Rule:
    """A checker that overrides what it needs. `name` stands in reports."""

    name = ""

    def __init__(self, truth: Truth) -> None:  # noqa: ARG002
        self._found: list[Violation] = []
        self._nearest: Margin | None = None

    def saw(self, happening: Happening, truth: Truth) -> None:
        """Most rules judge effects."""

    def step(self, truth: Truth) -> None:
        """Few have to look between effects."""

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:  # noqa: ARG002
        return tuple(self._found)

    def margin(self) -> Margin | None:
        return self._nearest

    def _say(self, at_s: float, sentence: str) -> None:
        self._found.append(Violation(checker=self.name, at_s=at_s, sentence=sentence))

    def _near(self, spare: float, sentence: str) -> None:
        """It was kept, with this much to spare."""
        if self._nearest is None or spare < self._nearest.spare:
            self._nearest = Margin(checker=self.name, spare=spare, sentence=sentence)
