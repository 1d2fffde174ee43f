"""How soon to look again: eagerly at first, then once a second."""

from __future__ import annotations

from rollout_kit.operations.api import Context

EAGER_S = 0.01
PATIENT_S = 1.0
PART = 20.0


def pace(ctx: Context) -> float:
    """Seconds until the next look: a twentieth of what was waited so far, within bounds.

    So a wait is longer than it has to be by a fortieth on average, and a long one asks once a second.
    """
    return min(PATIENT_S, max(EAGER_S, (ctx.now_s - ctx.since_s) / PART))
