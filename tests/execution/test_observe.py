"""What a look at the whole fleet says where parts of it give no answer."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.observe import observe_fleet
from rollout_kit.model.capability import Capability
from rollout_kit.model.observation import Absent, capability_fact
from rollout_kit.ports.errors import Trouble, Unavailable
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
