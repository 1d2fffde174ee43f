"""Promotion where markers route: change the marker node by node, then the scheduler's. Pure.

A run is pinned to the marker of the process that starts it, so a share of new starts is a share of
the nodes. Each node is a small cutover of its own, and the undo of the walk is the walk back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rollout_kit.document.plan import CanaryStage, ShareStage, SmokeStage, Step
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import SCHEDULER_RUNNING
from rollout_kit.model.operation import Operation
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.cohort_operations import smoke_runs
from rollout_kit.planning.draft import staged
from rollout_kit.planning.node_group import NodeChange, node_group, rotation_problems
from rollout_kit.planning.scheduler_group import SchedulerChange, scheduler_group
from rollout_kit.planning.unit import after_unit, part

MARKERS = "markers"
"""Subject of a whole walk, so that a node never shares an operation's id with a queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk to one marker. `within_s` bounds each wait on the way."""

    step: Step
    world: World
    marker: str
    within_s: float

    @property
    def order(self) -> tuple[str, ...]:
        return self.world.scope.nodes


def walk_stages(
    walk: Walk, stages: tuple[CanaryStage, ...], cohorts: tuple[CohortRef, ...]
) -> Expansion:
    """The stages of a canary: each share counts the nodes that carry the marker already.

    Args:
        cohorts: on whose queues a smoke stage starts its runs.
    """
    operations: list[Operation] = []
    carrying = 0
    for number, stage in enumerate(stages, start=1):
        match stage:
            case SmokeStage():
                operations += _smoke(walk, stage, number, cohorts, first=carrying == 0)
                carrying = max(carrying, 1)
            case ShareStage():
                wanted = stage.share.of(len(walk.order))
                operations += _share(walk, stage, number, walk.order[carrying:wanted])
                carrying = max(carrying, wanted)
                if carrying == len(walk.order) and not _hands_over(operations):
                    operations += _scheduler(walk, f"share-{number}/scheduler")
            case _:
                assert_never(stage)
    return _expansion(walk, operations)


def walk_all(walk: Walk) -> Expansion:
    """All nodes, the step's gates between them, and the scheduler last."""
    operations: list[Operation] = []
    for node in walk.order:
        below = f"{MARKERS}/{part(node)}"
        group = _node(walk, node, below)
        operations += group
        operations += _judged(walk, below, group)
    operations += _scheduler(walk, f"{MARKERS}/scheduler")
    return _expansion(walk, operations)


def _smoke(
    walk: Walk, stage: SmokeStage, number: int, cohorts: tuple[CohortRef, ...], *, first: bool
) -> tuple[Operation, ...]:
    """Runs at the first node's own address, before it is attached: nobody else's run gets the marker.

    While the only node is out no worker reaches anything: its runs follow its return.
    """
    node = walk.order[0]
    runs = tuple(
        smoke_runs(walk.step, stage, number, cohort, walk.world, node=node) for cohort in cohorts
    )
    name = f"smoke-{number}"
    if len(walk.order) == 1:
        there = walk.world.observation.node(node, "marker") == walk.marker
        runs = () if there else runs
        unit = (*_node(walk, node, f"{name}/{part(node)}"), *runs) if first else runs
    else:
        unit = _node(walk, node, f"{name}/{part(node)}", between=runs) if first else runs
    return (*unit, *_judged(walk, name, unit, bake_s=stage.bake_s))


def _share(
    walk: Walk, stage: ShareStage, number: int, nodes: tuple[str, ...]
) -> tuple[Operation, ...]:
    """Node after node, the step's gates between them; the bake is the stage's, at its end."""
    name = f"share-{number}"
    operations: list[Operation] = []
    for node in nodes:
        below = f"{name}/{part(node)}"
        group = _node(walk, node, below)
        operations += group
        if node != nodes[-1]:
            operations += _judged(walk, below, group)
    return (*operations, *_judged(walk, name, tuple(operations), bake_s=stage.bake_s))


def _node(
    walk: Walk, node: str, subject: str, between: tuple[Operation, ...] = ()
) -> tuple[Operation, ...]:
    change = NodeChange(within_s=walk.within_s, set_marker=True, marker=walk.marker)
    return node_group(walk.step, walk.world, node, change, subject=subject, between=between)


def _scheduler(walk: Walk, subject: str) -> tuple[Operation, ...]:
    """Scheduled runs get the scheduler's marker: it follows the last node as a hand-over."""
    if walk.world.observation.get(SCHEDULER_RUNNING) is False:
        return ()
    change = SchedulerChange(set_marker=True, marker=walk.marker)
    group = scheduler_group(walk.step, walk.world, change, within_s=walk.within_s, subject=subject)
    return (*group, *_judged(walk, subject, group))


def _hands_over(operations: list[Operation]) -> bool:
    return any(op.kind == "stop_scheduler" for op in operations)


def _judged(
    walk: Walk, subject: str, unit: tuple[Operation, ...], *, bake_s: float = 0.0
) -> tuple[Operation, ...]:
    follows = tuple(op.id for op in unit)
    return after_unit(walk.step, subject, walk.world, bake_s=bake_s, follows=follows)


def _expansion(walk: Walk, operations: list[Operation]) -> Expansion:
    world = walk.world
    moves = any(stage.writes for stage in staged(operations, world.observation, world.situation))
    problems = rotation_problems(walk.step, world, walk.order) if moves else ()
    return Expansion(operations=tuple(operations), problems=problems)
