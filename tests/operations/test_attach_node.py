"""Giving a node its place back: never before it is ready and right, three probes afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.operation import ChangeKind, Done, Operation, Waiting
from rollout_kit.operations.node_acts import AttachNodeArguments
from rollout_kit.operations.node_identity import NodeIdentity
from rollout_kit.operations.rotation import Rotation
from rollout_kit.ports.infra import Answers, ProcessSpec, SetAttached
from tests.operations.ports import NEW, SILENT, Fleet, Run, fleet, operation

ROTATION = Rotation(node="api-1", others=("api-2", "api-3"))
IDENTITY = NodeIdentity(shows={"version": "0.2.10"})
GOAL = {"node/api-1/version": "0.2.10", "node/api-1/attached": True}


def attach() -> Operation:
    return operation(
        "attach_node", AttachNodeArguments(rotation=ROTATION, identity=IDENTITY), goal=GOAL
    )


def restarted() -> Fleet:
    world = fleet()
    world.nodes["api-1"].attached = False
    world.nodes["api-1"].spec = ProcessSpec(image=NEW, server_id="api-1")
    return world


def test_it_is_done_after_three_good_probes_in_a_row() -> None:
    world = restarted()
    run = Run(fleet=world, op=attach())
    assert run.preview().kind is ChangeKind.UPDATE
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, SetAttached(node="api-1", attached=True))]
    assert isinstance(run.verify(), Waiting)
    assert isinstance(run.verify(), Waiting)
    assert isinstance(run.verify(), Done)


def test_a_bad_probe_starts_the_row_again() -> None:
    world = restarted()
    run = Run(fleet=world, op=attach())
    run.apply()
    run.verify()
    run.verify()
    world.nodes["api-1"].ready = False
    assert isinstance(run.verify(), Waiting)
    world.nodes["api-1"].ready = True
    answers = [type(run.verify()) for _ in range(3)]
    assert answers == [Waiting, Waiting, Done]


@pytest.mark.parametrize("undoing", [False, True])
def test_rule_4_stands_before_the_write_forward_and_in_undos(undoing: bool) -> None:
    world = restarted()
    run = Run(fleet=world, op=attach(), undoing=undoing)
    world.nodes["api-1"].version = "0.2.9"
    assert isinstance(run.ready(), Waiting)
    world.nodes["api-1"].version = None
    world.nodes["api-1"].ready = False
    assert isinstance(run.ready(), Waiting)
    world.nodes["api-1"].ready = True
    assert isinstance(run.ready(), Done)


def test_an_attached_node_is_left_alone_and_still_looked_at() -> None:
    world = restarted()
    world.nodes["api-1"].attached = True
    run = Run(fleet=world, op=attach())
    assert run.preview().kind is ChangeKind.NO_OP
    assert [type(run.verify()) for _ in range(2)] == [Waiting, Done]  # the preview looked too
    world.nodes["api-1"].fails = SILENT
    assert isinstance(run.verify(), Waiting)


def test_what_it_touches_and_expects() -> None:
    run = Run(fleet=restarted(), op=attach())
    seen = run.look()
    assert run.kind.touches(run.op) == ("node/api-1/",)
    after = run.kind.expect(run.op, seen.observation)
    assert {k: v for k, v in after.facts.items() if seen.facts[k] != v} == {
        "node/api-1/attached": True
    }


def test_its_undo_takes_the_node_out_under_rule_3() -> None:
    world = restarted()
    (detach,) = Run(fleet=world, op=attach()).undo()
    world.nodes["api-1"].attached = True
    run = Run(fleet=world, op=detach, undoing=True)
    assert run.preview().kind is ChangeKind.UPDATE
    world.nodes["api-2"].attached = False
    assert isinstance(run.ready(), Waiting)
    world.nodes["api-2"].attached = True
    assert isinstance(run.ready(), Done)


def test_undoing_it_where_the_node_never_came_in_does_nothing() -> None:
    world = restarted()
    (detach,) = Run(fleet=world, op=attach()).undo()
    assert Run(fleet=world, op=detach, undoing=True).preview().kind is ChangeKind.NO_OP


def test_without_a_say_in_rotation_it_waits_until_the_target_answers_as_the_node() -> None:
    world = restarted()
    world.can = frozenset(Answers) - {Answers.MEMBERSHIP}
    seen_there = replace(IDENTITY, server_id="api-1")
    arguments = AttachNodeArguments(rotation=ROTATION, identity=seen_there)
    run = Run(fleet=world, op=operation("attach_node", arguments))
    world.target_answers = "api-2"
    assert run.preview().kind is ChangeKind.NO_OP
    for _ in range(3):
        said = run.verify()
        assert isinstance(said, Waiting)
    assert said.progress == "api-1 was not seen: the target's address answered as api-2"
    world.target_answers = "api-1"
    assert isinstance(run.verify(), Done)
    world.target_answers = "api-3"  # seen once is seen
    assert isinstance(run.verify(), Done)
    assert world.begun == []
