"""A driver may tell of a thing under way what it is to be: no such word is taken for what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Readers
from rollout_kit.operations.reading import read_node
from rollout_kit.operations.registry import KINDS
from tests.operations import test_attach_node as attaching
from tests.operations import test_deploy_cohort as deploying
from tests.operations import test_detach_node as detaching
from tests.operations import test_replace_maintenance as maintaining
from tests.operations import test_scheduler_kinds as scheduling
from tests.operations import test_stop_cohort as stopping
from tests.operations.ports import fleet, pending
from tests.operations.worker_fleet import WorkerFleet, readers

CASES: dict[str, tuple[Operation, Any]] = {
    "attach_node": (attaching.attach(), attaching.restarted()),
    "detach_node": (detaching.detach(), fleet()),
    "replace_maintenance": (maintaining.swap(), maintaining.world_with()),
    "start_scheduler": (scheduling.START, scheduling.world_with()),
    "stop_scheduler": (scheduling.STOP, scheduling.world_with()),
    "deploy_cohort": (deploying.deploy(), deploying.current()),
    "stop_cohort": (stopping.stop(), stopping.drained()),
}


class Order:
    """A driver, and in which order it was asked."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name != "answers":
            self.asked.append(name)
        return getattr(self._driver, name)


@pytest.mark.parametrize("kind", CASES)
def test_how_the_work_stands_is_asked_before_what_it_changes_is_looked_at(kind: str) -> None:
    """What ends between the two is then seen to have ended by the next look only."""
    op, world = CASES[kind]
    given: Readers = (
        readers(world, "r/op/1") if isinstance(world, WorkerFleet) else world.readers("r/op/1")
    )
    order = Order(given.infra)
    KINDS[kind].observe(op, replace(given, infra=order), 0.0)
    assert order.asked[0] == "work"
    assert len(order.asked) > 1


def test_a_node_whose_spec_is_not_told_yet_is_not_said_to_have_no_server_id() -> None:
    world = fleet()
    world.driver_fails = pending()
    seen = read_node("api-1", world.readers(), 0.0)
    assert seen.observation.node("api-1", "server_id") is Absent.PENDING
    world.driver_fails = None
    seen = read_node("api-1", world.readers(), 0.0)
    assert seen.observation.node("api-1", "server_id") == "api-1"
