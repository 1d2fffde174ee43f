"""What each blow does to a request: whether it arrives, how often, when, and what its sender learns."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.ports.errors import InFlight, Unavailable
from rollout_kit.simulation.effects import Happening, ServerWrite
from rollout_kit.simulation.fate import Fate
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.network import GIVES_UP_S, Network, ToolCrashed
from rollout_kit.simulation.site import OLD
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request

READ = Request(method="GET", url="http://front/api/cluster/info", headers={})
HEADERS = {
    "Authorization": "Bearer operator-token",
    "Accept": "application/json",
    "Content-Type": "application/json",
    "X-Namespace": "default",
    "X-Durable-Workflow-Control-Plane-Version": "2",
}
DRAIN = Request(
    method="POST",
    url="http://front/api/task-queues/orders/build-ids/drain",
    headers=HEADERS,
    body=f'{{"build_id": "{OLD}"}}'.encode(),
)


class Scene:
    """A small fleet whose next write or read is struck by this fault."""

    def __init__(self, fault: Fault, *, on: Moment = Moment.WRITE, lasting_s: float = 1.0) -> None:
        self.world = World(Generation.V2, nodes=2, queues=("orders",), workers=1, load=False)
        self.told: list[ServerWrite] = []
        self.world.fleet.tell = self._told
        blow = Blow(fault=fault, on=on, at=1.0, lasting_s=lasting_s, amount=1.0)
        self.struck: list[int] = []
        fate = Fate((blow,), lambda number, _: self.struck.append(number))
        self.network = Network(self.world, fate, 0.05)

    def _told(self, happening: Happening) -> None:
        if isinstance(happening.effect, ServerWrite) and "drain" in happening.effect.path:
            self.told.append(happening.effect)

    @property
    def intent(self) -> object:
        return self.world.cohorts("orders")[OLD]["drain_intent"]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.CRASH_BEFORE])
def test_what_is_lost_before_does_not_arrive(fault: Fault) -> None:
    scene = Scene(fault)
    with pytest.raises((Unavailable, ToolCrashed)):
        scene.network.exchange(DRAIN)
    assert (scene.told, scene.intent, scene.struck) == ([], "active", [0])


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.CRASH_AFTER])
def test_what_is_lost_after_has_taken_effect_and_its_sender_does_not_know(fault: Fault) -> None:
    scene = Scene(fault)
    with pytest.raises((Unavailable, ToolCrashed)):
        scene.network.exchange(DRAIN)
    assert scene.intent == "draining"
    assert [write.status for write in scene.told] == [200]


def test_a_duplicate_arrives_twice_and_the_second_is_told_as_a_copy() -> None:
    scene = Scene(Fault.DUPLICATE)
    assert scene.network.exchange(DRAIN).status == 200
    assert [write.copy for write in scene.told] == [False, True]


def test_a_late_write_arrives_after_its_sender_gave_up() -> None:
    scene = Scene(Fault.LATE, lasting_s=3.0)
    before_s = scene.world.clock.elapsed_s
    with pytest.raises(Unavailable):
        scene.network.exchange(DRAIN)
    assert scene.world.clock.elapsed_s - before_s == pytest.approx(GIVES_UP_S + 0.05)
    scene.network.arrive()
    assert scene.intent == "active", "three seconds later, not now"
    scene.world.clock.sleep(3.1)
    scene.network.arrive()
    assert scene.intent == "draining"
    assert [write.late for write in scene.told] == [True]


def test_a_gateway_answers_in_place_of_the_server() -> None:
    scene = Scene(Fault.BAD_GATEWAY)
    assert scene.network.exchange(DRAIN).status == 502
    assert scene.intent == "active"


def test_a_slow_read_is_in_flight_and_a_slow_write_unknown() -> None:
    read = Scene(Fault.SLOW, on=Moment.READ, lasting_s=8.0)
    with pytest.raises(InFlight):
        read.network.exchange(READ)
    write = Scene(Fault.SLOW, lasting_s=8.0)
    with pytest.raises(Unavailable):
        write.network.exchange(DRAIN)
    assert write.intent == "draining"


def test_nothing_falls_any_more_once_it_is_over() -> None:
    scene = Scene(Fault.LOST_BEFORE)
    scene.network.fate.over = True
    assert scene.network.exchange(DRAIN).status == 200
    assert scene.struck == []
