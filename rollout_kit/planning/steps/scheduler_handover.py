"""`scheduler-handover`: stop the old scheduler, prove it gone, start the new one, see it catch up."""

from __future__ import annotations

from rollout_kit.document.plan import SchedulerHandoverStep, Step, StepKind
from rollout_kit.model.observation import SCHEDULER_RUNNING, Absent
from rollout_kit.planning.api import Expansion, Problem, World
from rollout_kit.planning.scheduler_group import SchedulerChange, scheduler_group
from rollout_kit.planning.unit import after_unit


class SchedulerHandoverPlanner:
    uses = StepKind.SCHEDULER_HANDOVER.value

    def expand(self, step: Step, world: World) -> Expansion:
        given = step.with_
        assert isinstance(given, SchedulerHandoverStep)
        server = world.document.release.server
        if server is None:
            return Expansion(problems=(_NO_RELEASE,))
        change = SchedulerChange(
            image=server.image,
            gap_at_most_s=given.gap_at_most_s,
            overdue_at_most_s=given.overdue_at_most_s,
        )
        operations = scheduler_group(step, world, change, within_s=given.within_s)
        follows = tuple(op.id for op in operations)
        running = world.observation.get(SCHEDULER_RUNNING)
        notes: tuple[str, ...] = ()
        if isinstance(running, Absent):
            notes = ("not read, judged at apply: what the scheduler runs",)
        return Expansion(
            operations=(*operations, *after_unit(step, "", world, bake_s=0, follows=follows)),
            problems=(_NO_SCHEDULER,) if running is False else (),
            notes=notes,
        )


_NO_RELEASE = Problem(
    summary="Nothing to hand over to",
    detail="The plan has no release.server, so nobody knows what the scheduler is to become.",
    hint="declare `release.server`",
)
_NO_SCHEDULER = Problem(
    summary="No scheduler to hand over",
    detail="The driver is to run no scheduler, so nothing says with which environment to start one.",
    hint="start the present scheduler first, or leave this step out",
)
