"""How soon to look again: what was waited so far says it, and once a second is enough."""

from __future__ import annotations

from rollout_kit.operations.api import Context

PATIENT_S = 1.0
EAGER_S, PART = 0.05, 10.0
PROMPT_S, PROMPT_PART = 0.005, 40.0


def pace(ctx: Context) -> float:
    """Seconds until the next look: a tenth of what was waited so far, within bounds."""
    return min(PATIENT_S, max(EAGER_S, (ctx.now_s - ctx.since_s) / PART))


def prompt(ctx: Context) -> float:
    """As `pace`, but hardly late: for what a probe or two can tell while a node is out of rotation.

    Every second that a node is out longer than it had to be, its fellows carry its load.
    """
    return min(PATIENT_S, max(PROMPT_S, (ctx.now_s - ctx.since_s) / PROMPT_PART))
