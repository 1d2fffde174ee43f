"""A rollout at a glance: its steps, what runs now, what its undo has done. From its state alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rollout_kit.model.state import OperationState, RolloutState, Standing
from rollout_kit.reporters.text import Style

UNDO = "undo/"


class StepStanding(Enum):
    """Where a step stands: symbol, word, style."""

    TO_DO = ("·", "to do", Style.FAINT)
    RUNNING = ("~", "running", Style.CHANGE)
    DONE = ("✓", "done", Style.GOOD)
    FAILED = ("✗", "failed", Style.BAD)

    @property
    def symbol(self) -> str:
        return self.value[0]

    @property
    def word(self) -> str:
        return self.value[1]

    @property
    def style(self) -> Style:
        return self.value[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. `done` of `total` operations are decided; `current` run or wait."""

    id: str
    title: str
    standing: StepStanding
    done: int
    total: int
    current: tuple[str, ...]


def steps(state: RolloutState) -> tuple[StepView, ...]:
    """Every step in order; a last one for the rollback, where there is one."""
    if state.started is None:
        return ()
    plan = state.started.execution_plan
    views = []
    for step, title in plan.steps.items():
        ids = [op.id for op in plan.operations if op.step == step]
        known = [state.operations[i] for i in ids if i in state.operations]
        views.append(_view(step, title or step, known, len(ids)))
    undos = [found for i, found in state.operations.items() if i.startswith(UNDO)]
    if state.rollback or undos:
        undone = {skipped for skipped in state.skipped_undos if skipped not in state.operations}
        views.append(_view("undo", "rollback", undos, len(undos) + len(undone)))
    return tuple(views)


def _view(step: str, title: str, known: list[OperationState], total: int) -> StepView:
    decided = (Standing.COMPLETED, Standing.SKIPPED)
    done = sum(1 for found in known if found.standing in decided)
    current = tuple(
        found.id for found in known if found.standing in (Standing.AWAITED, Standing.INTENDED)
    )
    if any(found.standing is Standing.FAILED for found in known):
        standing = StepStanding.FAILED
    elif total and done == total:
        standing = StepStanding.DONE
    elif known:
        standing = StepStanding.RUNNING
    else:
        standing = StepStanding.TO_DO
    return StepView(
        id=step, title=title, standing=standing, done=done, total=total, current=current
    )


def next_command(state: RolloutState, rollout: str) -> str:
    """What somebody who finds this rollout would type next; empty when it is over and done."""
    if state.finished:
        return ""
    if state.hold and state.hold.kind.value in ("approval", "person"):
        return f"rollout-kit approve {state.hold.operation}"
    if state.hold and state.hold.kind.value == "drift":
        return f"rollout-kit resume --accept {rollout}"
    return f"rollout-kit resume {rollout}"
