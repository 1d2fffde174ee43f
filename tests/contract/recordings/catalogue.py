"""Which given state goes with which recording, and what is not reproduced."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.contract.recordings import (
    state_evening,
    state_failing,
    state_idle,
    state_orders,
    state_pay,
    state_raw,
)
from tests.contract.recordings.given import Given

STATES = {
    **state_failing.STATES,
    **state_raw.STATES,
    **state_orders.STATES,
    **state_pay.STATES,
    **state_evening.STATES,
    **state_idle.STATES,
}

# Series of samples, each with a test of its own in test_timelines or test_processes.
TIMELINES = (
    "build-ids/timeline-sdk-0.4.106-heartbeats",
    "drain/concurrent-first-drain",
    "failing/redis-down-partial-writes",
    "node-restart/timeline",
    "ready/long-poll-starvation",
    "rollout/08-timeline-after-drain",
    "rollout/18-timeline-after-worker-exit",
)

NOT_REPRODUCED: dict[str, str] = {}


def given_for(name: str) -> Given | None:
    """The state of that very name, else of the first pattern that fits it."""
    exact = STATES.get(name)
    if exact is not None:
        return exact
    return next((given for pattern, given in STATES.items() if fnmatchcase(name, pattern)), None)
