"""`run`: a program of the author's, then the step's gates."""

from __future__ import annotations

from rollout_kit.document.plan import RunStep, Step, StepKind
from rollout_kit.operations.kinds.run_command import RunCommandArguments
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.unit import after_unit, operation


class RunPlanner:
    uses = StepKind.RUN.value

    def expand(self, step: Step, world: World) -> Expansion:
        assert isinstance(step.with_, RunStep)
        given = step.with_
        run = operation(
            step,
            world.document,
            "command",
            "run_command",
            RunCommandArguments(
                command=given.command,
                undo=given.undo,
                check=given.check,
                idempotent=given.idempotent,
                irreversible=given.irreversible,
            ),
            within_s=given.within_s,
        )
        gates = after_unit(step, "", world, bake_s=0, follows=(run.id,))
        return Expansion(operations=(run, *gates))
