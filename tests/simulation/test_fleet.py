"""The machines of a simulated fleet: what they are told to do, and what they tell of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.emulator.model.passes import scheduler_overlaps
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.ports.infra import CohortSpec, RemoveCohort, SetScheduler
from rollout_kit.simulation.effects import (
    CohortChanged,
    Happening,
    NodeStarted,
    NodeStopped,
    SchedulerStarted,
    SchedulerStopped,
    Who,
)
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.harm import Harm
from rollout_kit.simulation.network import Metrics
from rollout_kit.simulation.site import OLD, cohort
from rollout_kit.simulation.world import World


def small() -> tuple[World, list[Happening]]:
    world = World(Generation.V2, nodes=2, queues=("orders",), workers=2, load=False)
    told: list[Happening] = []
    world.fleet.tell = told.append
    return world, told


def kinds(told: list[Happening]) -> list[type]:
    return [type(happening.effect) for happening in told]


def overlaps(world: World) -> int:
    with world.store.read() as rows:
        return scheduler_overlaps(rows)


def test_a_scheduler_begun_twice_runs_once() -> None:
    world, told = small()
    spec = world.fleet.scheduler
    world.fleet.stop_takes_s = 3.0
    world.fleet.begin("k", SetScheduler(spec=spec))
    assert kinds(told) == []
    assert world.fleet.schedulers() == 1


def test_a_scheduler_that_is_told_to_stop_lives_on_and_ticks_beside_the_next() -> None:
    world, told = small()
    spec = world.fleet.scheduler
    assert spec is not None
    world.fleet.stop_takes_s = 5.0
    world.fleet.begin("k", SetScheduler(spec=None))
    assert len(world.fleet.scheduler_processes()) == 1
    world.fleet.begin("k", SetScheduler(spec=replace(spec, image="server:new")))
    assert kinds(told) == [SchedulerStopped, SchedulerStarted]
    assert told[1].effect.running == 2  # type: ignore[union-attr]
    world.clock.sleep(4.0)
    assert overlaps(world) > 0
    world.clock.sleep(4.0)
    assert len(world.fleet.scheduler_processes()) == 1


def test_a_stop_waited_for_is_no_overlap() -> None:
    world, _ = small()
    spec = world.fleet.scheduler
    world.fleet.stop_takes_s = 2.0
    world.fleet.begin("k", SetScheduler(spec=None))
    world.clock.sleep(3.0)
    world.fleet.begin("k", SetScheduler(spec=spec))
    world.clock.sleep(4.0)
    assert overlaps(world) == 0


def test_a_cohort_tells_whose_processes_went() -> None:
    world, told = small()
    ref = cohort("orders", OLD)
    ids = [worker.worker_id for worker in world.fleet.cohorts[ref].workers]
    world.fleet.start_cohort(ref, CohortSpec(image="orders:old", replicas=1))
    changed = told[-1].effect
    assert isinstance(changed, CohortChanged)
    assert (changed.before, changed.after, changed.stopped) == (2, 1, (ids[1],))


@pytest.mark.parametrize("replicas", [0, 2])
def test_a_removed_cohort_is_known_no_more_and_tells_whose_processes_went(replicas: int) -> None:
    world, told = small()
    ref = cohort("orders", OLD)
    world.fleet.start_cohort(ref, CohortSpec(image="orders:old", replicas=replicas))
    ids = [worker.worker_id for worker in world.fleet.cohorts[ref].workers]
    told.clear()
    for attempt in ("k", "k/2"):
        world.fleet.begin(attempt, RemoveCohort(cohort=ref))
    assert ref not in world.fleet.cohort_specs()
    went = [one.effect for one in told if isinstance(one.effect, CohortChanged)]
    assert [worker for effect in went for worker in effect.stopped] == ids


@pytest.mark.parametrize("fault", [Fault.NODE_RESTART, Fault.NODE_DEATH])
def test_a_node_that_died_comes_back_by_itself_or_when_healed(fault: Fault) -> None:
    world, told = small()
    harm = Harm(world, Metrics())
    harm.strike(Blow(fault=fault, on=Moment.SECOND, at=0.0, lasting_s=2.0, target=1))
    assert not world.fleet.up("api-2")
    world.clock.sleep(4.0)
    harm.turn()
    world.clock.sleep(2.0)
    assert world.fleet.up("api-2") is (fault is Fault.NODE_RESTART)
    harm.heal()
    world.clock.sleep(2.0)
    assert world.fleet.up("api-2")
    assert kinds(told)[0] is NodeStopped
    assert NodeStarted in kinds(told)
    assert {happening.who for happening in told} == {Who.FATE}


def test_workers_that_do_not_beat_go_stale_and_beat_again_when_healed() -> None:
    world, _ = small()
    harm = Harm(world, Metrics())
    blow = Blow(fault=Fault.STALE_HEARTBEATS, on=Moment.SECOND, at=0.0, lasting_s=30.0)
    harm.strike(blow)
    world.clock.sleep(6.0)
    assert world.cohorts("orders")[OLD]["active_worker_count"] == 0
    harm.heal()
    world.clock.sleep(2.0)
    assert world.cohorts("orders")[OLD]["active_worker_count"] == 2


def test_a_drain_is_taken_back_by_who_drained_even_where_no_node_answers_just_then() -> None:
    world, _ = small()
    harm = Harm(world, Metrics())
    harm.strike(Blow(fault=Fault.PERSON_DRAINS, on=Moment.SECOND, at=0.0, lasting_s=1.0))
    assert world.cohorts("orders")[OLD]["drain_intent"] == "draining"
    for name in world.fleet.nodes:
        harm.strike(Blow(fault=Fault.NODE_DEATH, on=Moment.SECOND, at=0.0, target=int(name[-1])))
    harm.heal()
    for _ in range(6):
        world.clock.sleep(0.5)
        harm.turn()
    assert world.cohorts("orders")[OLD]["drain_intent"] == "active"
