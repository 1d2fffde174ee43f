"""Smoke runs at the end of a plan: the way that real runs go by then, from end to end."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.document.plan import SmokeStage, Step, WorkerRelease
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.operation import Operation
from rollout_kit.operations.pins import Routing, routing
from rollout_kit.operations.smoke import SmokeRunsArguments
from rollout_kit.operations.starts import selected_on
from rollout_kit.planning.api import World
from rollout_kit.planning.scope import cohort_in, queue_of
from rollout_kit.planning.unit import operation, part

SLACK_S = 60.0


def probes(step: Step, smoke: SmokeStage, world: World) -> Iterator[Operation]:
    """Runs of our own on each queue of the release; none where nobody gets the queue's starts."""
    for entry in world.document.release.workers:
        cohort, node = _new_starts(entry, world)
        if cohort is None:
            continue
        arguments = SmokeRunsArguments(
            cohort=cohort,
            workflow_type=smoke.workflow_type,
            count=smoke.count,
            run_timeout_s=max(1, round(smoke.timeout_s)),
            pinned=node is None,
            node=node,
            always=True,
        )
        yield operation(
            step,
            world.document,
            f"smoke/{part(entry.namespace)}/{part(entry.task_queue)}",
            "smoke_runs",
            arguments,
            within_s=smoke.timeout_s + SLACK_S,
            because="the fleet is probed from end to end",
        )


def _new_starts(entry: WorkerRelease, world: World) -> tuple[CohortRef | None, str | None]:
    """Who gets the queue's new starts by then; where a marker decides it, the node that carries it."""
    queue = queue_of(entry)
    if routing(world.observation) is not Routing.MARKER:
        return selected_on(world.observation, queue), None
    for node in world.scope.nodes:
        marker = world.observation.node(node, "marker")
        if isinstance(marker, str):
            return cohort_in(queue, marker), node
    return None, None
