"""How soon to look again: eagerly at first, then once a second."""

from __future__ import annotations

from rollout_kit.operations.api import Context

EAGER_S = 0.01
PATIENT_S = 1.0
PART = 20.0
PART_OF_A_PROBE = 40.0
"""For what is asked by a probe or two, and waited for by everything that comes after."""


def pace(ctx: Context, part: float = PART) -> float:
    """Seconds until the next look: the `part`-th part of what was waited so far, within bounds.

    So a wait takes that much longer than it had to at most, and a long one asks once a second.
    """
    return min(PATIENT_S, max(EAGER_S, (ctx.now_s - ctx.since_s) / part))
