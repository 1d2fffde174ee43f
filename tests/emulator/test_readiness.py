"""Health and readiness of each generation, and what fails around them."""

from __future__ import annotations

import json

import pytest

from rollout_kit.emulator.app import NoAnswer
from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import (
    Condition,
    FleetValidation,
    Generation,
    Provenance,
    Tokens,
)
from tests.emulator.cluster import TOKENS, Answer, Cluster

FAIL = FleetValidation.FAIL


def statuses(answer: Answer) -> dict[str, str]:
    return {name: check["status"] for name, check in answer.json["checks"].items()}


def ready(cluster: Cluster, **changes: object) -> Answer:
    return cluster.node(**changes).get("/api/ready", role=None)


def test_a_bootstrapped_node_is_ready_without_credentials(either: Cluster) -> None:
    answer = ready(either)
    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert set(statuses(answer).values()) == {"ok"}
    assert "x-durable-workflow-control-plane-version" not in answer.headers


@pytest.mark.parametrize("generation", list(Generation))
def test_an_empty_database_is_diagnosed_with_503_and_the_missing_tables(
    generation: Generation,
) -> None:
    cluster = Cluster(MemoryStore(), generation)
    answer = ready(cluster)
    assert answer.status == 503
    assert statuses(answer)["migrations"] == "missing"
    assert len(answer.json["checks"]["migrations"]["missing_tables"]) == 8
    assert statuses(answer)["default_namespace"] == "missing"
    assert cluster.node().get("/api/health").status == 200
    assert cluster.node().get("/api/cluster/info").json == {"message": "Server Error"}


def test_a_database_without_its_namespace_is_not_ready(either: Cluster) -> None:
    cluster = Cluster(MemoryStore(), either.generation)
    cluster.bootstrap(seed=False)
    assert statuses(ready(cluster))["default_namespace"] == "missing"
    answer = cluster.node().get("/api/task-queues")
    assert (answer.status, answer.json["reason"]) == (404, "namespace_not_found")


def test_readiness_of_the_older_generation_does_not_see_a_pending_migration(
    older: Cluster,
) -> None:
    node = older.node(image="0.2.10")
    assert node.get("/api/ready").status == 200
    assert node.get("/api/task-queues/q/build-ids").status == 500
    assert node.join("w1").status == 500
    assert node.get("/api/task-queues").status == 200
    older.bootstrap("0.2.10")
    assert node.get("/api/task-queues/q/build-ids").status == 200


def test_readiness_of_the_newer_generation_does_section_1_2(newer: Cluster) -> None:
    answer = ready(newer, image="2.4.0")
    assert answer.status == 503
    assert statuses(answer)["migrations"] == "pending"
    assert len(answer.json["checks"]["migrations"]["pending_migrations"]) == 1
    blocked = newer.node(image="2.4.0").start("o-1")
    assert (blocked.status, blocked.json["reason"]) == (503, "workflow_v2_blocked")
    assert blocked.json["blocked_by"] == ["migrations"]
    newer.bootstrap("2.4.0")
    assert ready(newer, image="2.4.0").status == 200


def test_a_node_of_the_old_release_stays_ready_on_the_new_schema(either: Cluster) -> None:
    either.bootstrap("2.5.0" if either.generation is Generation.V2 else "0.2.10")
    node = either.node()
    assert node.get("/api/ready").status == 200
    assert node.join("w1", "b1").status == 201


def test_a_database_that_is_down_shows_in_three_checks(either: Cluster) -> None:
    node = either.node(conditions=frozenset({Condition.DATABASE_DOWN}))
    answer = node.get("/api/ready")
    assert answer.status == 503
    found = statuses(answer)
    assert [found[name] for name in ("database", "migrations", "default_namespace")] == [
        "unavailable"
    ] * 3
    health = node.get("/api/health")
    assert (health.status, health.json["status"]) == (503, "degraded")
    assert node.get("/api/task-queues").json == {"message": "Server Error"}
    assert node.get("/api/task-queues", role=None).status == 401


def test_a_frozen_database_gives_no_answer_at_all(either: Cluster) -> None:
    node = either.node(conditions=frozenset({Condition.DATABASE_FROZEN}))
    with pytest.raises(NoAnswer):
        node.get("/api/ready")


def test_without_its_cache_the_older_generation_is_not_ready(older: Cluster) -> None:
    older.node().join("w1", "b1")
    older.clock.advance(10)
    node = older.node(conditions=frozenset({Condition.CACHE_DOWN}))
    assert statuses(node.get("/api/ready"))["cache"] == "unavailable"
    answered = {
        "build-ids": node.get("/api/task-queues/q/build-ids").status,
        "drain": node.cohort("q", "b1", "drain").status,
        "repair": node.get("/api/system/repair", role="admin").status,
        "cluster info": node.get("/api/cluster/info").status,
        "queues": node.get("/api/task-queues").status,
        "metrics": node.get("/api/system/operator-metrics", role="admin").status,
        "start": node.start("o-1").status,
        "heartbeat": node.beat("w1").status,
    }
    assert answered == {
        "build-ids": 200,
        "drain": 200,
        "repair": 200,
        "cluster info": 500,
        "queues": 500,
        "metrics": 500,
        "start": 500,
        "heartbeat": 500,
    }
    assert older.node().get("/api/workflows/o-1").status == 404
    assert older.node().build_ids()["b1"]["last_heartbeat_at"] == "2026-11-20T20:00:10.000000Z"


def test_without_its_cache_the_newer_generation_warns_and_is_ready_section_1_2(
    newer: Cluster,
) -> None:
    answer = ready(newer, conditions=frozenset({Condition.CACHE_DOWN}))
    assert (answer.status, statuses(answer)["cache"]) == (200, "warning")
    assert answer.json["checks"]["cache"]["correctness_substrate"] == "database"


def test_fleet_validation_fails_a_node_whose_marker_nobody_serves_section_1_2(
    newer: Cluster,
) -> None:
    strict = {"fleet_validation": FAIL, "marker": "b2"}
    answer = ready(newer, **strict)
    assert (answer.status, statuses(answer)["workflow_v2"]) == (503, "error")
    assert answer.json["checks"]["workflow_v2"]["error_checks"] == ["worker_compatibility"]
    newer.node().join("w1", "b2")
    assert ready(newer, **strict).status == 200
    newer.clock.advance(31)
    assert ready(newer, **strict).status == 503
    assert ready(newer, fleet_validation=FAIL).status == 200
    assert ready(newer, marker="b2").status == 200


def test_fleet_validation_does_nothing_in_the_older_generation(older: Cluster) -> None:
    strict = {"fleet_validation": FAIL, "marker": "ghost"}
    assert ready(older, **strict).status == 200
    workers = older.node(**strict).metrics()["workers"]
    assert (workers["required_compatibility"], workers["active_workers_supporting_required"]) == (
        "ghost",
        0,
    )


def test_a_node_without_credentials_configured_says_so(either: Cluster) -> None:
    assert statuses(ready(either, tokens=Tokens()))["auth"] == "missing"
    answer = either.node(tokens=Tokens()).get("/api/task-queues")
    assert (answer.status, answer.json["reason"]) == (500, "server_error")


def test_a_broken_auth_provider_answers_two_bodies_in_one(either: Cluster) -> None:
    node = either.node(auth_provider="App\\Nope")
    answer = node.get("/api/cluster/info")
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    with pytest.raises(json.JSONDecodeError, match="Extra data"):
        json.loads(answer.payload)
    assert statuses(node.get("/api/ready"))["auth"] == "invalid"


def test_health_and_ready_show_the_topology_section_1(newer: Cluster) -> None:
    for path in ("/api/health", "/api/ready"):
        shown = newer.node().get(path).json["topology"]
        assert shown["current_roles"] == [
            "api_ingress",
            "control_plane",
            "matching",
            "history_projection",
        ]


def test_a_node_without_the_control_plane_refuses_control_calls_section_0_1(
    newer: Cluster,
) -> None:
    node = newer.node(topology_shape="split_control_execution", process_class="matching_node")
    answer = node.get("/api/task-queues")
    assert (answer.status, answer.json["reason"]) == (503, "topology_role_unavailable")
    assert answer.json["current_roles"] == ["matching"]
    assert answer.json["missing_roles"] == ["api_ingress", "control_plane"]
    assert node.get("/api/cluster/info").json["topology"]["current_process_class"] == (
        "matching_node"
    )


def test_an_unknown_shape_falls_back_silently_section_2_2(newer: Cluster) -> None:
    node = newer.node(topology_shape="ring", process_class="hub")
    shown = node.get("/api/cluster/info").json["topology"]
    assert (shown["current_shape"], shown["current_process_class"]) == (
        "standalone_server",
        "server_http_node",
    )


def test_the_matching_role_is_that_of_the_process_section_2_2(either: Cluster) -> None:
    split = either.node(queue_wake=False).metrics()["matching_role"]
    assert (split["queue_wake_enabled"], split["shape"]) == (False, "dedicated")
    whole = either.node().metrics()["matching_role"]
    assert (whole["queue_wake_enabled"], whole["shape"]) == (True, "in_worker")
    assert ("wake_owner" in whole) == (either.generation is Generation.V2)


def test_cluster_info_says_who_answers_and_what_it_speaks(either: Cluster) -> None:
    body = either.node(server_id="api-2", version="9.9").get("/api/cluster/info").json
    protocol = {Generation.V0_2: "1.0", Generation.V2: "1.19"}[either.generation]
    assert (body["server_id"], body["version"]) == ("api-2", "9.9")
    assert (body["control_plane"]["version"], body["worker_protocol"]["version"]) == (
        "2",
        protocol,
    )


def test_a_version_that_is_not_set_is_the_literal_default(older: Cluster) -> None:
    assert older.node(version=None).get("/api/cluster/info").json["version"] == "2.0.0"


def test_the_fleet_is_shown_always_or_on_request(older: Cluster, newer: Cluster) -> None:
    assert "worker_fleet" in older.node().get("/api/cluster/info").json
    assert "worker_fleet" not in newer.node().get("/api/cluster/info").json
    body = newer.node().get("/api/cluster/info?include=diagnostics").json
    assert {"worker_fleet", "task_repair", "coordination_health"} <= set(body)


def test_provenance_is_for_admins(either: Cluster) -> None:
    known = Provenance(source="s", ref="v1", commit="abc")
    node = either.node(provenance=known)
    shown = node.get("/api/cluster/info", role="admin").json["package_provenance"]
    assert shown == {"source": "s", "ref": "v1", "commit": "abc"}
    for role in ("operator", "worker"):
        assert "package_provenance" not in node.get("/api/cluster/info", role=role).json
    assert set(TOKENS) == {"worker", "operator", "admin"}


def test_system_health_counts_drains_and_fails_with_the_fleet_section_1_3(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    answer = node.get("/api/system/health", role="admin")
    drains = answer.json["health"]["routing_drains"]
    assert (drains["queues_with_drains"], drains["draining_worker_count"]) == (1, 1)
    assert drains["queues"][0]["build_ids"] == ["b1"]
    assert len(answer.json["health"]["checks"]) == 12
    strict = newer.node(fleet_validation=FAIL, marker="ghost")
    assert strict.get("/api/system/health", role="admin").status == 503


def test_a_repair_pass_does_not_make_a_node_serve_its_own_marker(newer: Cluster) -> None:
    strict = {"fleet_validation": FAIL, "marker": "ghost"}
    newer.node(**strict).post("/api/system/repair/pass", role="admin")
    newer.maintain(**strict)
    assert ready(newer, **strict).status == 503
