"""What a person is asked to change, in words: for terminals, for reviews, and for `status`."""

from __future__ import annotations

from rollout_kit.model.duration import span
from rollout_kit.model.operation import Operation
from rollout_kit.model.request import Request


def asked_in_words(request: Request, operation: Operation) -> tuple[str, tuple[str, ...]]:
    """The request in one sentence; then from what to what, where, how it is seen, how long it waits."""
    lines = [*lines_of(request), f"waited for: at most {span(operation.within_s)}"]
    if request.word:
        lines.append(f'once it is done: rollout-kit approve {operation.id} --because "…"')
    return f"asked of a person: {request.what}", tuple(lines)


def lines_of(request: Request) -> tuple[str, ...]:
    """The parts of a request, each with its name."""
    given = (
        ("from", request.before),
        ("to", request.after),
        ("at", request.where),
        ("seen by", request.seen),
    )
    return tuple(f"{name}: {value}" for name, value in given if value)
