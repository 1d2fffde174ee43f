"""What is judged before a handler runs: credentials, headers, bodies, and how errors look."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from rollout_kit.emulator.model.settings import Generation, Tokens
from tests.emulator.cluster import Cluster

BUILD_IDS = "/api/task-queues/q/build-ids"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/cluster/info", {"worker", "operator", "admin"}),
        ("GET", BUILD_IDS, {"operator", "admin"}),
        ("POST", f"{BUILD_IDS}/drain", {"operator", "admin"}),
        ("GET", "/api/workers", {"operator", "admin"}),
        ("DELETE", "/api/workers/w1", {"admin"}),
        ("GET", "/api/system/operator-metrics", {"admin"}),
        ("POST", "/api/namespaces", {"admin"}),
        ("POST", "/api/worker/heartbeat", {"worker"}),
    ],
)
def test_each_role_may_call_what_is_its_own(
    either: Cluster, method: str, path: str, allowed: set[str]
) -> None:
    node = either.node()
    let_in = {
        role
        for role in ("worker", "operator", "admin")
        if node.send(method, path, {}, role=role).status != 403
    }
    assert let_in == allowed


def test_a_refused_role_is_told_which_roles_are_allowed(either: Cluster) -> None:
    answer = either.node().get("/api/system/repair")
    assert (answer.json["role"], answer.json["allowed_roles"]) == ("operator", ["admin"])


def test_the_legacy_token_is_everything_alone_and_an_admin_beside_roles(either: Cluster) -> None:
    alone = either.node(tokens=Tokens(legacy="o-token"))
    beside = either.node(tokens=Tokens(legacy="o-token", worker="x"))
    for node, worker_plane in ((alone, 404), (beside, 403)):
        assert node.get("/api/system/repair").status == 200
        status = node.post("/api/worker/heartbeat", {"worker_id": "w1"}).status
        assert status == worker_plane


def test_errors_win_in_the_order_of_the_gates(either: Cluster) -> None:
    node = either.node()
    bad = {"x_namespace": "nope", "x_durable_workflow_control_plane_version": "1"}
    path = "/api/system/operator-metrics"
    seen = [
        node.get(path, authorization="Bearer nobody", **bad),
        node.get(path, **bad),
        node.get(path, role="admin", **bad),
        node.get(path, role="admin", x_namespace="nope"),
        node.post(f"{BUILD_IDS}/drain", {}),
    ]
    assert [(answer.status, answer.json["reason"]) for answer in seen] == [
        (401, "unauthorized"),
        (403, "forbidden"),
        (400, "unsupported_control_plane_version"),
        (404, "namespace_not_found"),
        (422, "validation_failed"),
    ]
    assert {answer.headers["x-durable-workflow-control-plane-version"] for answer in seen} == {"2"}


def test_cluster_info_needs_no_version_and_judges_it_by_generation(either: Cluster) -> None:
    node, header = either.node(), "x_durable_workflow_control_plane_version"
    assert node.get("/api/cluster/info", **{header: None}).status == 200
    wrong = node.get("/api/cluster/info", **{header: "99"}).status
    assert wrong == (400 if either.generation is Generation.V2 else 200)


def test_a_worker_speaks_the_very_version_or_one_below_section_2_3(
    older: Cluster, newer: Cluster
) -> None:
    def accepted(cluster: Cluster, *versions: str) -> list[str]:
        return [
            version
            for version in versions
            if cluster.node()
            .send("POST", "/api/worker/heartbeat", {"worker_id": "w1"}, role="worker",
                  x_durable_workflow_protocol_version=version)
            .status == 404
        ]  # fmt: skip

    assert accepted(older, "1.0", "1.1", "0.9") == ["1.0"]
    offered = ("1.0", "1.18", "1.19", "1.20", "2.0", "x", "1.x")
    assert accepted(newer, *offered) == ["1.0", "1.18", "1.19"]


def test_a_missing_protocol_version_is_explained(either: Cluster) -> None:
    answer = either.node().send(
        "POST", "/api/worker/register", {}, role="worker",
        x_durable_workflow_protocol_version=None,
    )  # fmt: skip
    assert (answer.status, answer.json["reason"]) == (400, "missing_protocol_version")
    assert {"supported_version", "requested_version", "remediation"} <= set(answer.json)


def test_every_worker_plane_answer_carries_version_and_capabilities(either: Cluster) -> None:
    node = either.node(poll_timeout_s=7)
    answers = [
        node.join("w1", "b1"),
        node.worker("heartbeat", {}),
        node.send("POST", "/api/worker/heartbeat", {}, role=None),
    ]
    for answer in answers:
        assert answer.json["protocol_version"] == node.protocol
        assert answer.json["server_capabilities"]["long_poll_timeout"] == 7
        assert answer.headers["x-durable-workflow-protocol-version"] == node.protocol


@pytest.mark.parametrize(
    ("raw", "media", "status", "reason"),
    [
        (b'{"build_id": ', "application/json", 400, "malformed_json"),
        (b"build_id=x", "text/plain", 415, "unsupported_media_type"),
        (b"x" * 2_097_153, "application/json", 413, "payload_too_large"),
    ],
)
def test_bodies_that_no_handler_should_see(
    either: Cluster, raw: bytes, media: str, status: int, reason: str
) -> None:
    answer = either.node().send("POST", f"{BUILD_IDS}/drain", raw=raw, content_type=media)
    assert (answer.status, answer.json["reason"]) == (status, reason)


def test_a_json_media_type_with_a_suffix_is_taken(either: Cluster) -> None:
    raw = json.dumps({"build_id": "b1"}).encode()
    answer = either.node().send(
        "POST", f"{BUILD_IDS}/drain", raw=raw, content_type="application/x+json"
    )
    assert answer.status == 200


def test_an_unknown_route_is_404_before_any_credential(either: Cluster) -> None:
    node = either.node()
    shown = node.get("/api/nope", role=None)
    assert (shown.status, shown.json["reason"]) == (404, "not_found")
    bare = node.get("/api/nope", x_durable_workflow_control_plane_version=None)
    assert bare.json == {"message": "The route api/nope could not be found."}
    page = node.get("/api/nope", accept=None)
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_a_wrong_method_names_the_right_ones(either: Cluster) -> None:
    answer = either.node().send("DELETE", BUILD_IDS)
    assert (answer.status, answer.json["reason"]) == (405, "method_not_allowed")
    assert answer.json["message"].endswith("Supported methods: GET, HEAD.")


def test_head_has_no_body_and_options_lists_methods(either: Cluster) -> None:
    head = either.node().send("HEAD", "/api/ready")
    assert (head.status, head.payload) == (200, b"")
    options = either.node().send("OPTIONS", BUILD_IDS)
    assert (options.status, options.headers["allow"]) == (200, "GET,HEAD")


@pytest.mark.parametrize(
    ("asked", "opened"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)]
)
def test_long_answers_are_compressed_when_asked(
    either: Cluster, asked: str, opened: object
) -> None:
    answer = either.node().get("/api/cluster/info", accept_encoding=asked)
    assert answer.headers["content-encoding"] == asked
    assert callable(opened)
    assert json.loads(opened(answer.payload))["server_id"] == "api-1"
    short = either.node().get("/api/task-queues", accept_encoding=asked)
    assert "content-encoding" not in short.headers


def test_a_namespace_may_be_named_in_the_query_and_in_any_case(either: Cluster) -> None:
    node = either.node()
    node.post("/api/namespaces", {"name": "Payments"}, role="admin")
    assert node.get(f"{BUILD_IDS}?namespace=payments").json["namespace"] == "payments"
    assert node.get(BUILD_IDS, x_namespace="PAYMENTS").json["namespace"] == "payments"
    assert node.get(BUILD_IDS).json["namespace"] == "default"


def test_a_namespace_is_made_once(either: Cluster) -> None:
    node = either.node()
    made = node.post("/api/namespaces", {"name": "payments", "retention_days": 7}, role="admin")
    again = node.post("/api/namespaces", {"name": "payments"}, role="admin")
    assert (made.status, again.status) == (201, 409)
    assert node.get("/api/namespaces/payments").json["retention_days"] == 7
    assert node.get("/api/namespaces/nope").status == 404
