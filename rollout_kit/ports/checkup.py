"""What a look at everything a plan needs has found, one line each. Nothing is changed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from rollout_kit.ports.errors import OutsideError, Trouble


class Health(StrEnum):
    """How a line of a checkup stands."""

    OK = "ok"
    PROBLEM = "problem"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `trouble`: of a problem, for the exit code."""

    what: str
    health: Health
    sentence: str
    hint: str = ""
    trouble: Trouble = Trouble.OTHER


def fine(what: str, sentence: str) -> Finding:
    return Finding(what=what, health=Health.OK, sentence=sentence)


def unjudged(what: str, sentence: str) -> Finding:
    return Finding(what=what, health=Health.NOT_JUDGED, sentence=sentence)


def wrong(what: str, sentence: str, *, hint: str = "", trouble: Trouble = Trouble.OTHER) -> Finding:
    return Finding(what=what, health=Health.PROBLEM, sentence=sentence, hint=hint, trouble=trouble)


def looked(what: str, look: Callable[[], str]) -> Finding:
    """Fine with what the look says, or the problem that it raises."""
    try:
        return fine(what, look())
    except OutsideError as error:
        sentence = error.sentences
        return wrong(what, sentence, hint=error.hint, trouble=error.trouble)
