"""How soon to look again: eagerly at first, then once a second."""

from __future__ import annotations

from rollout_kit.operations.api import Context

EAGER_S = 0.05
PATIENT_S = 1.0


def pace(ctx: Context) -> float:
    """Seconds until the next look: a tenth of what was waited so far, within bounds."""
    return min(PATIENT_S, max(EAGER_S, (ctx.now_s - ctx.since_s) / 10))
