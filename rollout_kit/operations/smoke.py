"""Smoke runs are the rollout's own: what they are told, and how their workflow ids are made."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from rollout_kit.model.identity import CohortRef

_FOREIGN = re.compile(r"[^A-Za-z0-9._:-]")
LONGEST_ROLLOUT = 80
OPEN = "open"
"""How a run that has not ended stands in a situation's `runs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRunsArguments:
    """`pinned`: the start names the build itself; else the marker of `node` pins it.

    `always`: they probe the end of a plan, so real runs that go the same way do not replace them.
    """

    cohort: CohortRef
    workflow_type: str
    count: int
    run_timeout_s: int
    pinned: bool = True
    node: str | None = None
    always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateSmokeArguments:
    """`operation`: the id of the operation that started them, in whichever attempt."""

    operation: str
    namespace: str


def run_ids(key: str, count: int) -> tuple[str, ...]:
    """Workflow ids of one attempt: the same key makes the same ids, so a start can be sent again."""
    rollout, _, rest = key.partition("/")
    operation, _, attempt = rest.rpartition("/")
    below = prefix(rollout, operation)
    return tuple(f"{below}{attempt}-{number}" for number in range(1, count + 1))


def prefix(rollout: str, operation: str) -> str:
    """What the ids of all attempts of this operation begin with; fits the server's alphabet and length."""
    name = _FOREIGN.sub("-", rollout)[:LONGEST_ROLLOUT]
    digest = hashlib.sha256(f"{rollout}/{operation}".encode()).hexdigest()[:12]
    return f"{name}-{digest}-"


def rollout_of(key: str) -> str:
    return key.partition("/")[0]
