"""A scenario that breaks a rule shrinks to what breaks it, and one line replays it."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from rollout_kit.simulation.__main__ import main
from rollout_kit.simulation.faults import Fault
from rollout_kit.simulation.scenario import PlanShape, Scenario, draw
from rollout_kit.simulation.shrink import breaks, decode, encode, replay_line, shrink


def test_a_scenario_survives_its_line() -> None:
    for seed in range(60):
        scenario = draw(seed)
        struck = tuple(dict.fromkeys(blow.fault for blow in scenario.blows))
        assert decode(encode(scenario)) == replace(scenario, faults=struck)


def test_a_scenario_shrinks_to_what_breaks_the_rule() -> None:
    def still(scenario: Scenario) -> bool:
        lost = [blow for blow in scenario.blows if blow.fault is Fault.LOST_AFTER]
        return len(lost) >= 2 and scenario.topology.nodes >= 2 and scenario.plan.drain

    found = next(scenario for seed in range(5000) if still(scenario := draw(seed)))
    small = shrink(replace(found, topology=replace(found.topology, nodes=12)), still)
    assert [blow.fault for blow in small.blows] == [Fault.LOST_AFTER] * 2
    assert small.faults == (Fault.LOST_AFTER,)
    assert (small.topology.nodes, small.topology.queues, small.topology.older) == (2, 1, 0)
    assert small.plan == replace(PlanShape(bootstrap=False, api=False), drain=True)
    assert still(small)


def test_it_stops_after_so_many_tries() -> None:
    tried = []

    def never(scenario: Scenario) -> bool:
        tried.append(scenario)
        return False

    assert shrink(draw(3), never, tries=4) == draw(3)
    assert len(tried) == 4


def test_what_is_no_plan_any_more_breaks_nothing() -> None:
    empty = replace(draw(0), plan=PlanShape(bootstrap=False, api=False), blows=())
    assert not breaks("chain-whole")(empty)


def test_a_line_replays_the_scenario_and_tells_what_happened(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = replace(draw(10), blows=(), faults=())
    words = shlex.split(replay_line(small))
    assert words[:3] == ["python", "-m", "rollout_kit.simulation"]
    assert main(words[3:]) == 0
    assert "Journaled(sequence=0" in capsys.readouterr().out
