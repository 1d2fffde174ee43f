"""Each shipped plan, killed before and after each append and each write: the end is the same.

Two ways. In one rollout that dies at every one of its points in turn, all points are always met. And
for itself: a rollout that dies once, at one point, and is then resumed, or rolled back. Of these one of
each kind is tried in the plan with the shortest rollout that has it, and of each plan every k-th beside
(`Case.every`: the more points the larger). `CRASH_EVERY=1` tries all of them.
"""

from __future__ import annotations

import json
from functools import cache, partial

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import Outcome, RollbackStarted
from rollout_kit.model.state import RolloutState
from rollout_kit.simulation.world import World, plans_folder
from tests.crash.copies import at_each
from tests.crash.kills import (
    BETWEEN_PROCESSES_S,
    Points,
    once_each,
    until_death_or_end,
    until_over,
)
from tests.crash.plans import CASES, Case
from tests.crash.sample import EVERY_KTH, every_kth, first_of_kind, kind_of

ASKED = RollbackStarted(cause="asked", actor="me")
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
BACK = pytest.mark.parametrize(
    "case", [c for c in CASES if not c.forward_only], ids=lambda case: case.name
)
HOUR_S = 3600
WITHIN_S = 900 if EVERY_KTH is None else 2 * HOUR_S
pytestmark = [pytest.mark.crash, pytest.mark.timeout(WITHIN_S)]


def picture(world: World) -> dict[str, object]:
    """What a fleet is, as far as a rollout decides it."""
    fleet = world.fleet
    rows = {queue: world.cohorts(queue) for queue in world.queues}
    return {
        "nodes": {name: (node.spec, node.attached) for name, node in fleet.nodes.items()},
        "schedulers": (fleet.scheduler, fleet.schedulers()),
        "cohorts": {
            ref.path: (found.spec, len(found.workers))
            for ref, found in fleet.cohorts.items()
            if found.spec.replicas
        },
        "selected": {
            queue: [b for b, row in found.items() if row.get("new_start_selected")]
            for queue, found in rows.items()
        },
        "draining": {
            queue: [b for b, row in found.items() if row["drain_intent"] == "draining"]
            for queue, found in rows.items()
        },
    }


def runs(case: Case, world: World) -> dict[str, str]:
    """Every run that there ever was, with how it stands: a smoke run started twice is one too many.

    Under load there are the more of them the longer it takes.
    """
    if case.load:
        return {}
    answer = world.control("GET", "/api/workflows?page_size=200")
    assert answer is not None
    listed = json.loads(answer.payload)["workflows"]
    return {str(found["workflow_id"]): str(found["status"]) for found in listed}


def restored(world: World) -> dict[str, object]:
    """A picture without what a rollback leaves: drains of builds that have gone for good."""
    found = picture(world)
    del found["draining"]
    return found


def outcome(state: RolloutState) -> Outcome:
    assert state.finished is not None, state.hold
    return state.finished.outcome


@cache
def reference(case: Case) -> tuple[tuple[str, ...], dict[str, object], dict[str, str]]:
    """The points of a rollout that nobody kills, and how it ends."""
    world, points = case.world(), Points()
    state = until_over(world, case.document(world), points)
    assert outcome(state) is Outcome.SUCCEEDED
    return tuple(points.passed), picture(world), runs(case, world)


@cache
def owned(generation: Generation) -> dict[str, frozenset[int]]:
    """By case, the points whose kind is tried there. Rollouts that people carry out are too slow for it.

    What `restore` brings back was there before: who brings what never was comes first.
    """
    cases = [c for c in CASES if c.generation is generation and c.plan != "gitops"]
    found, kinds = dict[str, frozenset[int]](), frozenset[str]()
    for case in sorted(cases, key=_turn):
        points = reference(case)[0]
        found[case.name] = first_of_kind(points, kinds)
        kinds |= {kind_of(point) for point in points}
    return found


def _turn(case: Case) -> tuple[bool, int]:
    return case.plan == "restore" or case.forward_only, len(reference(case)[0])


def sample(case: Case) -> tuple[int, ...]:
    """Numbers of the points to die at."""
    own = owned(case.generation).get(case.name, frozenset[int]())
    return tuple(sorted(own | every_kth(case.name, reference(case)[0], case.every)))


def test_every_shipped_plan_has_a_case() -> None:
    assert {case.plan for case in CASES} == {path.stem for path in plans_folder().glob("*.yaml")}


@EVERY
def test_a_rollout_that_dies_at_every_point_ends_as_if_it_never_had(case: Case) -> None:
    passed, end, work = reference(case)
    world = case.world()
    points = Points(fatal=once_each())
    state = until_over(world, case.document(world), points)
    assert outcome(state) is Outcome.SUCCEEDED
    assert points.kills == len(set(points.passed)) >= len(set(passed))
    assert picture(world) == end
    assert runs(case, world) == work
    assert world.lost() == []


@BACK
def test_a_rollback_that_dies_at_every_point_still_restores(case: Case) -> None:
    world = case.world()
    before, document = restored(world), case.document(world)
    until_over(world, document, Points())
    points = Points(fatal=once_each())
    state = until_over(world, document, points, ASKED)
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert points.kills == len(set(points.passed)) > 10
    assert restored(world) == before
    assert world.lost() == []


@EVERY
def test_killed_once_and_resumed_it_ends_the_same(case: Case) -> None:
    passed, end, work = reference(case)
    world = case.world()
    document = case.document(world)

    def resumed() -> None:
        world.clock.sleep(BETWEEN_PROCESSES_S)
        assert outcome(until_over(world, document, Points())) is Outcome.SUCCEEDED
        assert picture(world) == end
        assert runs(case, world) == work
        assert world.lost() == []

    fatal = sample(case)
    died = at_each(fatal, partial(until_death_or_end, world, document), resumed)
    assert died == [passed[number] for number in fatal]


@BACK
def test_killed_once_and_rolled_back_it_is_as_it_was(case: Case) -> None:
    passed = reference(case)[0]
    world = case.world()
    before, document = restored(world), case.document(world)

    def rolled_back() -> None:
        if not world.journal.data:
            return  # nothing has begun, and there is nothing to roll back
        state = until_over(world, document, Points(), ASKED)
        assert outcome(state) is Outcome.ROLLED_BACK, state.finished
        assert restored(world) == before
        assert world.lost() == []

    fatal = sample(case)
    died = at_each(fatal, partial(until_death_or_end, world, document), rolled_back)
    assert died == [passed[number] for number in fatal]
