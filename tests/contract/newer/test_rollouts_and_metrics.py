"""Contract sections 3 and 4: build ids, deployments and metrics of the newer generation."""

from __future__ import annotations

from typing import Any

from tests.emulator.cluster import Cluster, Node

SECTIONS = {
    "generated_at",
    "runs",
    "tasks",
    "activities",
    "backlog",
    "repair",
    "starts",
    "history",
    "command_contracts",
    "projections",
    "schedules",
    "workers",
    "backend",
    "structural_limits",
    "update_wait",
    "repair_policy",
    "matching_role",
    "sticky_execution",
    "worker_sessions",
    "capacity_evidence",
    "runtime_external_payload_cleanup",
}


def test_a_drain_answers_the_record_without_counts_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    assert node.cohort("q", "b1", "drain").json == {
        "namespace": "default",
        "task_queue": "q",
        "build_id": "b1",
        "drain_intent": "draining",
        "drained_at": "2026-11-20T20:00:00Z",
        "promoted_at": None,
        "rolled_back_at": None,
        "new_start_selected": False,
    }


def test_resuming_does_not_take_back_a_rollback_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "promote")
    node.post("/api/deployments/default/q@b1/rollback")
    row = node.cohort("q", "b1", "resume").json
    assert (row["drain_intent"], row["drained_at"]) == ("active", None)
    assert row["rolled_back_at"] is not None
    assert row["new_start_selected"] is False
    assert node.cohort("q", "b1", "promote").json["reason"] == "incompatible_policy"


def test_a_drained_promotion_keeps_its_time_and_loses_the_starts_section_3_2(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1", "b1")
    promoted = node.cohort("q", "b1", "promote").json
    drained = node.cohort("q", "b1", "drain").json
    assert drained["promoted_at"] == promoted["promoted_at"] is not None
    assert (promoted["new_start_selected"], drained["new_start_selected"]) == (True, False)


def test_a_promotion_answers_record_and_deployment_section_3_3(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1", supported_workflow_types=["order"])
    answer = node.cohort("q", "b1", "promote")
    assert answer.status == 200
    assert answer.json["new_start_selected"] is True
    assert answer.json["deployment"] == {
        "name": "default/q@b1",
        "namespace": "default",
        "task_queue": "q",
        "build_id": "b1",
        "state": "promoted",
        "accepts_new_work": True,
        "compatibility_policy": "pinned",
        "required_compatibility": "b1",
        "recorded_fingerprint": None,
        "workflow_types": ["order"],
        "promoted_at": "2026-11-20T20:00:00+00:00",
        "drained_at": None,
        "rolled_back_at": None,
    }


def test_a_refused_promotion_has_every_field_of_a_rejection_section_3_3(newer: Cluster) -> None:
    answer = newer.node().cohort("q", "typo", "promote")
    assert answer.status == 409
    assert answer.json.keys() == {
        "message",
        "reason",
        "rejection_reason",
        "expected_resolution",
        "outcome",
        "control_plane_outcome",
        "command_status",
        "command_source",
        "namespace",
        "task_queue",
        "build_id",
        "deployment",
        "blockages",
    }
    assert answer.json["outcome"] == "rejected_unknown_deployment"
    assert (answer.json["command_status"], answer.json["deployment"]) == ("rejected", None)
    assert answer.json["blockages"][0].keys() == {
        "reason",
        "message",
        "scope",
        "expected_resolution",
    }


def test_a_build_promoted_and_then_rolled_back_hands_starts_back_section_3_4(
    newer: Cluster,
) -> None:
    node = newer.node()
    for build in ("b1", "b2"):
        node.join(f"w-{build}", build)
        node.cohort("q", build, "promote")
        newer.clock.advance(1)
    assert node.build_ids()["b2"]["new_start_selected"] is True
    node.post("/api/deployments/default/q@b2/rollback")
    assert node.build_ids()["b1"]["new_start_selected"] is True


def test_every_section_of_the_metrics_is_there_section_4(newer: Cluster) -> None:
    assert newer.node().metrics().keys() == SECTIONS


def test_the_metrics_are_of_the_namespace_that_asks_section_4(newer: Cluster) -> None:
    node = newer.node()
    node.post("/api/namespaces", {"name": "other"}, role="admin")
    node.join("w1", "b1")
    node.start("o-1")
    answer = node.get("/api/system/operator-metrics", role="admin", x_namespace="other").json
    assert answer["namespace"] == "other"
    assert answer["operator_metrics"]["runs"]["total"] == 0
    assert answer["operator_metrics"]["workers"]["fleet"] == []


def test_the_required_marker_is_that_of_the_answering_node_section_4(newer: Cluster) -> None:
    newer.node().join("w1", "b1")
    assert newer.node(marker="b1").metrics()["workers"]["required_compatibility"] == "b1"
    workers = newer.node(marker="b2").metrics()["workers"]
    assert workers["required_compatibility"] == "b2"
    assert (workers["active_workers"], workers["active_workers_supporting_required"]) == (1, 0)


def test_unhealthy_is_the_sum_of_its_four_causes_section_4(newer: Cluster) -> None:
    node = newer.node(workflow_lease_s=5)
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.start("o-2", build_id="b1")
    node.poll("w1")
    newer.clock.advance(10)
    tasks = node.metrics()["tasks"]
    assert (tasks["lease_expired"], tasks["dispatch_overdue"]) == (1, 1)
    causes = ("dispatch_failed", "claim_failed", "dispatch_overdue", "lease_expired")
    assert tasks["unhealthy"] == sum(tasks[name] for name in causes) == 2
    assert tasks["max_unhealthy_age_ms"] >= tasks["max_lease_expired_age_ms"] > 0


def test_waiting_counts_healthy_waits_too_section_4(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.complete(node.poll("w1"), {"type": "start_timer", "delay_seconds": 60})
    runs = node.metrics()["runs"]
    assert (runs["waiting"], runs["repair_needed"], runs["claim_failed"]) == (1, 0, 0)


def test_missed_schedules_are_those_due_at_this_very_moment_section_4(newer: Cluster) -> None:
    node = newer.node()
    _schedule(node)
    assert node.metrics()["schedules"]["missed"] == 0
    newer.clock.advance(12)
    schedules = node.metrics()["schedules"]
    assert (schedules["missed"], schedules["max_overdue_ms"]) == (1, 2000)
    newer.tick()
    schedules = node.metrics()["schedules"]
    assert (schedules["missed"], schedules["max_overdue_ms"]) == (0, 0)
    assert schedules["fires_total"] == 1


def _schedule(node: Node) -> Any:
    wanted = {
        "schedule_id": "s1",
        "spec": {"intervals": [{"every": "PT10S"}]},
        "action": {"workflow_type": "t", "task_queue": "q"},
    }
    return node.post("/api/schedules", wanted)
