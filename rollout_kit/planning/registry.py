"""Every step planner, by `uses`. Adding a step is its file, its schema and its line here."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.planning.api import StepPlanner
from rollout_kit.planning.steps.api_cutover import ApiCutoverPlanner
from rollout_kit.planning.steps.approval import ApprovalPlanner
from rollout_kit.planning.steps.bootstrap import BootstrapPlanner
from rollout_kit.planning.steps.drain import DrainPlanner
from rollout_kit.planning.steps.pause import PausePlanner
from rollout_kit.planning.steps.promote import PromotePlanner
from rollout_kit.planning.steps.restore import RestorePlanner
from rollout_kit.planning.steps.run import RunPlanner
from rollout_kit.planning.steps.scheduler_handover import SchedulerHandoverPlanner
from rollout_kit.planning.steps.verify import VerifyPlanner
from rollout_kit.planning.steps.worker_canary import WorkerCanaryPlanner

_ALL: tuple[StepPlanner, ...] = (
    ApiCutoverPlanner(),
    ApprovalPlanner(),
    BootstrapPlanner(),
    DrainPlanner(),
    PausePlanner(),
    PromotePlanner(),
    RestorePlanner(),
    RunPlanner(),
    SchedulerHandoverPlanner(),
    VerifyPlanner(),
    WorkerCanaryPlanner(),
)

STEPS: Mapping[str, StepPlanner] = {planner.uses: planner for planner in _ALL}
