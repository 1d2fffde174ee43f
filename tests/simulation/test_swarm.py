"""Ten seeds of every option of the swarm: no rule is broken, and every rollout comes to an end."""

from __future__ import annotations

import pytest

from rollout_kit.simulation.faults import Fault
from rollout_kit.simulation.report import UNFINISHED
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, draw
from rollout_kit.simulation.soak import replay_line

pytestmark = pytest.mark.crash

SEEDS = range(10)
SMALL = {"nodes": 2, "queues": 2, "cohorts": 2}


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_ten_seeds_with_one_kind_of_fault_break_no_rule(fault: Fault) -> None:
    unbroken(Limits(faults=(fault,), chance=1.0, **SMALL))


def test_ten_seeds_of_the_whole_swarm_break_no_rule() -> None:
    unbroken(Limits(**SMALL))


def unbroken(limits: Limits) -> None:
    for seed in SEEDS:
        report = run(draw(seed, limits))
        found = [f"{v.checker}: {v.sentence}" for v in report.violations]
        assert found == [], replay_line(report, limits)
        assert report.ending != UNFINISHED, replay_line(report, limits)
