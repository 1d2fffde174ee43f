"""`pause`: let time pass under watch of the guards, then the step's gates."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.document.plan import PauseStep, Step, StepKind
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.unit import after_unit


class PausePlanner:
    uses = StepKind.PAUSE.value

    def expand(self, step: Step, world: World) -> Expansion:
        assert isinstance(step.with_, PauseStep)
        checks = after_unit(step, "", world, bake_s=step.with_.for_s, follows=())
        return Expansion(operations=tuple(replace(op, follows_plan=True) for op in checks))
