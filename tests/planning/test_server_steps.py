"""`bootstrap`, `api-cutover` and `scheduler-handover`: what they become, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.document.plan import PlanDocument, TopologyDeclaration
from rollout_kit.model import codec
from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import ChangeKind, Operation
from rollout_kit.operations.node_acts import (
    AwaitNodeArguments,
    DetachNodeArguments,
    ReplaceNodeArguments,
)
from rollout_kit.operations.rotation import Rotation
from rollout_kit.operations.scheduler_acts import StartSchedulerArguments
from rollout_kit.operations.schema import SchemaArguments
from rollout_kit.operations.specs import spec_facts
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import staged
from rollout_kit.planning.node_group import topology_after
from rollout_kit.ports.infra import ProcessSpec
from tests.planning.fleets import (
    FLEET_ENVIRONMENT,
    NEW,
    OLD,
    Fleet,
    arrived,
    document,
    newer,
    older,
)

SCHEMA = "  - {id: schema, uses: bootstrap, with: {additive: true}}\n"
API = "  - {id: api, uses: api-cutover}\n"
SERVER = "server: {from: 0.2.9, to: 0.2.10, image: server-new}"
NODES = '    - {name: api-2, url: "http://api-2:8080"}\n'
ACCEPT = '  accept: {outage: "one node, at night"}\n'


def operations(fleet: Fleet, plan: PlanDocument) -> dict[str, Operation]:
    return {op.id: op for op in fleet.planned(plan).plan.operations}


def problem(fleet: Fleet, plan: PlanDocument, summary: str) -> Problem:
    found = fleet.planned(plan).problems
    named = [item for item in found if item.summary == summary]
    assert len(named) == 1, found
    return named[0]


def server(text: str, steps: str = "", *more: tuple[str, str]) -> PlanDocument:
    return document((SERVER, f"server: {{{text}}}"), *more, steps=steps)


# --- bootstrap ------------------------------------------------------------------------------------


def test_bootstrap_with_additive_runs_at_once() -> None:
    found = operations(newer(), document(steps=SCHEMA))
    assert list(found) == ["schema/check", "schema/run", "schema/ledger", "schema/nodes"]
    arguments = codec.from_json(SchemaArguments, found["schema/run"].arguments)
    assert arguments == SchemaArguments(target="orders-prod", revision="0.2.10", image=NEW)


def test_without_additive_the_ledger_is_asked_ahead_of_the_job() -> None:
    found = operations(newer(), document(steps="  - {id: schema, uses: bootstrap}\n"))
    assert list(found)[:3] == ["schema/check", "schema/pending", "schema/run"]
    assert codec.from_json(SchemaArguments, found["schema/pending"].arguments).before


def test_the_nodes_are_looked_at_only_where_the_schema_was_written_to() -> None:
    found = operations(newer(), document(steps=SCHEMA))
    assert found["schema/check"].follows == ()
    assert found["schema/nodes"].follows == ("schema/run", "schema/ledger")


def test_a_gate_of_the_step_follows_what_it_wrote() -> None:
    gated = "  - {id: schema, uses: bootstrap, with: {additive: true}, gates: [served]}\n"
    found = operations(newer(), document(steps=gated))
    assert found["schema/gate/served"].follows == ("schema/run", "schema/ledger")


# --- api-cutover ----------------------------------------------------------------------------------


def test_each_node_is_a_group_with_the_goal_that_tells_it() -> None:
    found = operations(newer(), document())
    group = found["api/api-1/detach"].group
    assert group is not None
    assert group.goal == {"node/api-1/version": "0.2.10", "node/api-1/attached": True}
    members = [op.id for op in found.values() if op.group == group]
    assert [path.rpartition("/")[2] for path in members] == ["detach", "replace", "ready", "attach"]
    assert found["api/api-1/bake"].follows == tuple(members)


def test_the_replacement_knows_schema_spec_and_fellows() -> None:
    found = operations(newer(), document())
    arguments = codec.from_json(ReplaceNodeArguments, found["api/api-2/replace"].arguments)
    assert (arguments.image, arguments.set_marker, arguments.revision) == (NEW, False, "0.2.10")
    assert arguments.rotation.others == ("api-1",)
    assert arguments.base == ProcessSpec(image=OLD, environment=FLEET_ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("from: 0.2.9, to: 0.2.10, image: server-new, identity: version", ("version", "0.2.10")),
        (
            "from: 0.2.9, to: 0.2.10, image: server-new, identity: infra, from_image: server-old",
            ("image", NEW),
        ),
    ],
)
def test_the_identity_of_the_release_is_the_goal(text: str, goal: tuple[str, str]) -> None:
    found = operations(newer(), server(text, SCHEMA + API))
    group = found["api/api-1/attach"].group
    assert group is not None
    assert group.goal == {f"node/api-1/{goal[0]}": goal[1], "node/api-1/attached": True}


def test_a_restart_needs_no_schema() -> None:
    restart = "from: 0.2.9, to: 0.2.9, image: server-new, identity: infra, from_image: server-old"
    fleet = newer()
    plan = server(restart, API)
    assert fleet.planned(plan).problems == ()
    replaced = operations(fleet, plan)["api/api-1/replace"]
    assert codec.from_json(ReplaceNodeArguments, replaced.arguments).revision is None


def test_promote_changes_the_marker_in_the_same_restart() -> None:
    found = operations(older(), document(steps=SCHEMA + _promote()))
    group = found["api/api-1/detach"].group
    assert group is not None
    assert group.goal["node/api-1/marker"] == "build-2"
    arguments = codec.from_json(ReplaceNodeArguments, found["api/api-1/replace"].arguments)
    assert (arguments.set_marker, arguments.marker) == (True, "build-2")
    ready = codec.from_json(AwaitNodeArguments, found["api/api-1/ready"].arguments)
    assert ready.identity.shows == {"version": "0.2.10", "marker": "build-2"}


def test_promote_is_refused_where_no_marker_routes() -> None:
    found = problem(newer(), document(steps=SCHEMA + _promote()), "No marker to change")
    assert found.rule == 18


def test_maintenance_follows_the_nodes() -> None:
    spec = ProcessSpec(image=OLD)
    more = spec_facts(lambda name: f"maintenance/repair%20loop/{name}", spec)
    found = operations(replace(newer(), more=more), document(steps=SCHEMA + API))
    assert list(found)[-1] == "api/maintenance/repair loop/replace"


def test_a_cutover_that_arrived_has_nothing_to_do_and_refuses_nothing() -> None:
    there = replace(arrived(newer()), more={"node/api-2/attached": True})
    planning = there.planned(document(steps=SCHEMA + API))
    stages = staged(planning.plan.operations, there.observation, there.situation)
    assert {stage.change.kind for stage in stages} == {ChangeKind.NO_OP, ChangeKind.CHECK}
    assert planning.problems == ()


def test_rule_3_the_only_node_needs_an_accepted_outage() -> None:
    alone = replace(older(), images={"api-1": OLD})
    walk = "  - {id: go, uses: promote, with: {task_queue: critical, cohort: build-2}}\n"
    found = problem(alone, document((NODES, ""), steps=walk), "The only node would be taken out")
    assert (found.rule, found.accept) == (3, "outage")
    accepted = alone.planned(document((NODES, ACCEPT), steps=SCHEMA + API))
    assert accepted.problems == ()
    group = accepted.plan.operation("api/api-1/detach")
    rotation = codec.from_json(DetachNodeArguments, group.arguments).rotation
    assert rotation == Rotation(node="api-1", others=(), accept_outage="one node, at night")


def test_rule_3_a_node_that_is_out_already_goes_first() -> None:
    out = replace(newer(), more={"node/api-2/attached": False})
    plan = document(steps=SCHEMA + API)
    assert problem(out, plan, "A node is out of rotation already").rule == 3
    first = "  - {id: api, uses: api-cutover, with: {order: [api-2, api-1]}}\n"
    assert out.planned(document(steps=SCHEMA + first)).problems == ()


def test_rule_4_evidence_that_no_node_shows_is_refused() -> None:
    text = "from: 0.2.9, to: 0.2.10, image: server-new, identity: provenance"
    found = problem(newer(), server(text, SCHEMA + API), "Nothing tells old and new nodes apart")
    assert found.rule == 4
    assert "api-1, api-2 shows no provenance" in found.detail


def test_rule_4_a_version_that_the_old_image_shows_already_tells_nothing() -> None:
    lies = replace(newer(), more={"node/api-1/version": "0.2.10"})
    text = "from: 0.2.9, to: 0.2.10, image: server-new, from_image: server-old"
    found = problem(lies, server(text, SCHEMA + API), "Nothing tells old and new nodes apart")
    assert "api-1 runs image server-old and shows 0.2.10" in found.detail


def test_what_the_driver_did_not_say_is_noted_not_refused() -> None:
    names = ("image", "marker", "spec", "spec_json")
    more = {f"node/api-1/{name}": Absent.NOT_READ for name in names}
    planning = replace(newer(), more=more).planned(document(steps=SCHEMA + API))
    assert "not read, judged at apply: what api-1 runs" in planning.notes["api"]
    assert planning.problems == ()


@pytest.mark.parametrize(
    ("declared", "after"),
    [
        (None, "standalone_server/server_http_node/a+b/queue_wake_enabled=True,shape=in_worker"),
        (
            TopologyDeclaration(
                shape=None,
                process_class="ingress_node",
                roles=("c", "a"),
                matching_role=(("queue_wake_enabled", False), ("shape", "dedicated")),
            ),
            "standalone_server/ingress_node/a+c/queue_wake_enabled=False,shape=dedicated",
        ),
    ],
)
def test_the_topology_is_as_before_or_as_declared(
    declared: TopologyDeclaration | None, after: str
) -> None:
    before = "standalone_server/server_http_node/a+b/queue_wake_enabled=True,shape=in_worker"
    assert topology_after(before, declared) == after
    assert topology_after(Absent.NO_ANSWER, declared) is None


# --- scheduler-handover ---------------------------------------------------------------------------


def test_the_scheduler_keeps_marker_and_environment() -> None:
    fleet = older()
    found = operations(fleet, document())
    start = codec.from_json(StartSchedulerArguments, found["sched/start"].arguments)
    assert start.spec == ProcessSpec(image=NEW, marker="build-1")
    assert (start.revision, start.pins, start.gap_at_most_s) == ("0.2.10", None, 30.0)
    group = found["sched/stop"].group
    assert group is not None
    assert group.goal == {"scheduler/image": NEW, "scheduler/running": True}
    assert found["sched/caught-up"].group is None
    assert found["sched/caught-up"].follows == ("sched/stop", "sched/start")


def test_without_a_scheduler_there_is_nothing_to_hand_over() -> None:
    none = spec_facts(lambda name: f"scheduler/{name}", None)
    fleet = replace(newer(), more={**none, "scheduler/running": False})
    assert problem(fleet, document(), "No scheduler to hand over").step == "sched"


def _promote() -> str:
    return "  - {id: api, uses: api-cutover, with: {promote: true}}\n"
