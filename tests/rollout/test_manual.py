"""`driver: manual`: somebody else changes the fleet, asked by the rollout, seen through the server."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End
from rollout_kit.model.events import (
    HoldKind,
    OperationIntended,
    OperationReapplied,
    Outcome,
    PersonAsked,
    ProvedByPerson,
    RollbackStarted,
)
from rollout_kit.model.state import RolloutState, Standing
from rollout_kit.ports.infra import CohortSpec, InfraChange, ReplaceNode, SetCohort
from rollout_kit.reporters.before_and_now import before_and_now
from rollout_kit.simulation.site import NEW_SERVER, OLD_SERVER, OLD_WORKERS, TO
from rollout_kit.simulation.world import NEW, OLD, QUEUES, World, cohort
from tests.rollout.manual_fleet import Person, attended, gitops, manual_world
from tests.rollout.test_whole_rollout import Killed, picture

LONG = pytest.mark.crash  # whole rollouts, forward and back
BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)


def outcome(state: RolloutState) -> Outcome:
    assert state.finished is not None, state.hold
    return state.finished.outcome


def events(world: World, kind: type) -> list[object]:
    return [r.event for r in world.process().journal.read() if isinstance(r.event, kind)]


@LONG
@BOTH
def test_a_person_changes_everything_and_the_rollout_sees_it(generation: Generation) -> None:
    world = manual_world(generation)
    person = Person(world)
    person.attend()
    end, state = attended(world, gitops(world))
    assert (end, outcome(state)) == (End.OVER, Outcome.SUCCEEDED)
    assert {node.spec.image for node in world.fleet.nodes.values()} == {NEW_SERVER}
    assert world.fleet.scheduler is not None
    assert world.fleet.scheduler.image == NEW_SERVER
    for queue in QUEUES:
        assert len(world.fleet.cohorts[cohort(queue, NEW)].workers) == 2
        assert world.fleet.cohorts[cohort(queue, OLD)].workers == []
    assert world.lost() == []
    assert [key for key, _ in world.fleet.begun if not key.startswith("by-hand")] == []
    for asked in events(world, PersonAsked):
        assert isinstance(asked, PersonAsked)
        request = asked.request
        assert all((request.what, request.before, request.after, request.where, request.seen))


@LONG
@BOTH
def test_a_finished_rollout_is_put_back_by_the_same_people(generation: Generation) -> None:
    """An hour later: the journal knows what was asked and said, no process has to."""
    world = manual_world(generation)
    before = picture(world)
    person = Person(world)
    person.attend()
    document = gitops(world)
    _, state = attended(world, document)
    assert outcome(state) is Outcome.SUCCEEDED
    world.clock.sleep(600.0)
    _, state = attended(world, document, RollbackStarted(cause="a week of thought", actor="me"))
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert picture(world) == before
    assert world.lost() == []


def test_what_is_asked_says_from_what_to_what_where_and_how_it_is_seen() -> None:
    world = manual_world(Generation.V0_2)
    found = world.preview(gitops(world))
    assert found.problems == ()
    requests = {
        item.operation.id: item.request
        for step in found.steps
        for item in step.operations
        if item.request is not None
    }
    node = requests["api/api-1/replace"]
    assert node.what == "replace what runs as api-1"
    assert node.before == f'version 0.2.9, marker "{OLD}"'
    assert node.after == f'image server:new (version 0.2.10), marker "{OLD}"'
    assert node.where == "http://api-1"
    assert node.seen == (f'http://api-1 answers as version 0.2.10, marker "{OLD}", and is ready')
    last = requests["api/api-3/replace"]
    assert last.after == (
        f'image server:new (version 0.2.10), marker "{OLD}"; and so do maintenance processes,'
        " if there are any (nothing shows them)"
    )
    assert not node.word
    stop = requests["scheduler/stop"]
    assert (stop.word, stop.after) == (True, "none of it is left")
    assert requests["schema/run"].word
    assert "canary/smoke-1/orders" not in requests  # the tool starts runs itself
    notes = next(step.notes for step in found.steps if step.id == "api")
    assert "blast radius: 1 of 3 API nodes out of rotation (33%)" in notes


@BOTH
def test_a_broken_node_makes_the_rollback_ask_for_the_way_back(generation: Generation) -> None:
    world = manual_world(generation)
    before = picture(world)
    person = Person(world)

    def wrong(operation: str, change: InfraChange) -> InfraChange:
        if operation == "api/api-2/replace":
            world.images[NEW_SERVER] = type(world.images[NEW_SERVER])(
                version=TO[generation], comes_up=False
            )
        return change

    person.instead = wrong
    person.attend()
    _, state = attended(world, gitops(world, node_within="20s"))
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert picture(world) == before
    assert {row.comparison.word for row in before_and_now(state)} == {"equal"}
    back = [name for name in person.done if name.startswith("undo/")]
    assert back == ["undo/api/api-2/replace/1", "undo/api/api-1/replace/1"]
    asked = state.asked["undo/api/api-1/replace/1"].request
    assert TO[generation] in asked.before
    assert (
        OLD_SERVER not in asked.after
    )  # nobody knows that image: its version is what is asked for
    assert world.lost() == []


@LONG
@BOTH
def test_a_whole_rollback_under_manual(generation: Generation) -> None:
    """Workers that nobody starts: the others, scheduler and nodes are asked back, and said gone."""
    world = manual_world(generation)
    before = picture(world)
    person = Person(world, refuses=lambda name: name == "canary/billing/deploy")
    person.attend()
    _, state = attended(world, gitops(world, canary_within="20s"))
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert picture(world) == before
    for name in ("undo/scheduler/start/1", "undo/scheduler/stop/1"):
        assert name in state.proofs
    assert world.lost() == []


@LONG
def test_nobody_does_it_and_the_rollback_has_nothing_to_ask_for() -> None:
    world = manual_world(Generation.V2)
    before = picture(world)
    person = Person(world, refuses=lambda name: name.startswith("api/"))
    person.attend()
    _, state = attended(world, gitops(world, node_within="20s"))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert state.finished is not None
    assert "a person has to replace what runs as api-1" in state.finished.sentence
    assert "api-1 still is version 2.3.14" in state.finished.sentence
    assert picture(world) == before
    assert [name for name in person.done if name.startswith("undo/")] == []


@LONG
def test_the_way_back_that_nobody_takes_ends_incomplete_and_is_named() -> None:
    world = manual_world(Generation.V2)
    person = Person(
        world, refuses=lambda name: name == "api/api-2/replace" or name.startswith("undo/")
    )
    person.attend()
    document = gitops(world, node_within="20s", rollback_within="40s")
    _, state = attended(world, document)
    assert outcome(state) is Outcome.ROLLBACK_INCOMPLETE
    assert state.finished is not None
    assert "replace what runs as api-1" in state.finished.sentence


def test_the_wrong_node_is_noticed_and_the_rollout_stops() -> None:
    world = manual_world(Generation.V2)
    person = Person(world)

    def other(operation: str, change: InfraChange) -> InfraChange:
        if operation == "api/api-1/replace" and isinstance(change, ReplaceNode):
            return ReplaceNode(node="api-3", spec=change.spec)
        return change

    person.instead = other
    person.attend()
    end, state = attended(world, gitops(world))
    assert end is End.HELD
    assert state.hold is not None
    assert state.hold.kind is HoldKind.DRIFT
    assert {item.fact for item in state.hold.differences} >= {"node/api-3/version"}
    assert world.fleet.nodes["api-1"].spec.image == OLD_SERVER


def test_two_nodes_at_once_stop_it_and_the_asked_one_is_asked_back() -> None:
    world = manual_world(Generation.V2)
    person = Person(world)

    def both(operation: str, change: InfraChange) -> InfraChange:
        if operation == "api/api-1/replace" and isinstance(change, ReplaceNode):
            person.change(ReplaceNode(node="api-2", spec=change.spec))
        return change

    person.instead = both
    person.attend()
    end, state = attended(world, gitops(world))
    assert end is End.HELD
    assert state.hold is not None
    assert state.hold.kind is HoldKind.DRIFT
    assert "node/api-2/version" in {item.fact for item in state.hold.differences}
    assert state.standing("api/api-2/replace") is None


@LONG
@BOTH
def test_killed_while_it_waits_it_goes_on_waiting_and_asks_nobody_twice(
    generation: Generation,
) -> None:
    world = manual_world(generation)
    person = Person(world, after_s=30.0)
    person.attend()
    document = gitops(world)
    for _ in range(6):  # more often than anything is sent again
        until_s = world.clock.elapsed_s + 4.0

        def kill(_: object, until_s: float = until_s) -> None:
            if world.clock.elapsed_s >= until_s:
                raise Killed

        world.before_request = kill
        with pytest.raises(Killed):
            attended(world, document)
    world.before_request = lambda _: None
    _, state = attended(world, document)
    assert outcome(state) is Outcome.SUCCEEDED
    assert events(world, OperationReapplied) == []
    asked = [e.operation.id for e in events(world, PersonAsked) if isinstance(e, PersonAsked)]
    assert len(asked) == len(set(asked))


@LONG
@pytest.mark.parametrize("is_done", [False, True])
def test_a_stop_that_was_asked_for_before_a_kill_is_asked_back(is_done: bool) -> None:
    """No server of 0.2.x counts workers: whether somebody has stopped them, only people know."""
    world = manual_world(Generation.V0_2)
    before = picture(world)
    person = Person(world)
    person.attend()
    document = gitops(world)
    stop = "drain/orders/stop"

    def kill(_: object) -> None:
        if stop in person.state().asked:
            raise Killed

    world.before_request = kill
    with pytest.raises(Killed):
        attended(world, document)
    world.before_request = lambda _: None
    old = cohort("orders", OLD)
    if is_done:
        person.change(SetCohort(cohort=old, spec=CohortSpec(image=OLD_WORKERS, replicas=0)))
        world.clock.sleep(1.0)
        assert world.fleet.cohorts[old].workers == []
    _, state = attended(world, document, RollbackStarted(cause="on second thought", actor="me"))
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert f"undo/{stop}/1" in state.proofs
    assert stop not in state.proofs
    assert picture(world) == before
    assert len(world.fleet.cohorts[old].workers) == 2
    assert world.lost() == []


@LONG
@BOTH
def test_with_nobody_here_nothing_is_begun_until_somebody_says_so(generation: Generation) -> None:
    world = manual_world(generation)
    document = gitops(world)
    end, state = world.apply(document)
    assert (end, state.hold is not None) == (End.HELD, True)
    assert state.hold is not None
    assert (state.hold.kind, state.hold.operation) == (HoldKind.PERSON, "schema/run")
    assert events(world, OperationIntended) == []
    assert world.apply(document)[0] is End.HELD  # the hold is repeated
    person = Person(world, after_s=0.0)
    held: list[str] = []
    for _ in range(60):
        end, state = world.apply(document)
        if end is End.OVER:
            break
        assert state.hold is not None
        held.append(state.hold.operation)
        group = state.hold.operation.rpartition("/")[0]
        begun = [e.operation.id for e in events(world, OperationIntended)]  # type: ignore[attr-defined]
        if not state.hold.operation.endswith("retired"):
            assert not any(name == state.hold.operation for name in begun), group
        person.look()
        person.approve_hold()
        world.clock.sleep(5.0)
        person.attend_once()
    assert outcome(state) is Outcome.SUCCEEDED
    assert held[:3] == ["schema/run", "schema/ledger", "api/api-1/replace"]
    # Inside the gap the second word is awaited in place.
    assert "scheduler/start" not in held
    assert {"api/api-1/replace", "scheduler/stop", "scheduler/start"} <= set(state.proofs)


def test_a_node_changed_before_the_word_is_put_back_all_the_same() -> None:
    """Asked, held, done by hand at once: the undo was journaled with the asking."""
    world = manual_world(Generation.V2)
    before = picture(world)
    person = Person(world, after_s=0.0)
    document = gitops(world)
    while True:
        end, state = world.apply(document)
        assert end is End.HELD
        assert state.hold is not None
        person.look()
        world.clock.sleep(5.0)
        if state.hold.operation == "api/api-1/replace":
            break
        person.approve_hold()
    assert world.fleet.nodes["api-1"].spec.image == NEW_SERVER
    assert state.standing("api/api-1/replace") is not Standing.INTENDED
    person.attend()
    _, state = attended(world, document, RollbackStarted(cause="on second thought", actor="me"))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert picture(world) == before
    assert "undo/api/api-1/replace/1" in person.done


def test_a_word_given_on_a_fleet_that_moved_is_void_and_asked_again() -> None:
    world = manual_world(Generation.V2)
    document = gitops(world)
    _, state = world.apply(document)
    person = Person(world, after_s=0.0)
    person.approve_hold()
    stranger = world.fleet.nodes["api-2"].spec
    world.fleet.begin(
        "stranger",
        ReplaceNode(node="api-2", spec=type(stranger)(image=NEW_SERVER, server_id="api-2")),
    )
    world.clock.sleep(5.0)
    end, state = world.apply(document)
    assert end is End.HELD
    assert state.hold is not None
    assert "asked again" in state.hold.reason
    assert events(world, ProvedByPerson) == []


def test_a_word_awaited_in_place_is_bound_to_the_fleet_too() -> None:
    world = manual_world(Generation.V2)
    person = Person(world, refuses=lambda name: name == "scheduler/start")
    person.attend()
    document = gitops(world, node_within="40s")
    spoiled: list[str] = []
    look = person.look

    def spoil() -> None:
        look()
        state = person.state()
        asked = state.asked.get("scheduler/start")
        if asked is None or spoiled:
            return
        spoiled.append("once")
        person.say(state, "scheduler/start", asked.attempt, asked.fingerprint)
        world.control(
            "POST", "/api/task-queues/orders/build-ids/drain", {"build_id": OLD}
        )  # somebody else, meanwhile

    person.look = spoil  # type: ignore[method-assign]
    _, state = attended(world, document)
    assert "scheduler/start" not in state.proofs
    assert "is void" in state.asked["scheduler/start"].request.what
