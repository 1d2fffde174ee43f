"""What a look at the whole fleet says where parts of it give no answer."""

from __future__ import annotations

from collections import Counter

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.observe import observe_fleet
from rollout_kit.execution.watch import take_baseline, watch_fleet
from rollout_kit.model.capability import Capability
from rollout_kit.model.gate import MetricSource
from rollout_kit.model.observation import Absent, capability_fact
from rollout_kit.operations.one_look import in_one_look
from rollout_kit.operations.queues import read_leaving, read_queue
from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.simulation.site import OLD, cohort
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request


@pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
@pytest.mark.parametrize("silent", [True, False], ids=["silent", "answering"])
def test_nodes_that_give_no_answer_have_not_lost_their_topology(
    generation: Generation, silent: bool
) -> None:
    world = World(generation, load=False)

    def to_a_node(request: Request) -> None:
        if silent and request.url.startswith("http://api-"):
            raise Unavailable("it is slow", trouble=Trouble.TIMEOUT)

    world.before_request = to_a_node
    readers, _ = world.outside(world.document())
    facts = observe_fleet(readers, world.clock.monotonic_s()).observation.facts
    found = facts[capability_fact(Capability.TOPOLOGY)]
    promotes = facts[capability_fact(Capability.PROMOTE)]
    newer = generation is Generation.V2
    assert found is (Absent.NO_ANSWER if silent else newer)
    assert promotes is (Absent.NO_ANSWER if silent and not newer else newer)


@pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
def test_one_look_at_fleet_and_guards_asks_each_address_once(generation: Generation) -> None:
    world = World(generation, load=False)
    run = world.executor(world.document())
    assert run.state.started is not None
    guards = run.state.started.execution_plan.guards
    assert any(isinstance(guard.source, MetricSource) for guard in guards)
    asked: Counter[tuple[str, str]] = Counter()

    def note(request: Request) -> None:
        asked[request.url, request.header("X-Namespace")] += 1

    world.before_request = note
    for look in (take_baseline, watch_fleet):
        asked.clear()
        look(run)
        assert {address: count for address, count in asked.items() if count > 1} == {}
        assert ("http://front/api/system/operator-metrics", "default") in asked


def test_what_gave_no_answer_is_asked_again_in_the_same_look_and_what_answered_in_the_next() -> (
    None
):
    world = World(load=False)
    readers, _ = world.outside(world.document())
    silent, asked = [True], []

    def note(request: Request) -> None:
        asked.append(request.url)
        if silent[0]:
            raise Unavailable("it is slow", trouble=Trouble.TIMEOUT)

    world.before_request = note
    one = in_one_look(readers).engine
    with pytest.raises(Unavailable):
        one.cluster_info(None)
    silent[0] = False
    seen = one.cluster_info(None)
    assert one.cluster_info(None) is seen
    assert len(asked) == 2
    in_one_look(readers).engine.cluster_info(None)
    assert len(asked) == 3


def test_a_look_at_a_queue_asks_how_long_a_poll_takes_only_for_who_is_to_be_gone() -> None:
    world = World(load=False)
    readers, _ = world.outside(world.document())
    asked: list[str] = []
    world.before_request = lambda request: asked.append(request.url)
    leaving, now_s = cohort("orders", OLD), world.clock.monotonic_s()
    seen = read_queue(leaving.queue, readers, now_s)
    assert "http://front/api/cluster/info" not in asked
    assert seen.situation.queue(leaving.queue).poll_timeout_s is None
    seen = read_leaving(leaving, readers, now_s)
    assert asked.count("http://front/api/cluster/info") == 1
    assert seen.situation.queue(leaving.queue).poll_timeout_s == 2.0
    assert observe_fleet(readers, now_s).situation.queue(leaving.queue).poll_timeout_s == 2.0
