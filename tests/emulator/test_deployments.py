"""Deployments of 2.x: the view over a cohort, and the rollback that has no way back (3.4)."""

from __future__ import annotations

import pytest

from tests.emulator.cluster import Cluster, Node


@pytest.fixture
def node(newer: Cluster) -> Node:
    made = newer.node()
    made.join("w1", "b1", supported_workflow_types=["order"])
    return made


def test_a_deployment_is_named_after_namespace_queue_and_build_section_3_4(node: Node) -> None:
    [listed] = node.get("/api/deployments").json["deployments"]
    shown = node.get("/api/deployments/default/q@b1").json
    assert listed == shown
    assert (shown["name"], shown["state"], shown["accepts_new_work"]) == (
        "default/q@b1",
        "active",
        True,
    )
    assert shown["workflow_types"] == ["order"]


def test_a_queue_may_have_slashes_in_its_name_section_3_4(node: Node) -> None:
    node.join("w2", "b1", queue="a/b")
    assert node.get("/api/deployments/default/a/b@b1").json["task_queue"] == "a/b"
    assert node.post("/api/deployments/default/a/b@b1/drain").status == 200


def test_names_that_name_nothing_are_told_apart_section_3_4(node: Node) -> None:
    seen = [
        node.get(f"/api/deployments/{name}") for name in ("nonsense", "other/q@b1", "default/q@b9")
    ]
    assert [(answer.status, answer.json["error"]) for answer in seen] == [
        (400, "invalid_deployment_name"),
        (400, "namespace_mismatch"),
        (404, "deployment_not_found"),
    ]


def test_the_state_follows_what_was_asked_section_3_4(node: Node, newer: Cluster) -> None:
    states = []
    for command in ("promote", "drain", "resume", "drain"):
        answer = node.post(f"/api/deployments/default/q@b1/{command}")
        states.append(answer.json["deployment"]["state"])
    newer.clock.advance(31)
    states.append(node.get("/api/deployments/default/q@b1").json["state"])
    assert states == ["promoted", "draining", "promoted", "draining", "drained"]


def test_a_rolled_back_build_id_is_burnt_for_ever_section_3_4(node: Node) -> None:
    name = "/api/deployments/default/q@b1"
    node.post(f"{name}/promote")
    rolled = node.post(f"{name}/rollback").json["deployment"]
    assert (rolled["state"], rolled["rolled_back_at"]) == (
        "rolled_back",
        "2026-11-20T20:00:00+00:00",
    )
    refused = [node.post(f"{name}/{command}") for command in ("promote", "resume", "drain")]
    assert [answer.status for answer in refused] == [409, 409, 409]
    assert {answer.json["blockages"][0]["reason"] for answer in refused} == {"incompatible_policy"}
    assert node.cohort("q", "b1", "promote").json["reason"] == "incompatible_policy"


def test_the_legacy_resume_lets_workers_poll_but_not_be_selected_section_3_4(node: Node) -> None:
    node.cohort("q", "b1", "promote")
    node.post("/api/deployments/default/q@b1/rollback")
    assert node.cohort("q", "b1", "resume").json["new_start_selected"] is False
    assert node.poll("w1") is None
    assert node.build_ids()["b1"]["active_worker_count"] == 1
    assert node.build_ids()["b1"]["rolled_back_at"] == "2026-11-20T20:00:00Z"


def test_an_unknown_command_is_not_a_deployment(node: Node) -> None:
    assert node.post("/api/deployments/default/q@b1/explode").status == 404
