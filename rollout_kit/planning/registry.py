"""Every step planner, by `uses`. Adding a step is its file, its schema and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.planning.api import StepPlanner

STEPS: Mapping[str, StepPlanner] = {
    planner.uses: planner
    for planner in (
        # one line a step, sorted
    )
}
