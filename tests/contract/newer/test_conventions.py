"""Contract section 0.1: what holds on every route of the newer generation."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.emulator.cluster import Cluster

MICROSECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
OFFSET = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
SECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def test_times_come_in_three_spellings_section_0_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    row = node.build_ids()["b1"]
    assert re.fullmatch(SECONDS, row["drained_at"])
    assert re.fullmatch(MICROSECONDS, row["last_heartbeat_at"])
    (deployment,) = node.get("/api/deployments").json["deployments"]
    assert re.fullmatch(OFFSET, deployment["drained_at"])
    assert re.fullmatch(MICROSECONDS, node.metrics()["generated_at"])
    assert re.fullmatch(OFFSET, node.get("/api/ready", role=None).json["timestamp"])


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (None, "missing_control_plane_version"),
        ("1", "unsupported_control_plane_version"),
        ("2.0", "unsupported_control_plane_version"),
    ],
)
def test_a_control_call_needs_exactly_version_2_section_0_1(
    newer: Cluster, sent: str | None, reason: str
) -> None:
    headers = {"x_durable_workflow_control_plane_version": sent}
    answer = newer.node().get("/api/task-queues", **headers)
    assert answer.status == 400
    assert (answer.json["reason"], answer.json["supported_version"]) == (reason, "2")
    assert answer.headers["x-durable-workflow-control-plane-version"] == "2"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("1.19", 200),
        ("1.15", 200),
        ("1.0", 200),
        ("1.20", 400),
        ("2.0", 400),
        ("x", 400),
        (None, 400),
    ],
)
def test_a_worker_may_speak_any_minor_up_to_the_servers_section_0_1(
    newer: Cluster, sent: str | None, status: int
) -> None:
    node = newer.node(worker_protocol="1.19")
    node.join("w1", "b1")
    answer = node.send(
        "POST",
        "/api/worker/heartbeat",
        {"worker_id": "w1"},
        role="worker",
        x_durable_workflow_protocol_version=sent,
    )
    assert answer.status == status
    if status == 400:
        assert answer.json["supported_version"] == "1.19"
        assert answer.json["requested_version"] == sent
        assert answer.json["remediation"]


def test_a_control_error_names_message_and_reason_section_0_1(newer: Cluster) -> None:
    body = newer.node().get("/api/workers/ghost").json
    assert (body["reason"], bool(body["message"])) == ("worker_not_found", True)


def test_a_worker_error_names_error_and_still_carries_the_protocol_section_0_1(
    newer: Cluster,
) -> None:
    body = newer.node().worker("heartbeat", {"worker_id": "ghost"}).json
    assert (body["reason"], bool(body["error"])) == ("worker_not_registered", True)
    assert {"protocol_version", "server_capabilities"} <= body.keys()


def test_invalid_fields_are_listed_twice_section_0_1(newer: Cluster) -> None:
    answer = newer.node().post("/api/task-queues/q/build-ids/drain", {})
    assert (answer.status, answer.json["reason"]) == (422, "validation_failed")
    assert answer.json["errors"] == answer.json["validation_errors"]
    assert list(answer.json["errors"]) == ["build_id"]


def test_workflow_operations_nest_what_happened_section_0_1(newer: Cluster) -> None:
    nested = newer.node().start("o-1").json["control_plane"]
    assert nested["contract"]["schema"] == "durable-workflow.v2.control-plane-response.contract"
    assert (nested["operation"], nested["workflow_id"]) == ("start", "o-1")
    assert nested["outcome"] == "started_new"


@pytest.mark.parametrize(
    ("method", "path", "role", "body"),
    [
        ("POST", "/api/workflows", "operator", {"workflow_type": "t"}),
        ("POST", "/api/schedules", "operator", {}),
        ("POST", "/api/worker/register", "worker", {"task_queue": "q", "runtime": "python"}),
        (
            "POST",
            "/api/worker/workflow-tasks/poll",
            "worker",
            {"worker_id": "w", "task_queue": "q"},
        ),
    ],
)
def test_work_is_refused_while_a_migration_is_pending_section_0_1(
    newer: Cluster, method: str, path: str, role: str, body: Any
) -> None:
    ahead = newer.node(version="2.4.0")
    answer = ahead.send(method, path, body, role=role)
    assert (answer.status, answer.json["reason"]) == (503, "workflow_v2_blocked")
    assert answer.json["blocked_by"] == ["migrations"]
    assert answer.json["remediation"]


def test_an_unknown_namespace_is_told_after_role_and_version_section_0_1(newer: Cluster) -> None:
    node = newer.node()
    path = "/api/system/operator-metrics"
    assert node.get(path, role=None, x_namespace="nope").status == 401
    assert node.get(path, role="operator", x_namespace="nope").status == 403
    unversioned = {"x_durable_workflow_control_plane_version": None}
    assert node.get(path, role="admin", x_namespace="nope", **unversioned).status == 400
    answer = node.get(path, role="admin", x_namespace="nope")
    assert (answer.status, answer.json["reason"]) == (404, "namespace_not_found")
