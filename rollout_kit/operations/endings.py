"""A program that ended by itself: no wait brings it back, so whoever waits for it fails soon."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.operation import Failed, Waiting
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import ask_driver, unless_missing
from rollout_kit.ports.infra import Answers

LOOKS = 2
"""So many in a row have to see it: one alone may have come between an end and a restart."""
BETWEEN_LOOKS_S = 0.5


def read_end(resource: str, readers: Readers) -> dict[str, ProgramEnd]:
    """What ended of this resource, under its name; empty: nothing, or nobody can tell."""
    end = ask_driver(readers, Answers.PROCESSES, lambda: readers.infra.ended(resource))
    told = unless_missing(end)
    return {} if told is None else {resource: told}


def ended_by_itself(resource: str, what: str, history: Sequence[Seen]) -> Failed | Waiting | None:
    """The verdict on a resource that is waited for; None: nothing of it has ended.

    Args:
        what: the programs in the words of a sentence, e.g. `api-1's program`.
        history: looks, oldest first, all of them after the driver finished what it was asked.
    """
    ends = [look.situation.ended.get(resource) for look in history[-LOOKS:]]
    last = ends[-1] if ends else None
    if last is None:
        return None
    sentence = _sentence(what, last)
    if last.may_pass or len(ends) < LOOKS or None in ends:
        return Waiting(retry_after_s=BETWEEN_LOOKS_S, progress=sentence)
    return Failed(
        reason=sentence, hint="see what it was started with: its image and its environment"
    )


def _sentence(what: str, end: ProgramEnd) -> str:
    if end.reason:
        return f"{what}: {end.reason}"
    itself, it = ("itself", "it was") if end.count == 1 else ("themselves", "they were")
    text = f"{what} ended by {itself}"
    if end.exit_status is not None:
        many = "" if end.count == 1 else "one of them with "
        ended = (
            f"signal {-end.exit_status}"
            if end.exit_status < 0
            else f"exit status {end.exit_status}"
        )
        text += f" ({many}{ended})"
    if end.after_s is not None:
        text += f" {max(end.after_s, 0.1):.1f} s after {it} started"
    lines = " / ".join(line for line in end.last_lines.splitlines() if line.strip())
    return f"{text}; its last lines: {lines}" if lines else f"{text}, and wrote nothing"
