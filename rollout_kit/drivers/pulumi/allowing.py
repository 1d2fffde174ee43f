"""What of a preview an update may do, and what it is confined to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.drivers.pulumi.api import May, Stack, Step
from rollout_kit.drivers.pulumi.events import ROOT

ANY = "*"
_COUNTS_AS = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "read-replacement": "replace",
    "discard-replaced": "replace",
    "remove-pending-replace": "replace",
    "import": "create",
    "discard": "delete",
}


def beyond(steps: Iterable[Step], may: Iterable[May]) -> tuple[Step, ...]:
    """The steps that nobody allowed; those of the stack itself only write its outputs."""
    allowed: dict[str, set[str]] = {}
    for item in may:
        allowed.setdefault(item.urn, set()).update(item.ops)
    return tuple(
        step
        for step in steps
        if not is_root(step.urn)
        and not {step.op, counts_as(step.op), ANY} & allowed.get(step.urn, set())
    )


def counts_as(op: str) -> str:
    """What an op is to a person: halves of a replacement are one, what is adopted is created."""
    return _COUNTS_AS.get(op, op)


def is_root(urn: str) -> bool:
    return f"::{ROOT}::" in urn


def root(stack: Stack) -> str:
    """The URN of the stack itself: its outputs are written with every update."""
    short = stack.name.rpartition("/")[2]
    return f"urn:pulumi:{short}::{stack.project}::{ROOT}::{stack.project}-{short}"


def targets(stack: Stack, steps: Iterable[Step], providers: Iterable[str] = ()) -> tuple[str, ...]:
    """What an update is confined to: never empty, for an update without targets touches everything."""
    return tuple(dict.fromkeys([root(stack), *providers, *(step.urn for step in steps)]))
