"""A document and a fleet become one list of operations, the same every time, of both generations.

The lists stand in `cases/`; run with ROLLOUT_KIT_REWRITE_CASES=1 to write them anew, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollout_kit.document.plan import OnFailure
from rollout_kit.model import codec
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.operation import ChangeKind
from rollout_kit.planning.draft import Stage, staged
from rollout_kit.planning.listing import changes, problems, text
from rollout_kit.planning.planner import WHOLE_PLAN
from tests.planning.fleets import Fleet, arrived, document, idle, newer, older

CASES = Path(__file__).parent / "cases"
FLEETS = {
    "newer": newer(),
    "older": older(),
    "newer-idle": idle(newer()),
    "older-idle": idle(older()),
    "newer-arrived": arrived(newer()),
    "older-arrived": arrived(older()),
}


def stages(fleet: Fleet) -> tuple[Stage, ...]:
    operations = fleet.planned(document()).plan.operations
    return staged(operations, fleet.observation, fleet.situation)


@pytest.mark.parametrize("name", FLEETS)
def test_the_plan_for_this_fleet_is_the_one_that_was_reviewed(name: str) -> None:
    fleet = FLEETS[name]
    planning = fleet.planned(document())
    found = "\n\n".join((text(planning.plan), changes(stages(fleet)))) + "\n"
    path = CASES / f"{name}.txt"
    if os.environ.get("ROLLOUT_KIT_REWRITE_CASES"):
        path.write_text(found)
    assert found == path.read_text()
    assert problems(planning.problems) == ""


@pytest.mark.parametrize("name", FLEETS)
def test_the_same_input_always_yields_the_same_plan(name: str) -> None:
    fleet = FLEETS[name]
    assert fleet.planned(document()) == fleet.planned(document())


@pytest.mark.parametrize("name", ["newer-arrived", "older-arrived"])
def test_a_fleet_that_is_there_is_left_alone(name: str) -> None:
    kinds = {stage.change.kind for stage in stages(FLEETS[name])}
    assert kinds == {ChangeKind.NO_OP, ChangeKind.CHECK}


@pytest.mark.parametrize("name", ["newer", "older"])
def test_an_idle_fleet_gets_the_same_plan(name: str) -> None:
    busy = text(FLEETS[name].planned(document()).plan)
    assert text(FLEETS[f"{name}-idle"].planned(document()).plan) == busy


@pytest.mark.parametrize("name", FLEETS)
def test_a_journal_carries_the_plan_unharmed(name: str) -> None:
    plan = FLEETS[name].planned(document()).plan
    back: ExecutionPlan = codec.from_json(ExecutionPlan, codec.to_json(plan))
    assert text(back) == text(plan)
    assert [op.arguments for op in back.operations] == [op.arguments for op in plan.operations]
    assert back.guards == plan.guards


def test_every_operation_knows_its_place_and_its_policies() -> None:
    found = newer().planned(document())
    steps = {step.id: step for step in document().steps}
    for operation in found.plan.operations:
        step = steps[operation.step]
        assert step.position is not None
        assert (operation.line, operation.column) == (step.position.line, step.position.column)
        assert operation.on_failure is step.on_failure
        assert operation.id.startswith(f"{step.id}/")


def test_a_forward_only_plan_holds_where_others_roll_back() -> None:
    forward = document(
        ("rollback: {within: 1h}", "rollback: {forward_only: the old build loses orders}"),
        ("on_failure: rollback\n", ""),
    )
    plan = newer().planned(forward).plan
    assert plan.on_failure is OnFailure.HOLD
    assert {operation.on_failure for operation in plan.operations} == {OnFailure.HOLD}


def test_what_is_on_the_way_is_noted() -> None:
    notes = newer().planned(document()).notes
    assert notes["api"] == ("blast radius: 1 of 2 API nodes out of rotation (50%)",)
    assert notes["sched"] == ("blast radius: no schedule fires until the new scheduler runs",)
    assert notes["drain"] == ("blast radius: 6 of 12 workers of critical stop (50%)",)
    (skew,) = notes[WHOLE_PLAN]
    assert skew.startswith("skew window: two server versions live together for about 2m")
    assert skew.endswith("from api/api-1/replace to sched/stop")


def test_a_declared_skew_window_is_held_against_the_estimate() -> None:
    declared = document(
        (
            "release:\n",
            "release:\n  skew_window_at_most: 1m\n",
        )
    )
    (skew,) = newer().planned(declared).notes[WHOLE_PLAN]
    assert skew.endswith("; but at most 1m is declared")
