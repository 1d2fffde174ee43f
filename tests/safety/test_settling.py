"""The last look of a rollback, where a node is silent just then."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution import settling
from rollout_kit.execution.executor import Executor
from rollout_kit.model.events import Outcome, RollbackStarted
from rollout_kit.ports.errors import Unavailable
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request
from tests.safety.plans import SCHEMA, api, outcome, read, sentence, small

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)


def rolled_back(world: World, monkeypatch: pytest.MonkeyPatch, *, silent_for_s: float) -> Executor:
    """A rollback whose last look begins just as a node falls silent for so long."""
    document = read(world, SCHEMA, api(), target="no_answer_for: 8s")
    world.apply(document)
    settle = settling.settle

    def as_it_settles(run: Executor) -> None:
        until_s = world.clock.elapsed_s + silent_for_s

        def refuse(request: Request) -> None:
            if request.url.startswith("http://api-2/") and world.clock.elapsed_s < until_s:
                raise Unavailable("connection refused")

        world.before_request = refuse
        settle(run)

    monkeypatch.setattr(settling, "settle", as_it_settles)
    executor = world.executor(document, RollbackStarted(cause="asked", actor="me"))
    executor.run()
    return executor


@BOTH
def test_a_node_that_is_silent_for_a_while_is_waited_for(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = rolled_back(small(generation), monkeypatch, silent_for_s=5.0)
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)


@BOTH
def test_one_that_stays_silent_was_not_seen_restored(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small(generation)
    executor = rolled_back(world, monkeypatch, silent_for_s=60.0)
    assert outcome(executor.state) is Outcome.ROLLBACK_INCOMPLETE
    assert "node/api-2/version" in sentence(executor.state)
    assert "found no answer" in sentence(executor.state)
