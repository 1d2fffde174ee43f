"""How long two versions have lived side by side, held against what the plan allows. Pure."""

from __future__ import annotations

from rollout_kit.model.duration import span
from rollout_kit.model.observation import Facts
from rollout_kit.model.state import RolloutState

SKEW_WINDOW = "skew-window"
"""Stands for the window where a hold names an operation: each `resume` grants it once more."""
_PROCESSES = ("node/", "scheduler/", "maintenance/")


def exceeded(state: RolloutState, seen: Facts, attended_s: float) -> str:
    """Why the window is over its limit, with both figures; "" when it is not.

    It opens with the first intent that gives a process another image, and closes when all run one.

    Args:
        attended_s: attended seconds of the rollout at this look.
    """
    limit_s = state.started.execution_plan.skew_window_at_most_s if state.started else None
    images = {str(v) for k, v in seen.items() if _is_image(k) and isinstance(v, str)}
    opened = [
        found.since_attended_s
        for found in state.operations.values()
        if found.intended and any(_is_image(fact) for fact in found.intended.expected)
    ]
    if limit_s is None or len(images) < 2 or not opened:
        return ""
    open_s = attended_s - min(opened)
    allowed_s = limit_s * state.attempt(SKEW_WINDOW)
    if open_s <= allowed_s:
        return ""
    return (
        f"two versions live side by side for {span(open_s)}, and the plan allows"
        f" {span(allowed_s)}: {', '.join(sorted(images))}"
    )


def _is_image(fact: str) -> bool:
    return fact.startswith(_PROCESSES) and fact.endswith("/image")
