"""Nodes, scheduler, schema and cohorts: each rule sees what breaks it, and lets pass what nearly does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import RollbackStarted
from rollout_kit.ports.infra import CohortSpec, ProcessSpec, RunJob
from rollout_kit.simulation.checkers.bootstrap import BootstrapFirst
from rollout_kit.simulation.checkers.cohorts import NeverDrainTheOnly, NeverStopWork
from rollout_kit.simulation.checkers.names import OnlyKnownNames
from rollout_kit.simulation.checkers.nodes import NeverNoReadyNode, OneNodeOut, ReturnsAsSaid
from rollout_kit.simulation.checkers.rule import SIGHT_S
from rollout_kit.simulation.checkers.schedulers import NeverTwoSchedulers
from rollout_kit.simulation.effects import Who
from rollout_kit.simulation.site import NEW, NEW_SERVER, OLD
from tests.simulation.checkers.watched import NEW_COHORT, OLD_COHORT, QUEUE, UPGRADE, Watched

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)


# --- nodes ----------------------------------------------------------------------------------


def test_the_last_serving_node_is_not_the_tools_to_take() -> None:
    watched = Watched(NeverNoReadyNode)
    watched.fleet.kill_node("api-2")
    watched.clock.sleep(SIGHT_S + 1)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    assert watched.says() == ["api-1 was taken away, and no other node had served for 15s"]


def test_a_node_in_rotation_is_not_restarted_while_the_other_one_is_out() -> None:
    watched = Watched(NeverNoReadyNode)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    watched.clock.sleep(SIGHT_S + 1)
    watched.fleet.start_node("api-1", watched.fleet.nodes["api-1"].spec, Who.TOOL)
    assert watched.says() == ["api-1 was taken away, and no other node had served for 15s"]


def test_a_node_that_died_after_the_look_is_not_the_tools_doing() -> None:
    watched = Watched(NeverNoReadyNode)
    watched.fleet.kill_node("api-2")
    watched.clock.sleep(SIGHT_S - 1)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    assert watched.says() == []


def test_who_serves_nobody_and_who_a_person_takes_count_for_nothing() -> None:
    watched = Watched(NeverNoReadyNode)
    watched.fleet.kill_node("api-2")
    watched.clock.sleep(SIGHT_S + 1)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    watched.fleet.set_attached("api-1", False, Who.PERSON)
    assert watched.says() == []


def test_a_fleet_of_one_node_has_its_outage_by_the_plans_consent() -> None:
    watched = Watched(NeverNoReadyNode, nodes=1)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    assert watched.says() == []


def test_how_near_it_came_is_told() -> None:
    watched = Watched(NeverNoReadyNode, nodes=3)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.clock.sleep(SIGHT_S + 1)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    watched.says()
    margin = watched.checker.margin()
    assert margin is not None
    assert (margin.spare, margin.sentence) == (0.0, "api-2 left with 1 other nodes serving")


def test_two_nodes_out_at_once_are_one_too_many() -> None:
    watched = Watched(OneNodeOut, nodes=3)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    assert watched.says() == ["api-2 was detached while api-1 was out"]


def test_one_after_the_other_beside_a_persons_is_one_at_a_time() -> None:
    watched = Watched(OneNodeOut, nodes=3)
    watched.fleet.set_attached("api-3", False, Who.PERSON)
    for name in ("api-1", "api-2"):
        watched.fleet.set_attached(name, False, Who.TOOL)
        watched.fleet.set_attached(name, True, Who.TOOL)
    assert watched.says() == []


def test_a_node_returns_only_when_it_is_up() -> None:
    watched = Watched(ReturnsAsSaid)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.fleet.kill_node("api-1")
    watched.clock.sleep(SIGHT_S + 1)
    watched.fleet.set_attached("api-1", True, Who.TOOL)
    assert watched.says() == ["api-1 was attached, and had not been up for 15s"]


def restarted(watched: Watched, version: str) -> None:
    """api-1 returns as this version."""
    image = watched.world.images[NEW_SERVER]
    watched.world.images[NEW_SERVER] = replace(image, version=version)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.fleet.start_node("api-1", ProcessSpec(image=NEW_SERVER), Who.TOOL)
    watched.clock.sleep(2.0)
    watched.fleet.set_attached("api-1", True, Who.TOOL)


def test_a_node_does_not_return_as_something_that_nobody_asked_for() -> None:
    watched = Watched(ReturnsAsSaid)
    watched.begins(UPGRADE)
    restarted(watched, "9.9.9")
    assert watched.says() == ["api-1 was attached as 9.9.9, which nobody asked for"]


@pytest.mark.parametrize("version", ["2.4.0", "2.3.14"])
def test_a_node_returns_as_the_old_or_the_new_version(version: str) -> None:
    watched = Watched(ReturnsAsSaid)
    watched.begins(UPGRADE)
    restarted(watched, version)
    assert watched.says() == []


# --- scheduler ------------------------------------------------------------------------------


def handed_over(watched: Watched, *, waits_s: float) -> None:
    watched.fleet.stop_takes_s = 3.0
    watched.fleet.set_scheduler(None, Who.TOOL)
    watched.clock.sleep(waits_s)
    watched.fleet.set_scheduler(ProcessSpec(image=NEW_SERVER), Who.TOOL)
    watched.clock.sleep(3.0)


def test_a_scheduler_that_starts_before_the_old_one_is_gone_is_seen() -> None:
    watched = Watched(NeverTwoSchedulers)
    handed_over(watched, waits_s=1.0)
    assert watched.says() == [f"{NEW_SERVER} was started while 1 still ran"]


def test_a_scheduler_that_starts_as_soon_as_the_old_one_is_gone_is_fine() -> None:
    watched = Watched(NeverTwoSchedulers)
    handed_over(watched, waits_s=3.0)
    assert watched.says() == []
    margin = watched.checker.margin()
    assert margin is not None
    assert margin.spare == pytest.approx(3.0)


# --- schema ---------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["node", "scheduler", "workers"])
def test_nothing_new_starts_before_the_bootstrap(what: str) -> None:
    watched = Watched(BootstrapFirst)
    watched.begins(UPGRADE)
    started(watched, what)
    assert len(watched.says()) == 1
    assert "was started before any bootstrap had succeeded" in watched.says()[0]


@pytest.mark.parametrize("what", ["node", "scheduler", "workers"])
def test_after_the_bootstrap_everything_may_start(what: str) -> None:
    watched = Watched(BootstrapFirst)
    watched.begins(UPGRADE)
    watched.fleet.change(RunJob(job="bootstrap", image=NEW_SERVER), Who.TOOL)
    started(watched, what)
    assert watched.says() == []


def test_a_bootstrap_that_failed_is_none_and_old_things_start_without() -> None:
    watched = Watched(BootstrapFirst)
    watched.begins(UPGRADE)
    watched.fleet.fail_job = "bootstrap"
    watched.fleet.change(RunJob(job="bootstrap", image=NEW_SERVER), Who.TOOL)
    watched.fleet.start_node("api-1", watched.fleet.nodes["api-1"].spec, Who.TOOL)
    assert watched.says() == []
    started(watched, "node")
    assert len(watched.says()) == 1


def started(watched: Watched, what: str) -> None:
    match what:
        case "node":
            watched.fleet.start_node("api-1", ProcessSpec(image=NEW_SERVER), Who.TOOL)
        case "scheduler":
            watched.fleet.set_scheduler(None, Who.TOOL)
            watched.fleet.set_scheduler(ProcessSpec(image=NEW_SERVER), Who.TOOL)
        case _:
            watched.new_workers(who=Who.TOOL)


# --- cohorts --------------------------------------------------------------------------------


@BOTH
def test_the_only_cohort_that_can_claim_is_not_drained(generation: Generation) -> None:
    watched = Watched(NeverDrainTheOnly, generation)
    watched.asks("drain", OLD)
    assert watched.says() == [f"orders@{OLD} was drained, and nobody else there could claim"]


def test_a_cohort_that_is_drained_itself_is_no_other_one() -> None:
    watched = Watched(NeverDrainTheOnly)
    watched.new_workers()
    watched.asks("drain", NEW, Who.PERSON)
    watched.clock.sleep(SIGHT_S + 1)
    watched.asks("drain", OLD)
    assert watched.says() == [f"orders@{OLD} was drained, and nobody else there could claim"]


@BOTH
def test_with_another_one_at_work_a_cohort_is_drained(generation: Generation) -> None:
    watched = Watched(NeverDrainTheOnly, generation)
    watched.new_workers()
    watched.asks("drain", OLD)
    assert watched.says() == []


def test_what_a_person_drained_after_the_look_is_not_the_tools_doing() -> None:
    watched = Watched(NeverDrainTheOnly)
    watched.new_workers()
    watched.asks("drain", NEW, Who.PERSON)
    watched.clock.sleep(SIGHT_S - 1)
    watched.asks("drain", OLD)
    assert watched.says() == []


@BOTH
def test_workers_with_a_lease_are_not_stopped(generation: Generation) -> None:
    watched = Watched(NeverStopWork, generation)
    watched.fleet.hangs[OLD] = frozenset({"short"})
    watched.scaled_to(0, Who.PERSON)
    watched.scaled_to(1, Who.PERSON)
    watched.world.start("held", "short", QUEUE)
    watched.clock.sleep(1.0)
    watched.scaled_to(0)
    assert watched.says() == [
        f"orders@{OLD} was stopped with 1 leases",
        f"orders@{OLD} was stopped; 1 open runs need it: held",
    ]


def test_open_runs_keep_their_cohort_unless_somebody_else_replays_them() -> None:
    watched = Watched(NeverStopWork)
    watched.world.start("waits", "weeks", QUEUE)
    watched.clock.sleep(2.0)
    watched.new_workers()
    watched.scaled_to(0)
    assert watched.says() == [f"orders@{OLD} was stopped; 1 open runs need it: waits"]
    watched.scaled_to(1, Who.PERSON)
    watched.fleet.serves[NEW] = (OLD,)
    watched.scaled_to(0)
    assert len(watched.says()) == 1


def test_what_the_plan_strands_and_a_frozen_build_may_be_stopped() -> None:
    stranding = {
        "uses": "drain",
        "with": {"task_queue": [QUEUE], "cohort": OLD, "pinned_runs": "strand"},
    }
    for plan, rolls_back in (
        ({"steps": [stranding]}, False),
        ({"rollback": {"new_build": "freeze"}}, True),
    ):
        watched = Watched(NeverStopWork)
        watched.begins(plan)
        watched.world.start("waits", "weeks", QUEUE)
        watched.clock.sleep(2.0)
        if rolls_back:
            watched.journals(RollbackStarted(cause="c", actor="me"))
        watched.scaled_to(0)
        assert watched.says() == []


def test_an_idle_cohort_may_be_stopped_and_a_person_may_do_what_they_like() -> None:
    watched = Watched(NeverStopWork)
    watched.world.start("done", "short", QUEUE)
    watched.clock.sleep(5.0)
    watched.scaled_to(0)
    watched.scaled_to(1, Who.PERSON)
    watched.world.start("waits", "weeks", QUEUE)
    watched.clock.sleep(2.0)
    watched.scaled_to(0, Who.PERSON)
    assert watched.says() == []
    assert watched.truth.cohorts[OLD_COHORT].workers == ()


# --- names ----------------------------------------------------------------------------------


@BOTH
def test_a_drain_of_what_nobody_ever_ran_is_seen(generation: Generation) -> None:
    watched = Watched(OnlyKnownNames, generation)
    watched.asks("drain", NEW)
    assert watched.says() == [f"asked to drain orders@{NEW}, which nobody ever ran"]


@BOTH
def test_what_was_deployed_and_has_not_registered_may_be_drained(generation: Generation) -> None:
    watched = Watched(OnlyKnownNames, generation)
    spec = CohortSpec(image="orders:new", replicas=1)
    watched.fleet.start_cohort(NEW_COHORT, spec, Who.TOOL)
    watched.asks("drain", NEW)
    watched.asks("drain", OLD)
    assert watched.says() == []


def test_a_name_that_a_person_gave_is_theirs() -> None:
    watched = Watched(OnlyKnownNames)
    watched.asks("drain", "theirs", Who.PERSON)
    watched.asks("resume", "theirs")
    assert watched.says() == []
