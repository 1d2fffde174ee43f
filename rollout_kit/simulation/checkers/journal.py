"""The journal itself: whole, in order, written by who holds the lock, and over when it is over."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from rollout_kit.model.events import (
    Attached,
    DriftAccepted,
    HoldReleased,
    RollbackStarted,
    RolloutFinished,
)
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.checking import Ending, Violation
from rollout_kit.simulation.effects import (
    BootstrapRun,
    CohortChanged,
    Effect,
    FaultStruck,
    Happening,
    Healed,
    Journaled,
    ServerWrite,
    ToolEnded,
    ToolStarted,
    Who,
)
from rollout_kit.simulation.truth import Truth

IN_FLIGHT_S = 4.5
"""What a process had sent when it lost its lock arrives within the time that it waits for an answer."""


@lru_cache(maxsize=1)
def _records(journal: bytes) -> tuple[dict[str, Any], ...]:
    """Its whole lines as JSON, which both rules about lines look at."""
    return tuple(map(json.loads, journal.split(b"\n")[:-1]))


class ChainWhole(Rule):
    """Each line names the hash of the one before, counts up by one, and nothing is torn.

    A line once durable stays as it is.
    """

    name = "chain-whole"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._known = truth.journal

    def saw(self, happening: Happening, truth: Truth) -> None:
        data = truth.journal
        if data is self._known:
            return
        if not data.startswith(self._known):
            self._say(happening.at_s, "a record that was durable has changed or is gone")
        self._known = data

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        *lines, rest = truth.journal.split(b"\n")
        if rest:
            self._say(truth.at_s, f"{len(rest)} bytes of a torn record stand at the end")
        before = "0" * 64
        records = _records(truth.journal)
        for number, (line, record) in enumerate(zip(lines, records, strict=True)):
            if record["sequence"] != number:
                self._say(truth.at_s, f"record {record['sequence']} stands in place {number}")
            if record["previous"] != before:
                self._say(truth.at_s, f"record {number} does not follow the one before it")
            before = hashlib.sha256(line).hexdigest()
        return super().finish(truth, ending)


class NeverBack(Rule):
    """Attended time and fences never go back, from record to record."""

    name = "never-back"

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        attended_s, fence = 0.0, 0
        for record in _records(truth.journal):
            number = record["sequence"]
            if record["attended_s"] < attended_s:
                said = f"{record['attended_s']}s attended in record {number}, after {attended_s}s"
                self._say(truth.at_s, said)
            if record["fence"] < fence:
                said = f"fence {record['fence']} in record {number}, after {fence}"
                self._say(truth.at_s, said)
            attended_s, fence = record["attended_s"], record["fence"]
        return super().finish(truth, ending)


def _touches_the_world(effect: Effect) -> bool:
    return not isinstance(effect, Journaled | ToolStarted | ToolEnded | FaultStruck | Healed)


class OverIsOver(Rule):
    """After `RolloutFinished` the tool changes nothing, until a person asks for a rollback.

    A request that its caller had given up, and that arrives only now, is no new write. Of records only
    those that take the rollout up again follow.
    """

    name = "over-is-over"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._over = False

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        effect = happening.effect
        if isinstance(effect, Journaled):
            self._record(effect, happening.at_s)
        elif self._over and happening.who is Who.TOOL and _touches_the_world(effect):
            late = isinstance(effect, ServerWrite) and effect.late
            if not late:
                self._say(happening.at_s, f"{_told(effect)} after the rollout was over")

    def _record(self, journaled: Journaled, at_s: float) -> None:
        match journaled.event:
            case RolloutFinished():
                if self._over:
                    self._say(at_s, "it was over twice")
                self._over = True
            case RollbackStarted():
                self._over = False
            case Attached() | HoldReleased() | DriftAccepted():
                pass
            case event if self._over:
                self._say(at_s, f"{type(event).__name__} was journaled after the end")
            case _:
                pass


class FencedOff(Rule):
    """A process whose rollout somebody else took over has no effect any more.

    What it had sent before that may still arrive, for `IN_FLIGHT_S` seconds, and it is one thing at
    most: the tool sends one after the other.
    """

    name = "fenced-off"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._fence = 0
        self._lost_at_s: float | None = None
        self._after = 0

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        effect = happening.effect
        match effect:
            case ToolStarted(fence=fence):
                self._fence, self._lost_at_s, self._after = fence, None, 0
            case Journaled(fence=fence):
                self._recorded(fence, happening.at_s)
            case ServerWrite(late=True) | ServerWrite(copy=True):
                pass
            case _ if happening.who is Who.TOOL and _touches_the_world(effect):
                self._touched(effect, happening.at_s)
            case _:
                pass

    def _recorded(self, fence: int, at_s: float) -> None:
        if fence > self._fence and self._fence:
            self._lost_at_s = at_s
        elif fence < self._fence or self._lost_at_s is not None:
            self._say(at_s, f"fence {fence} was journaled after a later one")

    def _touched(self, effect: Effect, at_s: float) -> None:
        if self._lost_at_s is None:
            return
        self._after += 1
        if self._after > 1 or at_s - self._lost_at_s > IN_FLIGHT_S:
            lost_s = at_s - self._lost_at_s
            self._say(at_s, f"{_told(effect)} {lost_s:.1f}s after the lock was lost")


def _told(effect: Effect) -> str:
    match effect:
        case ServerWrite():
            return f"{effect.method} {effect.path}"
        case CohortChanged():
            return f"{effect.cohort.label} went to {effect.after} workers"
        case BootstrapRun():
            return f"bootstrap of {effect.version}"
        case _:
            return type(effect).__name__
