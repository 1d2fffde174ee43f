"""A user's own plan on an emulated fleet: of the plan's topology, or of a live one as it was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.document.plan import ManualInfra, PlanDocument
from rollout_kit.document.read import read_plan
from rollout_kit.document.substitute import Purpose
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import Outcome
from rollout_kit.simulation.causes import FLAWS, causes, first_bad
from rollout_kit.simulation.checking import Violation
from rollout_kit.simulation.faults import Fault, Moment
from rollout_kit.simulation.fleet_spec import CohortStanding
from rollout_kit.simulation.plan_text import plan_text
from rollout_kit.simulation.rehearse import (
    Held,
    Rehearsal,
    Rehearsed,
    Wanted,
    draw,
    plain,
    plain_scenario,
    rank,
    rehearsed,
    spread,
)
from rollout_kit.simulation.report import StepTime
from rollout_kit.simulation.scenario import Answer, Flaw, PlanShape, Scenario, Topology
from rollout_kit.simulation.shrink import shrink
from rollout_kit.simulation.stage import stage
from rollout_kit.simulation.theirs import CannotStandIn, theirs
from rollout_kit.simulation.world import plans_folder

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
NAMES = ("DURABLE_WORKFLOW_SERVER_URL", "DW_OPERATOR_TOKEN", "DW_ADMIN_TOKEN", "METRICS_TOKEN")
ENVIRONMENT = {name: f"http://{name}" for name in (*NAMES, "DW_API_1_URL", "DW_API_2_URL")}


def shipped(name: str) -> PlanDocument:
    reading = read_plan(
        (plans_folder() / name).read_text(encoding="utf-8"),
        file=name,
        variables={},
        environment=ENVIRONMENT | {"DW_API_3_URL": "http://three"},
        purpose=Purpose.APPLY,
    )
    assert reading.document is not None, reading.diagnostics
    return reading.document


@pytest.mark.parametrize(
    "name", ["restart.yaml", "restore.yaml", "hotfix-forward-only.yaml", "api-only.yaml"]
)
def test_a_shipped_plan_reaches_its_end_where_nothing_is_wrong(name: str) -> None:
    report = plain(theirs(shipped(name)))
    assert (report.outcome, report.refusal) == (Outcome.SUCCEEDED, "")
    assert (report.violations, report.holds) == ((), 0)


def test_in_place_of_people_a_driver_makes_each_change_and_the_report_says_so() -> None:
    found = theirs(shipped("gitops.yaml"))
    assert any("in a person's place" in sentence for sentence in found.stands_in)
    assert not isinstance(found.document.infra, ManualInfra)


def test_the_fleet_has_the_names_of_the_plan() -> None:
    fleet = theirs(shipped("rolling-upgrade.yaml")).fleet
    assert fleet.nodes == ("api-1", "api-2", "api-3")
    assert (fleet.old_version, fleet.new_version) == ("2.0.0", "2.1.0")
    assert fleet.new_image == "durableworkflow/server:2.1.0"
    assert fleet.new_builds == ("orders-2026-04-28",)
    assert [(c.task_queue, c.build_id, c.replicas, c.selected) for c in fleet.cohorts] == [
        ("orders-critical", "orders-2026-04-21", 6, True),
        ("orders-bulk", "orders-2026-04-21", 6, True),
    ]


def test_a_plan_that_comes_back_to_a_build_finds_both_with_the_bad_one_selected() -> None:
    fleet = theirs(shipped("restore.yaml")).fleet
    assert {(c.build_id, c.selected) for c in fleet.cohorts} == {
        ("orders-2026-04-28", True),
        ("orders-2026-04-21", False),
    }


def test_what_only_seems_to_be_there_is_said() -> None:
    said = " ".join(theirs(shipped("smoke-then-approve.yaml")).stands_in)
    assert "No command was run: those of tell" in said
    said = " ".join(theirs(shipped("api-only.yaml")).stands_in)
    assert "Nothing was asked over HTTP for few-errors: their samples were drawn." in said
    assert "Nothing stands for the namespaces billing" in said


@BOTH
def test_a_fleet_that_was_looked_at_is_emulated_as_it_was_seen(generation: Generation) -> None:
    topology = Topology(generation=generation, workers=3)
    scenario = Scenario(seed=0, topology=topology, plan=PlanShape(canary=True))
    world = stage(scenario)
    document = world.read(plan_text(scenario))
    found = world.preview(document).seen
    assert found is not None
    other = Generation.V2 if generation is Generation.V0_2 else Generation.V0_2
    alike = theirs(document, other, found.observation.facts)
    assert alike.fleet.generation is generation
    assert alike.fleet.marker == ("build-1" if generation is Generation.V0_2 else None)
    standing = CohortStanding(
        task_queue="queue-1",
        build_id="build-1",
        image="orders:old",
        replicas=3,
        selected=generation is Generation.V2,
    )
    assert alike.fleet.cohorts == (standing,)
    assert plain(alike).outcome is Outcome.SUCCEEDED


def test_workers_of_two_namespaces_cannot_be_simulated() -> None:
    topology = Topology(generation=Generation.V2)
    scenario = Scenario(seed=0, topology=topology, plan=PlanShape(canary=True))
    text = plan_text(scenario).replace(
        "namespace: default", "namespace: default\n  namespaces: [default, x]"
    )
    text = text.replace("{task_queue: queue-1, from", "{namespace: x, task_queue: queue-1, from")
    reading = read_plan(
        text, file="p", variables={}, environment=ENVIRONMENT, purpose=Purpose.APPLY
    )
    assert reading.document is not None, reading.diagnostics
    with pytest.raises(CannotStandIn, match="workers of x beside default"):
        theirs(reading.document)


def test_faults_are_spread_over_the_whole_of_a_long_plan() -> None:
    their = theirs(shipped("restart.yaml"))
    far = spread(plain(their))
    drawn = [draw(seed, their, far, Wanted()) for seed in range(200)]
    assert drawn == [draw(seed, their, far, Wanted()) for seed in range(200)]
    for scenario in drawn:
        assert all(blow.at <= far[blow.on] for blow in scenario.blows)
        assert scenario.safety_s >= far[Moment.SECOND]
    latest = max(b.at / far[b.on] for s in drawn for b in s.blows)
    assert latest > 0.9


def test_what_goes_wrong_shrinks_and_the_plan_and_its_fleet_stay() -> None:
    """Of all that was drawn, the fault that is looked for is left; every number is as usual again."""

    def still(scenario: Scenario) -> bool:
        lost = [blow for blow in scenario.blows if blow.fault is Fault.LOST_AFTER]
        return len(lost) >= 2 and scenario.answer is Answer.ROLL_BACK

    their = theirs(shipped("restart.yaml"))
    far, usual = spread(plain(their)), plain_scenario(their)
    found = next(s for seed in range(900) if still(s := draw(seed, their, far, Wanted())))
    odd = replace(found, flaw=Flaw.NEVER_UP, commands_fail=True, patience_s=60.0, latency_s=0.3)
    assert {FLAWS[Flaw.NEVER_UP], "a person answers after 60s"} < set(causes(odd, usual))
    small = shrink(odd, still)
    assert (small.theirs, small.topology, small.plan) == (their, usual.topology, usual.plan)
    first, second, asked = causes(small, usual)
    assert first.startswith("lost-after at ")
    assert second.startswith("lost-after at ")
    assert asked == "a person answers a hold with a rollback"


def test_runs_side_by_side_come_to_the_same_as_one_after_the_other() -> None:
    their = theirs(shipped("restart.yaml"))
    far, wanted = spread(plain(their)), Wanted()
    alone = list(rehearsed(their, range(3), far, wanted, 1))
    assert list(rehearsed(their, range(3), far, wanted, 2)) == alone


def test_sums_are_those_of_the_runs() -> None:
    def one(seed: int, seconds: float, *held: Held) -> Rehearsed:
        return Rehearsed(
            seed=seed,
            ending="succeeded",
            sentence="",
            virtual_s=seconds,
            requests=10,
            struck=(),
            held=held,
            steps=(StepTime(step="api", seconds=seconds), StepTime(step="b", seconds=1.0)),
            margins=(),
            violations=(),
        )

    sums = Rehearsal()
    hold = Held(operation="api/x", kind="drift", reason="somebody")
    for number in range(1, 21):
        sums.add(one(number, float(number), *([hold] if number % 2 else [])))
    assert (sums.runs, sums.requests, sums.held) == (20, 200, 10)
    assert (rank(sums.durations_s, 50), rank(sums.durations_s, 95)) == (10.0, 19.0)
    assert sums.worst_step == StepTime(step="api", seconds=19.0)
    assert sums.holds == {("api/x", "drift"): 10}


def test_a_broken_rule_is_looked_into_before_a_rollback_that_did_not_restore() -> None:
    sums = Rehearsal()
    assert first_bad(sums) is None
    sums.unrestored.append((4, "Not undone: that"))
    found = first_bad(sums)
    assert found is not None
    assert found[0] == 4
    assert not found[1](plain_scenario(theirs(shipped("restart.yaml"))))
    sums.broken.append((9, Violation(checker="chain-whole", at_s=1.0, sentence="torn")))
    found = first_bad(sums)
    assert found is not None
    assert found[0] == 9
