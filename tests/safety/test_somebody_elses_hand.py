"""Rule 17, before each write: what somebody else changed stops it, with what, from what, to what.

The guards look once a minute here, so that it is the comparison before the write, or the one at the
start of a step, that has to see it. Then each of the three ways on does what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.drift import matches
from rollout_kit.execution.executor import Executor
from rollout_kit.model.events import HoldKind, Outcome, RollbackStarted, RolloutHeld
from rollout_kit.model.observation import Facts
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.infra import CohortSpec
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import NEW, OLD, TO, World, cohort
from tests.safety.moments import at_record
from tests.safety.people import resume, say
from tests.safety.plans import (
    QUICK_GUARDS,
    SCHEDULER,
    SCHEMA,
    SMOKE_THEN_ALL,
    api,
    canary,
    drain,
    held,
    outcome,
    read,
    sentence,
    small,
    worker,
)

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
RARELY = QUICK_GUARDS.replace("3s", "60s")
COHORT = f"cohort/default/orders/{OLD}"


def intent(build: str, act: str) -> Callable[[World], object]:
    path = f"/api/task-queues/orders/build-ids/{act}"
    return lambda world: world.control("POST", path, {"build_id": build})


def drained(world: World) -> None:
    intent(OLD, "drain")(world)


def node(world: World, **changes: object) -> None:
    found = world.fleet.nodes["api-2"]
    world.fleet.start_node("api-2", replace(found.spec, **changes))  # type: ignore[arg-type]
    world.fleet.nodes["api-2"].up_at_s = 0.0


def another_version(world: World) -> None:
    """The same image by name, and another server in it."""
    old = world.images["server:old"]
    world.images["server:old"] = ServerImage(version=TO[world.generation])
    node(world)
    world.images["server:old"] = old


def another_image(world: World) -> None:
    world.images["server:hot"] = world.images["server:old"]
    node(world, image="server:hot")


def detached(world: World) -> None:
    world.fleet.nodes["api-2"].attached = False


def scaled(world: World) -> None:
    world.fleet.start_cohort(cohort("orders", OLD), CohortSpec(image="orders:old", replicas=3))


def rescheduled(world: World) -> None:
    world.images["server:hot"] = world.images["server:old"]
    assert world.fleet.scheduler is not None
    world.fleet.scheduler = replace(world.fleet.scheduler, image="server:hot")


def selected(world: World) -> None:
    intent("build-x", "promote")(world)


def third_build(world: World) -> None:
    world.fleet.start_cohort(
        cohort("orders", "build-x"), CohortSpec(image="orders:old", replicas=1)
    )
    world.clock.sleep(3.0)


WORKERS_ONLY = (canary("orders", stages=SMOKE_THEN_ALL), drain("orders"))
EVERYTHING = (SCHEMA, api(), SCHEDULER, *WORKERS_ONLY)


@dataclass(frozen=True)
class Hand:
    """Somebody does something right after this operation's record."""

    act: Callable[[World], object]
    after: str
    fact: str
    was: str
    now: str
    word: str = "OperationCompleted"
    bars: str = ""  # why an undo of ours cannot be done while theirs stands
    only: Generation | None = None
    before: Callable[[World], object] = lambda _: None
    steps: tuple[str, ...] = (
        SCHEMA,
        api(),
        SCHEDULER,
        canary("orders", stages=SMOKE_THEN_ALL),
        drain("orders"),
    )

    def __str__(self) -> str:
        return self.fact.rpartition("/")[2] + (f" {self.only.value}" if self.only else "")


HANDS = (
    Hand(
        drained,
        "schema/nodes",
        f"{COHORT}/drain_intent",
        '"active"',
        '"draining"',
    ),
    Hand(another_version, "api/api-1/attach", "node/api-2/version", "", ""),
    Hand(another_image, "api/api-1/attach", "node/api-2/image", '"server:old"', '"server:hot"'),
    Hand(
        detached,
        "api/api-1/attach",
        "node/api-2/attached",
        "yes",
        "no",
        bars="api-2 is out of rotation, and only one node may be at a time",
    ),
    Hand(
        scaled,
        "drain/orders/drain",
        f"{COHORT}/replicas",
        "1",
        "3",
        bars="somebody else changed it",
        steps=WORKERS_ONLY,
    ),
    Hand(
        rescheduled,
        "api/api-2/attach",
        "scheduler/image",
        '"server:old"',
        '"server:hot"',
    ),
    Hand(
        selected,
        "canary/orders/started",
        f"{COHORT}/selected",
        "yes",
        "no",
        bars="somebody else changed it",
        only=Generation.V2,
        before=third_build,
        steps=WORKERS_ONLY,
    ),
    Hand(
        lambda world: node(world, marker="build-x"),
        "canary/orders/started",
        "node/api-2/marker",
        f'"{OLD}"',
        '"build-x"',
        only=Generation.V0_2,
        before=third_build,
        steps=WORKERS_ONLY,
    ),
)


def cases() -> list[object]:
    return [
        pytest.param(generation, hand, id=f"{hand}-{generation.value}")
        for hand in HANDS
        for generation in Generation
        if hand.only in (None, generation)
    ]


CASES = pytest.mark.parametrize(("generation", "hand"), cases())


def picture(world: World, document: PlanDocument) -> Facts:
    """Every fact of the fleet."""
    seen = world.preview(document).seen
    assert seen is not None
    return seen.facts


def stopped(
    generation: Generation, hand: Hand
) -> tuple[World, Executor, PlanDocument, RolloutHeld]:
    """The rollout, up to where it stopped."""
    world = small(generation)
    hand.before(world)
    server = "" if hand.steps == WORKERS_ONLY else None
    document = read(world, *hand.steps, server=server, guards=RARELY)
    executor = world.executor(document)
    at_record(executor, hand.after, lambda: hand.act(world), word=hand.word)
    hold = held(executor.run(), executor.state)
    return world, executor, document, hold


@CASES
def test_it_stops_and_says_what_from_what_to_what(generation: Generation, hand: Hand) -> None:
    world, executor, _, hold = stopped(generation, hand)
    assert hold.kind is HoldKind.DRIFT, hold
    assert hand.fact in [difference.fact for difference in hold.differences]
    assert f"{hand.fact}: expected {hand.was}" in hold.reason
    assert f"found {hand.now}" in hold.reason
    for way in ("`resume --accept`", "`rollback`", "`abort`"):
        assert way in hold.hint
    out = [name for name, found in world.fleet.nodes.items() if not found.attached]
    assert out == (["api-2"] if hand.act is detached else []), "no gap stays open"
    found = [executor.state.operations[name].intended for name in executor.state.intents]
    touched = [one.operation.id for one in found if one and matches(hand.fact, one.touches)]
    assert touched in ([], [hand.after]), "nothing is written over what somebody else did"


@CASES
def test_accepted_it_goes_on_from_there(generation: Generation, hand: Hand) -> None:
    world, executor, document = stopped(generation, hand)[:3]
    _, state = resume(world, document, executor.state, accept=True)
    assert set(state.accepted) >= {hand.fact}
    if hand.act is drained and generation is Generation.V2:
        assert outcome(state) is Outcome.ROLLED_BACK
        assert "nothing is selected on orders" in sentence(state), "the drain took that with it"
        return
    assert outcome(state) is Outcome.SUCCEEDED, state.hold or sentence(state)


@CASES
def test_rolled_back_our_part_is_put_back_and_theirs_is_left_and_named(
    generation: Generation, hand: Hand
) -> None:
    world, _, document, _ = stopped(generation, hand)
    _, state = world.apply(document, RollbackStarted(cause="asked", actor="me"))
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert f"{hand.fact}: expected {hand.was}" in sentence(state)
    assert f"found {hand.now}" in sentence(state)
    assert hand.bars in sentence(state)
    if hand.bars:
        return
    assert state.skipped_undos == {}, "it stops only the undos that touch what drifted"
    assert world.fleet.nodes["api-1"].spec.image == "server:old"
    fresh = world.fleet.cohorts.get(cohort("orders", NEW))
    assert fresh is None or fresh.spec.replicas == 0
    assert all(node.attached for node in world.fleet.nodes.values())


@BOTH
def test_what_another_team_does_to_its_own_queues_stops_nobody(generation: Generation) -> None:
    """Independent queues and other namespaces are theirs; whether pins stay served is judged apart."""
    world = small(generation)
    world.team("payments", "orders", OLD)
    world.fleet.start_cohort(cohort("mail", OLD), CohortSpec(image="orders:old", replicas=1))
    world.clock.sleep(2.0)
    theirs = "independent_queues: [mail]"
    document = read(world, SCHEMA, api(), release=theirs, workers=(worker("orders"),))
    executor = world.executor(document)

    def act() -> None:
        for queue, namespace in (("orders", "payments"), ("mail", "default")):
            path = f"/api/task-queues/{queue}/build-ids/drain"
            answer = world.control("POST", path, {"build_id": OLD}, namespace=namespace)
            assert answer is not None
            assert answer.status == 200

    at_record(executor, "api/api-1/attach", act, word="OperationCompleted")
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.hold


@CASES
def test_aborted_the_fleet_is_left_as_it_is(generation: Generation, hand: Hand) -> None:
    world, executor, document = stopped(generation, hand)[:3]
    before = picture(world, document)
    say(world, executor.state, PersonSaid.ABORT)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.ABORTED
    assert picture(world, document) == before


def test_a_changed_environment_is_told_by_name_without_its_values() -> None:
    world = small(Generation.V2)
    executor = world.executor(read(world, SCHEMA, api(), guards=RARELY))
    before = {"DW_V2_MULTI_NODE": "true"}
    theirs = {**before, "DB_PASSWORD": "canary-literal-5f2"}
    act = "api/api-1/attach", lambda: node(world, environment=theirs)
    at_record(executor, *act, word="OperationCompleted")
    hold = held(executor.run(), executor.state)
    assert "node/api-2/spec_json: differs in environment DB_PASSWORD" in hold.reason
    assert "canary" not in hold.reason
