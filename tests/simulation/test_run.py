"""A simulated rollout is drawn from one number, runs the product, and is the same every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import Outcome
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import Limits, PlanShape, Scenario, Topology, draw

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)


def plain(generation: Generation, **fields: object) -> Scenario:
    """Two nodes and one queue to the next server, nothing wrong."""
    given: dict[str, object] = {
        "seed": 0,
        "topology": Topology(generation=generation),
        "plan": PlanShape(scheduler=True),
    }
    return Scenario(**{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [5, 18])
def test_the_same_seed_gives_the_same_journal_byte_by_byte(seed: int) -> None:
    first, second = run(draw(seed)), run(draw(seed))
    assert first == second
    assert first.journal == second.journal
    assert first.records > 0


def test_a_scenario_is_drawn_from_its_seed_alone() -> None:
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]
    assert len({draw(seed) for seed in range(50)}) == 50


def test_only_the_faults_that_are_allowed_are_drawn() -> None:
    limits = Limits(faults=(Fault.CRASH_AFTER,))
    drawn = {fault for seed in range(40) for fault in draw(seed, limits).faults}
    assert drawn == {Fault.CRASH_AFTER}


@BOTH
def test_without_faults_a_rollout_succeeds_at_once(generation: Generation) -> None:
    report = run(plain(generation))
    assert (report.outcome, report.violations) == (Outcome.SUCCEEDED, ())
    assert (report.processes, report.crashes, report.struck) == (1, 0, ())
    assert report.worst_step is not None
    assert report.worst_step.step == "api"


@BOTH
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("moment", [Moment.APPEND, Moment.CHANGE])
def test_a_tool_that_is_killed_is_started_again_and_succeeds(
    generation: Generation, fault: Fault, moment: Moment
) -> None:
    blow = Blow(fault=fault, on=moment, at=4.0)
    report = run(plain(generation, faults=(fault,), blows=(blow,)))
    assert (report.outcome, report.violations) == (Outcome.SUCCEEDED, ())
    assert (report.processes, report.crashes) == (2, 1)
    assert report.struck == (f"{fault.value} at {moment.value} 4",)


def test_a_trace_tells_everything_that_happened_and_is_only_made_when_asked_for() -> None:
    scenario = plain(Generation.V2)
    assert run(scenario).trace == ()
    trace = run(scenario, trace=True).trace
    assert any("NodeDetached(node='api-1')" in line for line in trace)
    assert any("SchedulerStarted" in line and "tool" in line for line in trace)


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.value)
def test_every_fault_that_can_be_drawn_strikes(fault: Fault) -> None:
    """Early on, so that none of them is a word without an effect; and nothing is broken by it."""
    scenario = draw(3, Limits(faults=(fault,), chance=1.0, nodes=2, queues=1, cohorts=1))
    early = tuple(replace(blow, at=min(blow.at, 1.0)) for blow in scenario.blows)
    report = run(replace(scenario, blows=early, plan=PlanShape(canary=True)))
    assert report.struck
    assert report.violations == ()


def test_blows_fall_at_their_second_also_while_everybody_sleeps() -> None:
    """The plan is refused at once, and tried again after the safety phase: one long sleep."""
    blows = tuple(
        Blow(fault=Fault.NODE_RESTART, on=Moment.SECOND, at=at, lasting_s=1.0)
        for at in (10.0, 20.0)
    )
    shape = PlanShape(bootstrap=False, api=False, canary=True, shares=(50,))
    report = run(plain(Generation.V2, plan=shape, blows=blows), trace=True)
    assert report.ending == "refused"
    struck = [float(line.split()[0]) for line in report.trace if "FaultStruck" in line]
    assert struck == [pytest.approx(10.0, abs=0.5), pytest.approx(20.0, abs=0.5)]


@pytest.mark.processes
def test_another_process_with_other_hashes_writes_the_same_journal() -> None:
    program = (
        "import hashlib; from rollout_kit.simulation.run import run;"
        "from rollout_kit.simulation.scenario import draw;"
        "print(hashlib.sha256(run(draw(18)).journal).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {hashlib.sha256(run(draw(18)).journal).hexdigest() + "\n"}
