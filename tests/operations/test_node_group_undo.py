"""The undos of a node's group, in reverse order of their intents: back from wherever it was left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.observation import Facts
from rollout_kit.model.operation import ChangeKind, Done, Operation, Undo
from rollout_kit.operations.kinds.attach_node import AttachNode
from rollout_kit.operations.node_acts import (
    AttachNodeArguments,
    AwaitNodeArguments,
    DetachNodeArguments,
    ReplaceNodeArguments,
)
from rollout_kit.operations.node_identity import NodeIdentity
from rollout_kit.operations.reading import read_all_nodes
from rollout_kit.operations.registry import KINDS
from rollout_kit.operations.rotation import Rotation
from rollout_kit.ports.infra import ReplaceNode, SetAttached
from tests.operations.ports import NEW, OLD, Fleet, Run, fleet, operation, run_to_end

ROTATION = Rotation(node="api-1", others=("api-2", "api-3"))
IDENTITY = NodeIdentity(shows={"version": "0.2.10"})
GOAL = {"node/api-1/version": "0.2.10", "node/api-1/attached": True}
GROUP = (
    operation("detach_node", DetachNodeArguments(rotation=ROTATION), goal=GOAL),
    operation(
        "replace_node",
        ReplaceNodeArguments(rotation=ROTATION, image=NEW, shows={"version": "0.2.10"}),
        goal=GOAL,
    ),
    operation("await_node", AwaitNodeArguments(rotation=ROTATION, identity=IDENTITY), goal=GOAL),
    operation("attach_node", AttachNodeArguments(rotation=ROTATION, identity=IDENTITY), goal=GOAL),
)


def carry_out(world: Fleet, count: int, *, last_sent: bool) -> list[tuple[Operation, ...]]:
    """The first operations of the group with their journaled undos; the last one perhaps never sent."""
    undos: list[tuple[Operation, ...]] = []
    for n, op in enumerate(GROUP[:count], start=1):
        run = Run(fleet=world, op=op)
        if run.preview().kind is ChangeKind.UPDATE:
            undo = run.kind.compensate(op, run.look().facts)
            assert isinstance(undo, Undo)
            undos.append(undo.restore)
        if n < count or last_sent:
            assert isinstance(run_to_end(world, op), Done)
    return undos


def roll_back(world: Fleet, undos: list[tuple[Operation, ...]]) -> None:
    for restore in reversed(undos):
        for op in restore:
            assert isinstance(run_to_end(world, op, undoing=True), Done), op.id


def facts(world: Fleet) -> Facts:
    return read_all_nodes(world.readers(), 0.0).facts


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("last_sent", [False, True])
def test_the_node_is_as_it_was_wherever_the_group_was_left(count: int, last_sent: bool) -> None:
    world = fleet()
    before = facts(world)
    undos = carry_out(world, count, last_sent=last_sent)
    roll_back(world, undos)
    assert facts(world) == before


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_nothing_is_done_twice(count: int) -> None:
    world = fleet()
    undos = carry_out(world, count, last_sent=True)
    world.begun.clear()
    roll_back(world, undos)
    kinds = [type(change).__name__ for _, change in world.begun]
    assert kinds.count("ReplaceNode") <= 1
    assert kinds.count("SetAttached") <= 2


def test_a_node_that_was_out_before_stays_out_with_its_old_spec() -> None:
    world = fleet()
    world.nodes["api-1"].attached = False
    before = facts(world)
    undos = carry_out(world, 4, last_sent=True)
    assert world.nodes["api-1"].attached
    roll_back(world, undos)
    assert facts(world) == before


def test_a_whole_cutover_is_undone_node_by_node_and_never_leaves_fewer_than_two_in() -> None:
    world = fleet()
    before = facts(world)
    journal: list[tuple[Operation, ...]] = []
    for name in world.nodes:
        others = tuple(node for node in world.nodes if node != name)
        rotation = Rotation(node=name, others=others)
        for op in GROUP:
            arguments = {**op.arguments, "rotation": _json(rotation)}
            goal = {f"node/{name}/version": "0.2.10", f"node/{name}/attached": True}
            assert op.group is not None
            own = replace(op, arguments=arguments, group=replace(op.group, id=name, goal=goal))
            run = Run(fleet=world, op=own)
            if run.preview().kind is ChangeKind.UPDATE:
                undo = run.kind.compensate(own, run.look().facts)
                assert isinstance(undo, Undo)
                journal.append(undo.restore)
            assert isinstance(run_to_end(world, own), Done)
    assert {node.spec.image for node in world.nodes.values()} == {NEW}
    world.begun.clear()
    in_rotation = set(world.nodes)
    roll_back(world, journal)
    for _, change in world.begun:
        if isinstance(change, SetAttached):
            in_rotation ^= {change.node}
        if isinstance(change, ReplaceNode):
            assert change.spec.image == OLD
        assert len(in_rotation) >= 2
    assert facts(world) == before


def test_two_old_nodes_that_do_not_come_up_leave_the_third_in() -> None:
    world = fleet()
    undos = carry_out(world, 4, last_sent=True)
    for op in [op for restore in reversed(undos) for op in restore][:2]:
        run_to_end(world, op, undoing=True)
    world.nodes["api-1"].ready = False
    attach = next(op for restore in undos for op in restore if op.kind == AttachNode.kind)
    assert not isinstance(run_to_end(world, attach, undoing=True), Done)
    other = Rotation(node="api-2", others=("api-1", "api-3"))
    leave = operation("detach_node", DetachNodeArguments(rotation=other))
    assert not isinstance(run_to_end(world, leave, undoing=True), Done)
    assert world.nodes["api-2"].attached


def test_every_undo_of_the_group_is_of_a_known_kind_and_in_no_group() -> None:
    undos = carry_out(fleet(), 4, last_sent=True)
    for restore in undos:
        for op in restore:
            assert op.kind in KINDS
            assert (op.group, op.follows) == (None, ())


def _json(rotation: Rotation) -> object:
    arguments = operation("detach_node", DetachNodeArguments(rotation=rotation)).arguments
    return arguments["rotation"]
