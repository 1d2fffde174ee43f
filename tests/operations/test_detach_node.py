"""Taking a node out of rotation: rule 3 in every direction, and what gives it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import ChangeKind, Done, Failed, Operation, Waiting
from rollout_kit.operations.kinds.attach_node import AttachNode
from rollout_kit.operations.node_acts import DetachNodeArguments
from rollout_kit.operations.rotation import Rotation
from rollout_kit.ports.infra import Answers, SetAttached
from tests.operations.ports import NEW, OLD, SILENT, Fleet, Run, fleet, operation, pending

ROTATION = Rotation(node="api-1", others=("api-2", "api-3"))
GOAL = {"node/api-1/version": "0.2.10", "node/api-1/attached": True}


def detach(rotation: Rotation = ROTATION, *, goal: dict[str, object] | None = None) -> Operation:
    return operation("detach_node", DetachNodeArguments(rotation=rotation), goal=goal)


def test_a_node_leaves_rotation_and_is_done_when_the_front_holds_no_connection() -> None:
    world = fleet()
    world.nodes["api-1"].connections = 4
    run = Run(fleet=world, op=detach(goal=GOAL))
    change = run.preview()
    assert (change.kind, change.details) == (
        ChangeKind.UPDATE,
        ("the front holds 4 connections to it",),
    )
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, SetAttached(node="api-1", attached=False))]
    assert isinstance(said := run.verify(0.1), Waiting)
    assert "4 connections are left" in said.progress
    world.nodes["api-1"].connections = 0
    assert run.verify(0.2) == Done(sentence="api-1 is out of rotation and holds no connection")


@pytest.mark.parametrize("connections", [None, 3])
def test_it_waits_at_most_one_poll_timeout(connections: int | None) -> None:
    world = fleet(poll_timeout_s=2.0)
    world.nodes["api-1"].connections = connections
    run = Run(fleet=world, op=detach())
    run.apply()
    assert isinstance(run.verify(1.9), Waiting)
    assert isinstance(run.verify(2.0), Done)


def test_what_it_touches_and_expects_is_the_nodes_own() -> None:
    run = Run(fleet=fleet(), op=detach())
    seen = run.look()
    assert run.kind.touches(run.op) == ("node/api-1/",)
    assert run.kind.relies_on(run.op) == ("node/api-2/attached", "node/api-3/attached")
    after = run.kind.expect(run.op, seen.observation)
    assert {k: v for k, v in after.facts.items() if seen.facts[k] != v} == {
        "node/api-1/attached": False
    }


@pytest.mark.parametrize("absent", [Absent.NO_ANSWER, Absent.PENDING])
@pytest.mark.parametrize(
    "rotation", [ROTATION, Rotation(node="api-1", others=(), accept_outage="agreed")]
)
def test_whether_it_is_in_rotation_is_heard_before_it_is_taken_out(
    rotation: Rotation, absent: Absent
) -> None:
    """The others are heard of, or there are none: a detach that went through would be sent twice."""
    run = Run(fleet=fleet(), op=detach(rotation))
    seen = run.look()
    unheard = seen.observation.with_facts({"node/api-1/attached": absent})
    said = run.kind.ready_to_apply(run.op, replace(seen, observation=unheard), run.context())
    assert isinstance(said, Waiting)
    assert said.progress == "whether api-1 is in rotation has no answer"


def test_a_crash_after_the_write_leaves_nothing_to_do_but_wait() -> None:
    world = fleet()
    world.nodes["api-1"].attached = False
    world.nodes["api-1"].connections = 1
    run = Run(fleet=world, op=detach())
    assert run.preview().kind is ChangeKind.NO_OP
    assert isinstance(run.verify(), Waiting)


def test_where_the_goal_holds_it_does_nothing_and_verifies_the_goal() -> None:
    world = fleet()
    world.nodes["api-1"].version = "0.2.10"
    run = Run(fleet=world, op=detach(goal=GOAL))
    assert run.preview().kind is ChangeKind.NO_OP
    assert isinstance(run.verify(), Done)
    world.nodes["api-1"].ready = False
    assert isinstance(run.verify(), Waiting)


def _silence_the_driver(world: Fleet) -> None:
    world.driver_fails = SILENT


def _silence_both(world: Fleet) -> None:
    world.driver_fails = SILENT
    world.nodes["api-1"].fails = SILENT


def test_without_a_spec_and_an_answer_nothing_could_put_it_back() -> None:
    world = fleet()
    _silence_both(world)
    change = Run(fleet=world, op=detach()).preview()
    assert change.kind is ChangeKind.BLOCKED
    assert change.sentence == "nobody says what api-1 runs now, so nothing could put it back"


def test_without_a_spec_it_waits_for_the_driver_before_it_writes() -> None:
    world = fleet()
    _silence_the_driver(world)
    run = Run(fleet=world, op=detach())
    assert run.preview().kind is ChangeKind.UPDATE
    assert isinstance(said := run.ready(), Waiting)
    assert "connection refused" in said.progress


def _another_is_out(world: Fleet) -> None:
    world.nodes["api-3"].attached = False


def _others_are_not_ready(world: Fleet) -> None:
    world.nodes["api-2"].ready = False
    world.nodes["api-3"].fails = SILENT


def _others_are_still_asked(world: Fleet) -> None:
    world.nodes["api-2"].fails = pending()
    world.nodes["api-3"].fails = pending()


@pytest.mark.parametrize(
    ("break_it", "progress"),
    [
        (_another_is_out, "api-3 is out of rotation, and only one node may be at a time"),
        (_others_are_not_ready, "no other node is ready"),
        (_others_are_still_asked, "its readiness is still being asked"),
    ],
)
@pytest.mark.parametrize("undoing", [False, True])
def test_rule_3_holds_forward_and_in_undos(
    break_it: Callable[[Fleet], None], progress: str, undoing: bool
) -> None:
    world = fleet()
    break_it(world)
    said = Run(fleet=world, op=detach(), undoing=undoing).ready()
    assert isinstance(said, Waiting)
    assert progress in said.progress
    assert world.begun == []


@pytest.mark.parametrize(("undoing", "answer"), [(False, Waiting), (True, Done)])
def test_in_an_undo_a_node_that_is_not_ready_may_leave_although_no_other_is_ready(
    undoing: bool, answer: type
) -> None:
    world = fleet()
    for node in world.nodes.values():
        node.ready = False
    assert isinstance(Run(fleet=world, op=detach(), undoing=undoing).ready(), answer)


def test_the_only_node_leaves_only_when_the_outage_is_accepted() -> None:
    alone = Rotation(node="api-1", others=())
    refused = Run(fleet=fleet("api-1"), op=detach(alone)).ready()
    assert isinstance(refused, Failed)
    assert "the only node" in refused.reason
    taken = Rotation(node="api-1", others=(), accept_outage="one node, at night")
    assert isinstance(Run(fleet=fleet("api-1"), op=detach(taken)).ready(), Done)


def test_its_undo_attaches_the_node_again_once_it_is_what_it_was() -> None:
    world = fleet()
    (attach,) = Run(fleet=world, op=detach(goal=GOAL)).undo()
    assert (attach.kind, attach.group, attach.follows) == (AttachNode.kind, None, ())
    world.nodes["api-1"].attached = False
    world.nodes["api-1"].spec = world.nodes["api-1"].spec.__class__(image=NEW, server_id="api-1")
    run = Run(fleet=world, op=attach, undoing=True)
    assert isinstance(said := run.ready(), Waiting)
    assert 'version is "0.2.10", expected "0.2.9"' in said.progress
    world.nodes["api-1"].spec = world.nodes["api-1"].spec.__class__(image=OLD, server_id="api-1")
    assert isinstance(run.ready(), Done)


def test_without_a_say_in_rotation_it_leaves_that_to_the_restart() -> None:
    world = fleet()
    world.can = frozenset(Answers) - {Answers.MEMBERSHIP, Answers.CONNECTIONS}
    run = Run(fleet=world, op=detach())
    assert run.preview().kind is ChangeKind.NO_OP
    assert isinstance(run.verify(), Done)
