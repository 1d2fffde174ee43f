"""Asking the outside: an answer, or why there is none. An error of reading never ends a look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rollout_kit.model.observation import Absent
from rollout_kit.operations.api import Readers
from rollout_kit.ports.errors import InFlight, OutsideError, Refused, Trouble, Unknowable
from rollout_kit.ports.infra import Answers

T = TypeVar("T")

CANNOT = "the driver does not answer"
"""How the reason begins where asking again is of no use: only a person can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """No answer: `why` stands for the facts, `reason` is for people."""

    why: Absent
    reason: str


def ask(read: Callable[[], T]) -> T | Missing:
    """What `read` answers. Not allowed is *not read*; any other error is *no answer* for now."""
    try:
        return read()
    except InFlight as error:
        return Missing(why=Absent.PENDING, reason=error.message)
    except Refused as error:
        never = error.trouble is Trouble.AUTH or isinstance(error, Unknowable)
        why = Absent.NOT_READ if never else Absent.NO_ANSWER
        return Missing(why=why, reason=error.message)
    except OutsideError as error:
        return Missing(why=Absent.NO_ANSWER, reason=error.message)


def ask_driver(readers: Readers, what: Answers, read: Callable[[], T]) -> T | Missing:
    """What the driver answers; *not read* where it declares that it cannot say."""
    if what not in readers.infra.answers():
        return Missing(why=Absent.NOT_READ, reason=f"{CANNOT} {what.value}")
    return ask(read)


def unless_missing(answer: T | Missing) -> T | None:
    return None if isinstance(answer, Missing) else answer
