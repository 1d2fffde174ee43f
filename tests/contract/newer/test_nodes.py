"""Contract sections 1 and 2: what a node of the newer generation says of itself."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Condition, Provenance
from tests.emulator.cluster import Cluster

API = ["api_ingress", "control_plane", "matching", "history_projection"]
VOCABULARY = [*API, "scheduler", "execution_plane"]
TOPOLOGY = {
    "schema",
    "version",
    "current_shape",
    "current_process_class",
    "current_roles",
    "execution_mode",
    "matching_role",
}


def test_health_is_a_bare_word_and_has_a_topology_section_1_1(newer: Cluster) -> None:
    body = newer.node().get("/api/health", role=None).json
    assert (body["status"], body["checks"]) == ("serving", {"database": "ok"})
    assert body["topology"].keys() == TOPOLOGY


def test_degraded_health_has_the_same_shape_and_503_section_1_1(newer: Cluster) -> None:
    well = newer.node().get("/api/health", role=None).json
    ill = newer.node(conditions=frozenset({Condition.DATABASE_DOWN})).get("/api/health", role=None)
    assert (ill.status, ill.json["status"]) == (503, "degraded")
    assert ill.json["checks"] == {"database": "unavailable"}
    assert ill.json.keys() == well.keys()


def test_ready_shows_seven_checks_section_1_2(newer: Cluster) -> None:
    checks = newer.node().get("/api/ready", role=None).json["checks"]
    assert list(checks) == [
        "database",
        "migrations",
        "default_namespace",
        "cache",
        "auth",
        "queue",
        "workflow_v2",
    ]
    assert checks["default_namespace"] == {"status": "ok", "namespace": "default"}
    assert {"connection", "driver"} <= checks["queue"].keys()


def test_the_migrations_check_says_what_is_pending_section_1_2(newer: Cluster) -> None:
    ahead = newer.node(version="2.4.0").get("/api/ready", role=None)
    check = ahead.json["checks"]["migrations"]
    assert (ahead.status, check["status"]) == (503, "pending")
    assert check["blocking_migrations"] == check["pending_migrations"] != []
    assert check["operator_surface"].keys() == {
        "authority",
        "readiness_key",
        "available",
        "required_tables",
        "issues",
    }
    assert check["readiness_contract"].keys() == {"version", "release_state"}
    assert check["remediation"]


def test_the_engines_check_names_what_it_found_section_1_2(newer: Cluster) -> None:
    check = newer.node().get("/api/ready", role=None).json["checks"]["workflow_v2"]
    assert check.keys() >= {
        "status",
        "generated_at",
        "http_status",
        "categories",
        "warning_checks",
        "error_checks",
        "checks",
        "blocked_by",
        "message",
        "remediation",
    }
    assert [item["name"] for item in check["checks"]] == [
        "backend_capabilities",
        "worker_compatibility",
    ]


def test_system_health_is_for_admins_and_names_twelve_checks_section_1_3(newer: Cluster) -> None:
    node = newer.node()
    assert node.get("/api/system/health").status == 403
    body = node.get("/api/system/health", role="admin").json
    assert len(body["health"]["checks"]) == 12
    assert {"name", "status", "category", "message", "data"} <= body["health"]["checks"][0].keys()
    assert (body["health"]["status"], body["health"]["healthy"]) == ("ok", True)


def test_draining_queues_are_counted_in_one_place_section_1_3(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.join("w2", "b2")
    node.cohort("q", "b1", "drain")
    body = node.get("/api/system/health", role="admin").json
    drains = body.get("routing_drains") or body["health"]["routing_drains"]
    assert (drains["queues_with_drains"], drains["draining_build_id_count"]) == (1, 1)
    (queue,) = drains["queues"]
    assert (queue["task_queue"], queue["build_ids"]) == ("q", ["b1"])
    assert (queue["active_worker_count"], queue["draining_worker_count"]) == (1, 1)


def test_cluster_info_is_cheap_unless_diagnostics_are_asked_for_section_2_1(
    newer: Cluster,
) -> None:
    node = newer.node()
    plain = node.get("/api/cluster/info", role="worker").json
    walked = {"worker_fleet", "task_repair", "coordination_health"}
    assert not walked & plain.keys()
    asked = node.get("/api/cluster/info?include=diagnostics", role="worker").json
    assert walked <= asked.keys()
    assert (plain["discovery"]["mode"], asked["discovery"]["mode"]) == (
        "compatibility",
        "diagnostics",
    )
    assert asked["coordination_health"]["namespace_scope"] == "all_namespaces"


def test_cluster_info_names_its_namespace_and_what_it_speaks_section_2_1(newer: Cluster) -> None:
    body = newer.node(server_id="api-b", worker_protocol="1.19").get("/api/cluster/info").json
    assert (body["server_id"], body["version"]) == ("api-b", "2.3.14")
    assert (body["namespace"]["name"], body["namespace"]["exists"]) == ("default", True)
    assert (body["control_plane"]["version"], body["worker_protocol"]["version"]) == ("2", "1.19")
    status = body["worker_protocol"]["server_capabilities"]["worker_status"]
    assert (status["heartbeat_interval_seconds"], status["stale_after_seconds"]) == (10, 30)
    assert body["client_compatibility"]["fail_closed"] is True


def test_the_version_is_what_the_operator_says_and_provenance_is_not_section_2_1(
    newer: Cluster,
) -> None:
    made = Provenance(source="s", ref="v2.3.14", commit="c" * 40)
    node = newer.node(version="9.9.9", image="2.3.14", provenance=made)
    assert node.get("/api/cluster/info", role="operator").json["version"] == "9.9.9"
    assert "package_provenance" not in node.get("/api/cluster/info", role="operator").json
    shown = node.get("/api/cluster/info", role="admin").json["package_provenance"]
    assert shown == {"source": "s", "ref": "v2.3.14", "commit": "c" * 40}


@pytest.mark.parametrize(
    ("shape", "process", "roles"),
    [
        ("standalone_server", "server_http_node", API),
        ("standalone_server", "scheduler_node", ["scheduler"]),
        ("standalone_server", "worker_node", ["execution_plane"]),
        ("split_control_execution", "ingress_node", ["api_ingress"]),
        (
            "split_control_execution",
            "control_plane_node",
            ["api_ingress", "control_plane", "history_projection"],
        ),
        ("split_control_execution", "scheduler_node", ["scheduler"]),
        ("split_control_execution", "matching_node", ["matching"]),
        ("split_control_execution", "execution_node", ["execution_plane"]),
        ("embedded", "application_process", VOCABULARY),
    ],
)
def test_a_process_class_has_its_roles_and_control_calls_need_two_section_2_2(
    newer: Cluster, shape: str, process: str, roles: list[str]
) -> None:
    node = newer.node(topology_shape=shape, process_class=process)
    topology = node.get("/api/cluster/info").json["topology"]
    assert topology["current_roles"] == roles
    assert topology["role_vocabulary"] == VOCABULARY
    takes_control = {"api_ingress", "control_plane"} <= set(roles)
    answer = node.get("/api/task-queues")
    assert answer.status == (200 if takes_control else 503)
    if not takes_control:
        assert answer.json["reason"] == "topology_role_unavailable"
        assert answer.json["current_roles"] == roles


def test_overlap_is_one_string_and_a_rule_section_2_3(newer: Cluster) -> None:
    body = newer.node(worker_protocol="1.3").get("/api/cluster/info").json
    negotiation = body["surface_stability_contract"]["worker_protocol"]["negotiation"]
    assert negotiation["accepted_request_versions_by_default"] == ["1.0", "1.1", "1.2", "1.3"]
    assert negotiation["response_version"] == "1.3"
    assert "supported_range" not in body["control_plane"]
