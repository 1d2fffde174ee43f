"""The group that hands the singleton scheduler over: stop, proved gone, start; then see it work. Pure.

`scheduler-handover` builds it for a new image, the end of a walk of markers for a new marker.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.document.plan import Step
from rollout_kit.model.observation import (
    SCHEDULER_MARKER,
    SCHEDULER_RUNNING,
    FactValue,
)
from rollout_kit.model.operation import Group, Operation
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.scheduler_acts import (
    AwaitSchedulerArguments,
    StartSchedulerArguments,
    StopSchedulerArguments,
    tick_of,
)
from rollout_kit.operations.specs import changed, parse, runs_something
from rollout_kit.planning.api import World
from rollout_kit.planning.unit import operation


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerChange:
    """What the scheduler is to become. `image=None` keeps it; `marker` counts where `set_marker`."""

    image: str | None = None
    set_marker: bool = False
    marker: str | None = None
    gap_at_most_s: float = 30.0
    overdue_at_most_s: float = 120.0


def scheduler_group(
    step: Step, world: World, change: SchedulerChange, *, within_s: float, subject: str = ""
) -> tuple[Operation, ...]:
    """Stop and start as one group, then the wait until it has caught up.

    What is to be started is settled here: while nothing is to run, nothing says what ran before.

    Args:
        subject: path of the operations below the step's id, parts encoded; empty: the step itself.
    """
    document, below = world.document, f"{subject}/" if subject else ""
    now = parse(world.observation.get("scheduler/spec_json"))
    target = None
    if now is not None and runs_something(now):
        target = changed(
            now, image=change.image, set_marker=change.set_marker, marker=change.marker
        )
    pins = PinRules.of(world.scope) if change.set_marker else None
    group = Group(id=f"{step.id}/{subject or 'scheduler'}", goal=_goal(change))
    stop = operation(
        step,
        document,
        f"{below}stop",
        "stop_scheduler",
        StopSchedulerArguments(then=target, pins=pins),
        within_s=within_s,
        group=group,
    )
    started = StartSchedulerArguments(
        spec=target,
        gap_at_most_s=change.gap_at_most_s,
        revision=_revision(world, change),
        pins=pins,
        tick_s=tick_of(target),
        before=now,
    )
    start = operation(
        step, document, f"{below}start", "start_scheduler", started, within_s=within_s, group=group
    )
    caught_up = operation(
        step,
        document,
        f"{below}caught-up",
        "await_scheduler",
        AwaitSchedulerArguments(tick_s=tick_of(target), overdue_at_most_s=change.overdue_at_most_s),
        within_s=within_s,
        follows=(stop.id, start.id),
    )
    return stop, start, caught_up


def _goal(change: SchedulerChange) -> dict[str, FactValue]:
    goal: dict[str, FactValue] = {SCHEDULER_RUNNING: True}
    if change.image is not None:
        goal["scheduler/image"] = change.image
    if change.set_marker:
        goal[SCHEDULER_MARKER] = change.marker
    return goal


def _revision(world: World, change: SchedulerChange) -> str | None:
    server = world.document.release.server
    if change.image is None or server is None or server.is_restart:
        return None
    return server.revision
