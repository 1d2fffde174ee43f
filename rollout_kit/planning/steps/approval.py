"""`approval`: a person says go on, then the step's gates."""

from __future__ import annotations

from rollout_kit.document.plan import ApprovalStep, Step, StepKind
from rollout_kit.operations.kinds.await_approval import AwaitApprovalArguments
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.unit import after_unit, operation


class ApprovalPlanner:
    uses = StepKind.APPROVAL.value

    def expand(self, step: Step, world: World) -> Expansion:
        assert isinstance(step.with_, ApprovalStep)
        asked = step.with_
        wait = operation(
            step,
            world.document,
            "ask",
            "await_approval",
            AwaitApprovalArguments(prompt=asked.prompt, within_s=asked.within_s),
            within_s=asked.within_s,
        )
        return Expansion(operations=(wait, *after_unit(step, "", world, bake_s=0, follows=())))
