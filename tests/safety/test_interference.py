"""What others do to the fleet while a rollout runs: people, silence, late requests, skew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import HoldKind, OperationReapplied, Outcome, RollbackStarted
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import CohortSpec, InfraChange, JobState, JobStatus, ReplaceNode
from rollout_kit.simulation.world import NEW, OLD, TO, World, cohort
from rollout_kit.transport.messages import Request
from tests.safety.moments import back, when
from tests.safety.people import resume, say
from tests.safety.plans import (
    QUICK_GUARDS,
    SCHEDULER,
    SCHEMA,
    api,
    canary,
    drain,
    held,
    outcome,
    read,
    sentence,
    small,
)

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
PAUSE = "{id: watch, uses: pause, with: {for: 12s}}"


# --- drift (rule 17) ------------------------------------------------------------------------------


def drained_by_somebody(world: World) -> tuple[PlanDocument, RolloutState]:
    document = read(world, SCHEMA, api(), PAUSE)
    drained = {"build_id": OLD}
    path = "/api/task-queues/orders/build-ids/drain"
    when(world, back(world, "api-1"), lambda: world.control("POST", path, drained))
    hold = held(*(found := world.apply(document)))
    assert hold.kind is HoldKind.DRIFT
    difference = hold.differences[0]
    assert difference.fact == f"cohort/default/orders/{OLD}/drain_intent"
    assert (difference.expected, difference.found) == ("active", "draining")
    assert 'expected "active", found "draining"' in hold.reason
    return document, found[1]


@BOTH
def test_a_drain_by_somebody_else_holds_until_it_is_accepted(generation: Generation) -> None:
    world = small(generation, workers=1)
    document, state = drained_by_somebody(world)
    assert all(node.attached for node in world.fleet.nodes.values()), "no gap stays open"
    again = held(*resume(world, document, state))
    assert again.kind is HoldKind.DRIFT, "without --accept nothing has changed"
    _, state = resume(world, document, state, accept=True)
    assert outcome(state) is Outcome.SUCCEEDED


@BOTH
def test_drift_that_was_mended_by_hand_is_gone_at_the_next_look(generation: Generation) -> None:
    world = small(generation)
    document, state = drained_by_somebody(world)
    world.control("POST", "/api/task-queues/orders/build-ids/resume", {"build_id": OLD})
    _, state = resume(world, document, state)
    assert outcome(state) is Outcome.SUCCEEDED


def test_accepted_drift_is_not_held_against_what_the_rollout_changes_later() -> None:
    """Somebody selects another build; that is accepted; then the plan selects its own."""
    world = small(Generation.V2)
    other = cohort("orders", "build-x")
    world.fleet.start_cohort(other, CohortSpec(image="orders:old", replicas=1))
    world.clock.sleep(3.0)
    path = "/api/task-queues/orders/build-ids/promote"
    document = read(world, SCHEMA, api(), canary("orders"), PAUSE)
    when(world, back(world, "api-1"), lambda: world.control("POST", path, {"build_id": "build-x"}))
    _, state = (found := world.apply(document))
    assert held(*found).kind is HoldKind.DRIFT
    _, state = resume(world, document, state, accept=True)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
    assert world.cohorts("orders")[NEW]["new_start_selected"] is True


@BOTH
def test_drift_in_an_open_group_closes_it_first(generation: Generation) -> None:
    """The other node's image is changed while this one is out: its own undo runs, then it holds."""
    world = small(generation)
    document = read(world, SCHEMA, api(), guards=QUICK_GUARDS.replace("3s", "1s"))
    spec = world.fleet.nodes["api-2"].spec
    changed = replace(spec, environment={**spec.environment, "LOG_LEVEL": "debug"})
    when(
        world,
        lambda: not world.fleet.nodes["api-1"].attached,
        lambda: world.fleet.start_node("api-2", changed),
    )
    hold = held(*world.apply(document))
    assert hold.kind is HoldKind.DRIFT
    assert world.fleet.nodes["api-1"].attached
    assert world.fleet.nodes["api-1"].spec.image == "server:old", "the group counts as not begun"


@BOTH
def test_in_a_rollback_drift_stops_only_the_undos_it_touches(generation: Generation) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api(), SCHEDULER)
    world.apply(document)
    spec = world.fleet.nodes["api-1"].spec
    theirs = replace(spec, image="server:hot")
    world.images["server:hot"] = world.images["server:new"]
    world.fleet.start_node("api-1", theirs)
    world.clock.sleep(3.0)
    _, state = world.apply(document, RollbackStarted(cause="asked", actor="me"))
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert '"server:new"' in sentence(state)
    assert '"server:hot"' in sentence(state)
    images = {name: node.spec.image for name, node in world.fleet.nodes.items()}
    assert images == {"api-1": "server:hot", "api-2": "server:old"}
    assert world.fleet.scheduler is not None
    assert world.fleet.scheduler.image == "server:old"
    assert all(node.attached for node in world.fleet.nodes.values())


# --- silence --------------------------------------------------------------------------------------


@BOTH
def test_a_node_that_gives_no_answer_for_too_long_holds_and_is_no_drift(
    generation: Generation,
) -> None:
    world = small(generation)
    slow = "{id: watch, uses: pause, with: {for: 40s}}"
    quiet = "  attached-ready: {off: 'what is silent is what this asks'}"
    document = read(world, SCHEMA, api(), slow, target="no_answer_for: 5s", guards=quiet)
    executor = world.executor(document)
    when(world, lambda: "watch/bake" in executor.state.operations, lambda: mute(world, "api-2"))
    hold = held(executor.run(), executor.state)
    assert hold.kind is HoldKind.NO_ANSWER
    assert "node/api-2/version" in hold.reason
    world.before_request = lambda _: None
    _, state = resume(world, document, executor.state)
    assert outcome(state) is Outcome.SUCCEEDED


@BOTH
@pytest.mark.parametrize("interval_s", range(7, 14))
def test_an_outage_that_the_plan_accepts_is_no_silence(
    generation: Generation, interval_s: int
) -> None:
    """The only node was out for longer than `no_answer_for`; it was back, and yet the rollout held."""
    world = small(generation, nodes=1)
    image = world.images["server:new"]
    world.images["server:new"] = replace(image, starts_in_s=20.0)
    slow = "{id: watch, uses: pause, with: {for: 9s}}"
    target = 'no_answer_for: 5s\naccept: {outage: "agreed"}'
    guards = "  attached-ready: {off: 'there is no second node'}\n" + "\n".join(
        f"  {name}: {{interval: {interval_s}s}}"
        for name in ("served", "supporters", "repair-near-baseline")
    )
    document = read(world, SCHEMA, api(within="40s"), slow, target=target, guards=guards)
    executor = world.executor(document)
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED


def mute(world: World, node: str) -> None:
    def refuse(request: Request) -> None:
        if request.url.startswith(f"http://{node}/"):
            raise Unavailable("connection refused")

    world.before_request = refuse


# --- two versions for too long ----------------------------------------------------------------------


@BOTH
def test_a_skew_window_that_is_exceeded_holds_and_resume_allows_it_once_more(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api(bake="6s"), SCHEDULER, release="skew_window_at_most: 12s")
    end, state = world.apply(document)
    hold = held(end, state)
    assert hold.kind is HoldKind.SKEW
    assert "the plan allows 12s" in hold.reason
    assert "server:new, server:old" in hold.reason
    assert all(node.attached for node in world.fleet.nodes.values())
    _, state = resume(world, document, state)
    assert outcome(state) is Outcome.SUCCEEDED


# --- what people ask for in the middle --------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("said", [PersonSaid.ABORT, PersonSaid.HOLD])
def test_abort_and_hold_wait_for_the_end_of_an_open_group(
    generation: Generation, said: PersonSaid
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api())
    executor = world.executor(document)
    when(
        world,
        lambda: not world.fleet.nodes["api-1"].attached,
        lambda: say(world, executor.state, said),
    )
    end = executor.run()
    assert {name: node.spec.image for name, node in world.fleet.nodes.items()} == {
        "api-1": "server:new",
        "api-2": "server:old",
    }
    assert all(node.attached for node in world.fleet.nodes.values())
    if said is PersonSaid.ABORT:
        assert outcome(executor.state) is Outcome.ABORTED
        return
    assert held(end, executor.state).kind is HoldKind.REQUEST
    _, state = resume(world, document, executor.state)
    assert outcome(state) is Outcome.SUCCEEDED, "asked once, held once"


@BOTH
def test_a_rollout_that_died_before_its_first_look_is_rolled_back_to_where_it_is(
    generation: Generation,
) -> None:
    world = small(generation)
    before = {name: node.spec for name, node in world.fleet.nodes.items()}
    executor = world.executor(read(world, SCHEMA, api()))
    assert executor.state.baseline is None
    executor.append(RollbackStarted(cause="asked for", actor="me"))
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK
    assert {name: node.spec for name, node in world.fleet.nodes.items()} == before


@BOTH
def test_an_abort_during_a_rollback_ends_it_with_every_node_in_rotation(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, api())
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED
    executor = world.executor(document)
    executor.append(RollbackStarted(cause="asked for", actor="me"))
    when(
        world,
        lambda: not all(node.attached for node in world.fleet.nodes.values()),
        lambda: say(world, executor.state, PersonSaid.ABORT, attempt=executor.state.records),
    )
    executor.run()
    assert outcome(executor.state) is Outcome.ABORTED
    assert "rollback aborted by ann" in sentence(executor.state)
    assert all(node.attached for node in world.fleet.nodes.values())
    images = {name: node.spec.image for name, node in world.fleet.nodes.items()}
    assert images == {"api-1": "server:new", "api-2": "server:old"}, (
        "one is back, one was not begun"
    )
    again = world.executor(document)
    again.append(RollbackStarted(cause="asked for again", actor="me"))
    again.run()
    assert outcome(again.state) is Outcome.ROLLED_BACK, sentence(again.state)


# --- after a rollback -------------------------------------------------------------------------------


@BOTH
def test_a_drain_that_arrives_after_its_undo_is_seen_at_the_end(generation: Generation) -> None:
    """The request hung in the network, was undone unseen, and arrives when all seems over."""
    world = small(generation)
    document = read(world, canary("orders"), drain("orders"), PAUSE, server="")
    world.apply(document)
    path = "/api/task-queues/orders/build-ids/drain"
    executor = world.executor(document, RollbackStarted(cause="asked", actor="me"))
    retired = cohort("orders", NEW)
    when(
        world,
        lambda: world.fleet.cohorts[retired].spec.replicas == 0,
        lambda: world.control("POST", path, {"build_id": OLD}),
    )
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLBACK_INCOMPLETE
    assert f"cohort/default/orders/{OLD}/drain_intent" in sentence(executor.state)


@BOTH
def test_freeze_stops_the_new_build_and_lists_the_runs_that_it_had(generation: Generation) -> None:
    world = small(generation)
    world.fleet.hangs[NEW] = frozenset({"long"})
    document = read(world, canary("orders"), PAUSE, server="", workers=None)
    world.apply(document)
    world.start("theirs", "long", "orders")
    world.clock.sleep(2.0)
    frozen = RollbackStarted(cause="asked", actor="me", freeze=True)
    _, state = world.apply(document, frozen)
    assert outcome(state) is Outcome.ROLLED_BACK_WITH_RESIDUE, sentence(state)
    assert state.finished is not None
    assert any("theirs" in item and NEW in item for item in state.finished.residue)
    if generation is Generation.V0_2:
        assert world.fleet.cohorts[cohort("orders", NEW)].workers == [], "stopping is the drain"
    else:
        assert world.cohorts("orders")[NEW]["drain_intent"] == "draining"


# --- work that dies on the way ----------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_work_whose_supervisor_died_is_begun_again_in_the_same_session(
    generation: Generation, done: bool
) -> None:
    """The driver's word is *lost*: what was recorded may or may not have been done."""
    world = small(generation)
    begin = world.fleet.begin
    lost: list[str] = []

    def dying(key: str, change: InfraChange) -> None:
        first = isinstance(change, ReplaceNode) and not lost
        if not first or done:
            begin(key, change)
        if first:
            lost.append(key)
            world.fleet.jobs[key] = JobStatus(state=JobState.LOST)

    world.fleet.begin = dying  # type: ignore[method-assign]
    executor = world.executor(read(world, SCHEMA, api()))
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.finished
    records = [record.event for record in executor.shell.journal.read()]
    again = [event for event in records if isinstance(event, OperationReapplied)]
    assert [(event.operation, event.n) for event in again] == [("api/api-1/replace", 1)]


# --- gaps that cannot be closed -----------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("forward_only", [False, True], ids=["reversible", "forward only"])
def test_a_gap_that_cannot_be_closed_is_rolled_back_only_where_that_is_offered(
    generation: Generation, forward_only: bool
) -> None:
    world = small(generation)
    world.images["server:new"] = replace(world.images["server:new"], version="7.7.7")
    world.images["server:old"] = replace(world.images["server:old"], comes_up=False)
    policy = "{forward_only: 'the old one is broken'}" if forward_only else "{within: 8s}"
    steps = (SCHEMA, api(within="4s"))
    on_failure = "" if forward_only else "hold"
    document = read(world, *steps, rollback=policy, on_failure=on_failure)
    end, state = world.apply(document)
    if not forward_only:
        assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
        return
    hold = held(end, state)
    assert hold.kind is HoldKind.FAILURE
    assert '"7.7.7"' in hold.reason
    assert "could not be closed" in hold.reason
    world.images["server:new"] = replace(world.images["server:new"], version=TO[generation])
    _, state = resume(world, document, state)
    assert outcome(state) is Outcome.SUCCEEDED, state.hold
