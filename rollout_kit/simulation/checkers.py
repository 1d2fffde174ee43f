"""The rules that every rollout keeps, whatever fails: one checker each."""

from __future__ import annotations

import hashlib
import json

from rollout_kit.emulator.model.passes import scheduler_overlaps
from rollout_kit.simulation.checking import Ending, Violation
from rollout_kit.simulation.effects import Happening, SchedulerStarted
from rollout_kit.simulation.truth import Truth


class NeverTwoSchedulers:
    """Two that run at once fire schedules twice: neither two processes, nor two that tick."""

    name = "never-two-schedulers"

    def __init__(self, truth: Truth) -> None:  # noqa: ARG002
        self._found: list[Violation] = []

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        effect = happening.effect
        if isinstance(effect, SchedulerStarted) and effect.running > 1:
            sentence = f"{effect.image} was started while {effect.running - 1} still ran"
            self._found.append(Violation(checker=self.name, at_s=happening.at_s, sentence=sentence))

    def step(self, truth: Truth) -> None:
        """Nothing to look at between effects."""

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:  # noqa: ARG002
        with truth.rows() as rows:
            overlaps = scheduler_overlaps(rows)
        if overlaps and not self._found:
            sentence = f"two schedulers ticked side by side {overlaps} times"
            self._found.append(Violation(checker=self.name, at_s=truth.at_s, sentence=sentence))
        return tuple(self._found)


class ChainWhole:
    """Each line names the hash of the one before, counts up by one, and nothing is torn.

    A line once durable stays as it is.
    """

    name = "chain-whole"

    def __init__(self, truth: Truth) -> None:
        self._known = truth.journal
        self._found: list[Violation] = []

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        data = truth.journal
        if data is self._known:
            return
        if not data.startswith(self._known):
            self._say(truth, "a record that was durable has changed or is gone")
        self._known = data

    def step(self, truth: Truth) -> None:
        """The journal changes by appends alone, and each is an effect."""

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:  # noqa: ARG002
        *lines, rest = truth.journal.split(b"\n")
        if rest:
            self._say(truth, f"{len(rest)} bytes of a torn record stand at the end")
        before = "0" * 64
        for number, line in enumerate(lines):
            record = json.loads(line)
            if record["sequence"] != number:
                self._say(truth, f"record {record['sequence']} stands in place {number}")
            if record["previous"] != before:
                self._say(truth, f"record {number} does not follow the one before it")
            before = hashlib.sha256(line).hexdigest()
        return tuple(self._found)

    def _say(self, truth: Truth, sentence: str) -> None:
        self._found.append(Violation(checker=self.name, at_s=truth.at_s, sentence=sentence))


CHECKERS = (NeverTwoSchedulers, ChainWhole)
"""All of them; each is made anew for every run."""
