"""Rule 4 and rule 5: a node returns when it is ready and right; one node is told from all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.operation import ChangeKind, Done, Failed, Operation, Waiting
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.node_acts import AwaitNodeArguments
from rollout_kit.operations.node_identity import NodeIdentity
from rollout_kit.operations.rotation import Rotation
from rollout_kit.operations.skew import Protocols
from rollout_kit.ports.engine import Topology
from rollout_kit.ports.infra import Answers, ProcessSpec
from tests.operations.ports import NEW, SILENT, Fleet, Run, fleet, operation, pending, run_to_end

ROTATION = Rotation(node="api-1", others=("api-2", "api-3"))
TOPOLOGY = Topology(
    shape="standalone_server",
    process_class="server_http_node",
    roles=("api_ingress", "matching"),
    matching={"queue_wake_enabled": True},
)
IDENTITY = NodeIdentity(shows={"version": "0.2.10"}, server_id="api-1")


def wait(identity: NodeIdentity = IDENTITY, rotation: Rotation = ROTATION) -> Operation:
    return operation("await_node", AwaitNodeArguments(rotation=rotation, identity=identity))


def restarted(*names: str) -> Fleet:
    world = fleet(*names)
    node = world.nodes["api-1"]
    node.spec, node.attached = ProcessSpec(image=NEW, server_id="api-1"), False
    return world


def test_a_ready_node_with_the_right_identity_is_done_at_once() -> None:
    run = Run(fleet=restarted(), op=wait())
    assert run.preview().kind is ChangeKind.CHECK
    assert run.verify() == Done(sentence="api-1 is ready and shows version 0.2.10")


def _wrong_version(world: Fleet) -> None:
    world.nodes["api-1"].version = "0.2.11"


def _wrong_server(world: Fleet) -> None:
    world.nodes["api-1"].server_id = "api-9"


def _wrong_topology(world: Fleet) -> None:
    world.nodes["api-1"].topology = Topology(
        shape="embedded", process_class="application_process", roles=()
    )


def _wrong_control_plane(world: Fleet) -> None:
    world.nodes["api-1"].control_plane = "3"


def _wrong_worker_protocol(world: Fleet) -> None:
    world.nodes["api-1"].worker_protocol = "2.0"


@pytest.mark.parametrize(
    ("break_it", "both"),
    [
        (_wrong_version, 'version is "0.2.11", expected "0.2.10"'),
        (_wrong_server, 'server_id is "api-9", expected "api-1"'),
        (_wrong_topology, 'topology is "embedded/application_process//", expected'),
        (_wrong_control_plane, "api-1 speaks control plane 3, api-2 2"),
        (_wrong_worker_protocol, "api-1 speaks worker protocol 2.0, api-2 1.19"),
    ],
)
def test_rule_4_ready_but_wrong_in_two_looks_is_a_failure(
    break_it: Callable[[Fleet], None], both: str
) -> None:
    world = restarted()
    for node in world.nodes.values():
        node.topology = TOPOLOGY
    break_it(world)
    identity = NodeIdentity(
        shows={"version": "0.2.10"}, server_id="api-1", topology=TOPOLOGY.canonical
    )
    run = Run(fleet=world, op=wait(identity))
    assert isinstance(run.verify(), Waiting)
    said = run.verify(0.5)
    assert isinstance(said, Failed)
    assert both in said.reason


def test_one_wrong_look_alone_decides_nothing() -> None:
    world = restarted()
    world.nodes["api-1"].version = "0.2.9"
    run = Run(fleet=world, op=wait())
    assert isinstance(run.verify(), Waiting)
    world.nodes["api-1"].version = None
    assert isinstance(run.verify(0.5), Done)


def test_declared_protocols_are_asked_for_exactly() -> None:
    identity = NodeIdentity(shows={"version": "0.2.10"}, worker_protocol=("1.20",))
    said = run_to_end(restarted(), wait(identity))
    assert isinstance(said, Failed)
    assert "it speaks worker protocol 1.19, declared 1.20" in said.reason


def test_the_only_node_is_compared_with_what_it_was() -> None:
    before = Protocols(
        holder="api-1", control_plane="1", worker_protocol="1.19", accepts_lower_minors=True
    )
    identity = NodeIdentity(shows={"version": "0.2.10"}, beside=before)
    alone = Rotation(node="api-1", others=())
    assert isinstance(run_to_end(restarted("api-1"), wait(identity, alone)), Failed)


def test_slow_and_unanswered_readiness_is_waited_for_never_a_failure() -> None:
    world = restarted()
    run = Run(fleet=world, op=wait())
    for trouble in (SILENT, pending(), SILENT):
        world.nodes["api-1"].fails = trouble
        assert isinstance(run.verify(run.now_s + 40.0), Waiting)
    world.nodes["api-1"].fails = None
    assert isinstance(run.verify(), Done)


def test_rule_5_this_node_alone_is_not_ready() -> None:
    world = restarted()
    world.nodes["api-1"].ready = False
    world.nodes["api-1"].failing = {"migrations": "missing"}
    said = Run(fleet=world, op=wait()).verify()
    assert isinstance(said, Waiting)
    assert said.progress == (
        "api-1: not ready (migrations: missing) (the others are ready: it is this node)"
    )


def test_rule_5_nothing_is_ready() -> None:
    world = restarted()
    for node in world.nodes.values():
        node.ready = False
        node.failing = {"database": "unavailable"}
    said = Run(fleet=world, op=wait()).verify()
    assert isinstance(said, Waiting)
    assert said.progress.startswith("nothing is ready")
    assert "database and cache" in said.progress


def test_build_ids_must_answer_through_the_node_as_through_the_others() -> None:
    world = restarted()
    world.nodes["api-1"].builds = ()
    run = Run(fleet=world, op=wait())
    said = run.verify()
    assert isinstance(said, Waiting)
    assert "build ids of orders differ: none through api-1, ['old'] through api-2" in said.progress
    world.nodes["api-1"].builds = ("old",)
    assert isinstance(run.verify(), Done)


def test_a_marker_is_checked_against_what_the_node_itself_pins_to() -> None:
    world = restarted()
    world.nodes["api-1"].spec = ProcessSpec(image=NEW, marker="new", server_id="api-1")
    world.nodes["api-1"].marker = "old"
    identity = NodeIdentity(shows={"marker": "new"})
    said = Run(fleet=world, op=wait(identity)).verify()
    assert isinstance(said, Waiting)
    assert 'it pins new runs to "old", expected "new"' in said.progress
    world.nodes["api-1"].marker = None
    assert isinstance(run_to_end(world, wait(identity)), Done)
    world.admin = False
    assert isinstance(run_to_end(world, wait(identity)), Done)


def test_evidence_that_nobody_can_read_is_no_evidence() -> None:
    world = restarted()
    world.admin = False
    identity = NodeIdentity(shows={"ref": "0.2.10"})
    said = Run(fleet=world, op=wait(identity)).verify()
    assert isinstance(said, Waiting)
    assert "does not say what it is: ref: not read" in said.progress


def test_provenance_tells_by_its_ref() -> None:
    world = restarted()
    world.nodes["api-1"].provenance = "github.com/x@0.2.10#abc"
    assert isinstance(run_to_end(world, wait(NodeIdentity(shows={"ref": "0.2.10"}))), Done)


def test_a_silent_node_is_asked_nothing_but_its_readiness() -> None:
    world = restarted()
    world.nodes["api-1"].fails = SILENT
    Run(fleet=world, op=wait()).look()
    assert [asked for asked in world.asked if "api-1" in asked] == ["readiness api-1"]


def test_a_node_that_is_not_ready_yet_is_asked_for_nothing_but_its_readiness() -> None:
    world = restarted()
    world.nodes["api-1"].ready = False
    Run(fleet=world, op=wait()).verify()
    assert [call for call in world.asked if call.endswith("api-1")] == ["readiness api-1"]


def test_of_a_fellow_only_readiness_and_what_it_speaks_are_asked_once() -> None:
    world = restarted()
    Run(fleet=world, op=wait()).verify()
    asked = ["readiness api-1", "info api-1", "readiness api-2", "info api-2"]
    assert world.asked == asked


def test_a_program_that_ended_by_itself_is_a_failure_after_two_looks_with_its_last_lines() -> None:
    world = restarted()
    world.nodes["api-1"].fails, world.nodes["api-1"].processes = SILENT, 0
    end = ProgramEnd(exit_status=3, after_s=0.42, last_lines="starting\nno such table: nodes")
    world.ends["node/api-1"] = end
    run = Run(fleet=world, op=wait())
    first = run.verify()
    assert isinstance(first, Waiting)
    assert first.retry_after_s == 0.5
    said = run.verify(0.5)
    assert isinstance(said, Failed)
    assert said.reason == (
        "api-1's program ended by itself (exit status 3) 0.4 s after it was started;"
        " its last lines: starting / no such table: nodes"
    )


def test_a_program_that_somebody_restarts_between_two_looks_is_waited_for() -> None:
    world = restarted()
    world.nodes["api-1"].fails, world.nodes["api-1"].processes = SILENT, 0
    world.ends["node/api-1"] = ProgramEnd(exit_status=-9)
    run = Run(fleet=world, op=wait())
    for at_s, processes in enumerate((0, 1, 0, 1)):
        world.nodes["api-1"].processes = processes
        assert isinstance(run.verify(float(at_s)), Waiting)
    world.nodes["api-1"].fails = None
    assert isinstance(run.verify(), Done)


def test_without_a_count_of_processes_a_silent_node_is_waited_for() -> None:
    world = restarted()
    world.nodes["api-1"].fails, world.nodes["api-1"].processes = SILENT, 0
    assert isinstance(run_to_end(world, wait()), Waiting), "the driver tells of no end"
    world.ends["node/api-1"] = ProgramEnd()
    world.can = world.can - {Answers.PROCESSES}
    assert isinstance(run_to_end(world, wait()), Waiting), "the driver cannot count"
