"""The adapter over the emulator's WSGI applications, in both generations, without a socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.wire import wsgi
from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.engine import StartRequest
from rollout_kit.ports.errors import Conflict, Incompatible, NotYet, Refused, Trouble, Unavailable
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.secret import Secret
from rollout_kit.transport.wsgi import WsgiApplication, WsgiExchange
from tests.emulator.cluster import TOKENS, Cluster, Node

OLD, NEW = Generation.V0_2, Generation.V2
QUEUE = QueueRef(namespace="default", task_queue="q")


def cohort(build: str | None, queue: str = "q") -> CohortRef:
    return CohortRef(namespace="default", task_queue=queue, build_id=build)


def start(workflow_id: str, **changes: Any) -> StartRequest:
    plain = StartRequest(
        queue=QUEUE, workflow_type="order", workflow_id=workflow_id, run_timeout_s=60,
        build_id=None, node=None,
    )  # fmt: skip
    return replace(plain, **changes)


@dataclass
class World:
    """A cluster of two nodes; the front address is the first one."""

    generation: Generation
    cluster: Cluster
    nodes: dict[str, Node] = field(default_factory=dict)
    applications: dict[str, WsgiApplication] = field(default_factory=dict)

    def node(self, name: str, **settings: Any) -> Node:
        made = self.cluster.node(server_id=name, **settings)
        self.nodes[name] = made
        self.applications[f"http://{name}"] = wsgi(made.handle)
        self.applications.setdefault("http://front", wsgi(made.handle))
        return made

    def engine(
        self, *, admin: str | None = TOKENS["admin"], operator: str = TOKENS["operator"]
    ) -> DurableWorkflowEngine:
        patience = Patience(sleep=lambda _: None, monotonic_s=lambda: 0.0)
        client = JsonClient(WsgiExchange(self.applications), InlineFlights(), patience)
        return DurableWorkflowEngine(
            url="http://front/",
            nodes={name: f"http://{name}" for name in ("api-1", "api-2")},
            operator=Secret(operator),
            admin=Secret(admin) if admin else None,
            client=client,
            monotonic_s=lambda: 0.0,
        )


def world(generation: Generation, **settings: Any) -> World:
    cluster = Cluster(MemoryStore(), generation)
    cluster.bootstrap()
    made = World(generation, cluster)
    made.node("api-1", **settings)
    made.node("api-2", **settings)
    return made


@pytest.fixture(params=[OLD, NEW], ids=str)
def either(request: pytest.FixtureRequest) -> World:
    return world(request.param)


@pytest.fixture
def older() -> World:
    return world(OLD)


@pytest.fixture
def newer() -> World:
    return world(NEW)


def test_each_node_is_asked_at_its_own_address(either: World) -> None:
    engine = either.engine()
    assert [engine.cluster_info(name).server_id for name in ("api-1", "api-2", None)] == [
        "api-1",
        "api-2",
        "api-1",
    ]
    assert engine.readiness("api-2").ready


def test_a_node_that_went_down_refuses_and_one_without_address_is_named(either: World) -> None:
    del either.applications["http://api-2"]
    with pytest.raises(Unavailable, match="http://api-2 refused"):
        either.engine().readiness("api-2")
    with pytest.raises(Refused, match="no address of a node named 'api-9'; known are api-1, api-2"):
        either.engine().readiness("api-9")


def test_a_node_before_its_bootstrap_is_not_ready_and_says_why() -> None:
    bare = World(NEW, Cluster(MemoryStore(), NEW))
    bare.node("api-1")
    found = bare.engine().readiness("api-1")
    assert not found.ready
    assert "migrations" in found.diagnosis


def test_topology_tells_the_generations_apart(older: World, newer: World) -> None:
    old, new = older.engine().cluster_info("api-1"), newer.engine().cluster_info("api-1")
    assert (old.topology, old.accepts_lower_minors, old.worker_protocol) == (None, False, "1.0")
    assert new.topology is not None
    assert (new.topology.shape, new.topology.process_class) == (
        "standalone_server",
        "server_http_node",
    )
    assert "api_ingress" in new.topology.roles
    assert (new.accepts_lower_minors, new.heartbeat_interval_s) == (True, 10.0)


def test_a_cohort_is_drained_and_resumed(either: World) -> None:
    engine = either.engine()
    either.nodes["api-1"].join("w1", "b1")
    engine.drain(cohort("b1"))
    drained = engine.cohorts(QUEUE).row(cohort("b1"))
    assert drained is not None
    assert drained.drain_intent == "draining"
    engine.resume(cohort("b1"))
    resumed = engine.cohorts(QUEUE, "api-2").row(cohort("b1"))
    assert resumed is not None
    assert (resumed.drain_intent, resumed.active, resumed.total) == ("active", 1, 1)


def test_the_unversioned_cohort_is_none_on_both_sides(either: World) -> None:
    either.nodes["api-1"].join("w1")
    either.engine().drain(cohort(None))
    (row,) = either.engine().cohorts(QUEUE).rows
    assert (row.cohort.build_id, row.drain_intent) == (None, "draining")


@pytest.mark.parametrize("name", ["a b", "a:b", "a%b", "größe", ".", "..", "a?b#c"])
def test_odd_queue_names_survive_the_way(either: World, name: str) -> None:
    either.nodes["api-1"].join("w1", "b1", queue=name)
    engine = either.engine()
    engine.drain(cohort("b1", name))
    (row,) = engine.cohorts(QueueRef(namespace="default", task_queue=name)).rows
    assert row.drain_intent == "draining"
    assert name in engine.queues("default")


def test_a_slash_in_a_queue_name_is_refused_before_anything_is_sent(either: World) -> None:
    either.applications.clear()
    with pytest.raises(Refused, match="'a/b' cannot be put into an address"):
        either.engine().drain(cohort("b1", "a/b"))


def test_promote_gives_new_starts_to_a_build(newer: World) -> None:
    engine, node = newer.engine(), newer.nodes["api-1"]
    node.join("w1", "b1")
    node.join("w2", "b2")
    engine.promote(cohort("b2"))
    table = engine.cohorts(QUEUE)
    assert {row.cohort.build_id: row.selected for row in table.rows} == {"b1": False, "b2": True}
    assert table.shows_selection


def test_a_promotion_within_the_second_of_another_is_not_yet(newer: World) -> None:
    """As in a rollback right after a promote: ties go to the younger record, whoever came last."""
    engine, node = newer.engine(), newer.nodes["api-1"]
    node.join("w1", "b1")
    node.join("w2", "b2")
    engine.promote(cohort("b1"))
    engine.promote(cohort("b2"))
    with pytest.raises(NotYet, match="q@b1 was promoted, and is not selected for new starts"):
        engine.promote(cohort("b1"))


def test_promote_before_the_first_heartbeat_is_not_yet(newer: World) -> None:
    wanted = {"worker_id": "w1", "task_queue": "q", "runtime": "python", "build_id": "b1"}
    newer.nodes["api-1"].worker("register", wanted)
    with pytest.raises(NotYet, match="q@b1 was not promoted: no_compatible_workers"):
        newer.engine().promote(cohort("b1"))


def test_promote_of_a_drained_cohort_is_a_conflict(newer: World) -> None:
    newer.nodes["api-1"].join("w1", "b1")
    newer.engine().drain(cohort("b1"))
    with pytest.raises(Conflict, match=r"fleet_is_draining: .*\(state draining\)"):
        newer.engine().promote(cohort("b1"))


def test_promote_of_an_unknown_build_is_refused(newer: World) -> None:
    with pytest.raises(Refused, match="unknown_deployment") as caught:
        newer.engine().promote(cohort("never-seen"))
    assert caught.value.hint == "Register a worker with this build id first."


def test_a_server_without_promote_says_so(older: World) -> None:
    older.nodes["api-1"].join("w1", "b1")
    with pytest.raises(Incompatible, match="this server has no promote"):
        older.engine().promote(cohort("b1"))
    assert not older.engine().cohorts(QUEUE).shows_selection


def test_a_run_is_started_once_and_described(either: World) -> None:
    engine = either.engine()
    either.nodes["api-1"].join("w1")
    engine.start(start("smoke-1"))
    engine.start(start("smoke-1", node="api-2"))
    found = engine.run("default", "smoke-1")
    assert found is not None
    assert (found.terminal, found.pin) == (False, None)
    assert engine.run("default", "smoke-2") is None


def test_a_run_may_name_its_build(newer: World) -> None:
    node = newer.nodes["api-1"]
    node.join("w1", "b1")
    node.join("w2", "b2")
    newer.engine().start(start("smoke-1", build_id="b2"))
    found = newer.engine().run("default", "smoke-1")
    assert found is not None
    assert found.pin == "b2"


def test_an_older_node_pins_to_its_own_marker(older: World) -> None:
    older.node("api-2", marker="b2")
    engine = older.engine()
    engine.start(start("smoke-1", node="api-2"))
    found = engine.run("default", "smoke-1")
    assert found is not None
    assert found.pin == "b2"
    assert engine.operator_metrics("default", "api-2").required_marker == "b2"
    assert engine.operator_metrics("default").required_marker is None


def test_a_run_that_is_over_is_not_started_again(either: World) -> None:
    engine = either.engine()
    either.nodes["api-1"].join("w1")
    engine.start(start("smoke-1"))
    engine.terminate("default", "smoke-1")
    engine.start(start("smoke-1"))
    found = engine.run("default", "smoke-1")
    assert found is not None
    assert (found.status, found.terminal) == ("terminated", True)


def test_an_id_that_belongs_to_somebody_else_is_a_conflict(either: World) -> None:
    engine = either.engine()
    either.nodes["api-1"].join("w1")
    engine.start(start("smoke-1"))
    engine.terminate("default", "smoke-1")
    with pytest.raises(Conflict, match="belongs to a run of 'order', not of 'ping'"):
        engine.start(start("smoke-1", workflow_type="ping"))


def test_a_queue_that_only_drains_takes_no_new_runs(newer: World) -> None:
    engine = newer.engine()
    newer.nodes["api-1"].join("w1", "b1")
    engine.drain(cohort("b1"))
    with pytest.raises(Refused, match=r"takes no new runs: it has 0 active and 1 draining.*b1"):
        engine.start(start("smoke-1"))


def test_ending_a_run_twice_or_one_that_never_was_is_fine(either: World) -> None:
    engine = either.engine()
    either.nodes["api-1"].join("w1")
    engine.start(start("smoke-1"))
    for workflow_id in ("smoke-1", "smoke-1", "never"):
        engine.terminate("default", workflow_id)


def test_leases_are_listed_with_their_workers(either: World) -> None:
    engine, node = either.engine(), either.nodes["api-1"]
    node.join("w1")
    engine.start(start("r1"))
    engine.start(start("r2"))
    assert engine.queue(QUEUE).ready_workflow_tasks == 2
    node.poll("w1")
    detail = engine.queue(QUEUE)
    assert [(lease.worker_id, lease.workflow_id) for lease in detail.leases] in (
        [("w1", "r1")],
        [("w1", "r2")],
    )
    assert (detail.leased_tasks, detail.leases_cut_off) == (1, False)
    assert [poller.worker_id for poller in detail.pollers] == ["w1"]


def test_more_than_fifty_leases_are_cut_off(either: World) -> None:
    engine, node = either.engine(), either.nodes["api-1"]
    node.join("w1")
    for n in range(52):
        engine.start(start(f"r{n}"))
        node.poll("w1")
    detail = engine.queue(QUEUE)
    assert (detail.leased_tasks, len(detail.leases), detail.leases_cut_off) == (52, 50, True)


def test_free_slots_are_known_where_workers_show_them(newer: World) -> None:
    node = newer.nodes["api-1"]
    free = {"workflow_available": 4, "workflow_capacity": 4,
            "activity_available": 2, "activity_capacity": 2}  # fmt: skip
    node.join("idle", "b1", task_slots=free)
    node.join("busy", "b1", task_slots=free | {"activity_available": 1})
    node.join("silent", "b1")
    found = {row.worker_id: row.free_slots for row in newer.engine().workers(QUEUE)}
    assert found == {"idle": True, "busy": False, "silent": None}


def test_operator_metrics_need_the_admin_token(either: World) -> None:
    engine = either.engine(admin=None)
    assert not engine.has_admin()
    with pytest.raises(Refused, match="operator metrics need the admin token") as caught:
        engine.operator_metrics("default")
    assert caught.value.trouble is Trouble.AUTH
    assert engine.cluster_info(None).server_id == "api-1"


def test_a_wrong_token_names_the_credential(either: World) -> None:
    with pytest.raises(Refused, match="does not accept the admin token") as caught:
        either.engine(admin="mistyped").operator_metrics("default")
    assert "credentials.admin" in caught.value.hint


def test_no_token_at_all_is_the_servers_to_refuse(either: World) -> None:
    """A server without authentication answers all the same."""
    with pytest.raises(Refused, match="does not accept the operator token"):
        either.engine(operator="").namespaces()
    assert either.engine(operator="").readiness("api-1").ready


def test_an_operator_token_where_admin_is_needed_names_both_roles(either: World) -> None:
    with pytest.raises(Refused, match="needs the role admin; the token given has the role oper"):
        either.engine(admin=TOKENS["operator"]).operator_metrics("default")


def test_a_namespace_that_is_not_there_is_named(either: World) -> None:
    elsewhere = QueueRef(namespace="ordres", task_queue="q")
    for call in (either.engine().cohorts, either.engine().queue, either.engine().workers):
        asked: Callable[[QueueRef], object] = call
        with pytest.raises(Refused, match="has no namespace 'ordres'"):
            asked(elsewhere)
    assert either.engine().namespaces() == ("default",)


def test_open_runs_show_pins_of_all_queues(either: World) -> None:
    engine, node = either.engine(), either.nodes["api-1"]
    if either.generation is OLD:
        node = either.node("api-1", marker="b1")
        either.applications["http://front"] = either.applications["http://api-1"]
    node.join("w1", "b1")
    node.join("w2", "b1", queue="other")
    for n in range(3):
        engine.start(start(f"r{n}"))
    engine.start(start("o1", queue=QueueRef(namespace="default", task_queue="other")))
    found = engine.open_runs("default")
    assert found.complete
    assert sorted((run.workflow_id, run.task_queue, run.pin) for run in found.runs) == [
        ("o1", "other", "b1"),
        ("r0", "q", "b1"),
        ("r1", "q", "b1"),
        ("r2", "q", "b1"),
    ]
    engine.terminate("default", "r1")
    assert len(engine.open_runs("default").runs) == 3


def test_the_marker_is_an_environment_variable(either: World) -> None:
    assert either.engine().marker_attribute() == "DW_V2_CURRENT_COMPATIBILITY"
