"""Contract section 5: what operators of the newer generation read and change besides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.cluster import Cluster, Node


def test_a_worker_row_shows_slots_and_its_own_interval_section_5_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    row = node.get("/api/workers/w1").json
    assert row.keys() >= {
        "capabilities",
        "workflow_command_contracts",
        "task_slots",
        "process_metrics",
        "heartbeat_interval_seconds",
        "updated_at",
        "stale_after_seconds",
    }
    assert node.get("/api/workers").json["stale_after_seconds"] == 30


def test_deleting_a_worker_is_for_admins_and_a_repeat_is_404_section_5_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    assert node.send("DELETE", "/api/workers/w1").status == 403
    first = node.send("DELETE", "/api/workers/w1", role="admin")
    assert (first.status, first.json) == (200, {"worker_id": "w1", "outcome": "deregistered"})
    again = node.send("DELETE", "/api/workers/w1", role="admin")
    assert (again.status, again.json["reason"]) == (404, "worker_not_found")


def test_a_queue_names_who_holds_which_lease_section_5_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    task = node.poll("w1")
    (lease,) = node.get("/api/task-queues/q").json["current_leases"]
    assert (lease["lease_owner"], lease["workflow_id"]) == ("w1", "o-1")
    assert lease["task_id"] == task["task_id"]
    assert (lease["task_type"], lease["workflow_task_attempt"]) == ("workflow", 1)
    assert lease["is_expired"] is False


@pytest.mark.parametrize(
    ("workers", "leases", "status"),
    [(0, 0, "no_active_workers"), (1, 0, "accepting"), (1, 1, "saturated")],
)
def test_admission_says_whether_a_queue_takes_more_section_5_2(
    newer: Cluster, workers: int, leases: int, status: str
) -> None:
    node = newer.node()
    for number in range(workers):
        node.join(f"w{number}", "b1", max_concurrent_workflow_tasks=1)
    node.start("o-1", build_id="b1")
    for _ in range(leases):
        node.poll("w0")
    admission = node.get("/api/task-queues/q").json["admission"]
    assert admission["workflow_tasks"]["status"] == status


def test_a_namespace_shows_its_retention_mode_section_5_3(newer: Cluster) -> None:
    shown = newer.node().get("/api/namespaces/default").json
    assert shown.keys() >= {"name", "description", "retention_days", "status", "retention_mode"}


def test_only_admins_make_namespaces_section_5_3(newer: Cluster) -> None:
    node = newer.node()
    assert node.post("/api/namespaces", {"name": "n"}).status == 403
    assert node.post("/api/namespaces", {"name": "n"}, role="admin").status == 201
    listed = node.get("/api/namespaces").json["namespaces"]
    assert [item["name"] for item in listed] == ["default", "n"]


def test_a_schedule_shows_both_spellings_of_its_next_fire_section_5_4(newer: Cluster) -> None:
    node = newer.node()
    _schedule(node)
    (listed,) = node.get("/api/schedules").json["schedules"]
    assert listed["next_fire"] == listed["next_fire_at"] == "2026-11-20T20:00:10+00:00"
    detail = node.get("/api/schedules/s1").json
    assert detail["state"] == {"status": "active", "paused": False, "note": None}
    assert detail["info"].keys() >= {"next_fire", "last_fire", "fires_count", "failures_count"}


@pytest.mark.parametrize(("act", "outcome"), [("pause", "paused"), ("resume", "resumed")])
def test_pausing_and_resuming_are_idempotent_section_5_4(
    newer: Cluster, act: str, outcome: str
) -> None:
    node = newer.node()
    _schedule(node)
    for _ in range(2):
        answer = node.post(f"/api/schedules/s1/{act}", {"note": "rollout"})
        assert (answer.status, answer.json["outcome"]) == (200, outcome)


def test_the_workflow_id_is_the_idempotency_key_section_5_5(newer: Cluster) -> None:
    node = newer.node()
    assert node.start("o-1").json["outcome"] == "started_new"
    again = node.start("o-1", duplicate_policy="use-existing")
    assert (again.status, again.json["outcome"]) == (200, "returned_existing_active")
    assert node.start("o-1").status == 409
    for key in ("request_id", "idempotency_key"):
        refused = node.start("o-2", **{key: "x"})
        assert (refused.status, list(refused.json["errors"])) == (422, [key])


def test_a_probe_ends_with_the_pin_it_asked_for_section_5_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("probe-1", build_id="b1", run_timeout_seconds=30)
    open_run = node.get("/api/workflows/probe-1").json
    assert (open_run["is_terminal"], open_run["compatibility"]) == (False, "b1")
    node.complete(node.poll("w1"))
    shown = node.get("/api/workflows/probe-1").json
    assert (shown["status"], shown["is_terminal"]) == ("completed", True)
    missing = node.get("/api/workflows/nope")
    assert (missing.status, missing.json["reason"]) == (404, "instance_not_found")


@pytest.mark.parametrize("size", ["0", "201", "x"])
def test_a_page_holds_one_to_two_hundred_runs_section_5_5(newer: Cluster, size: str) -> None:
    assert newer.node().get(f"/api/workflows?page_size={size}").status == 422


def test_a_repair_pass_reports_and_may_be_repeated_section_5_6(newer: Cluster) -> None:
    node = newer.node(workflow_lease_s=5)
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.poll("w1")
    newer.clock.advance(10)
    status = node.get("/api/system/repair", role="admin").json
    assert (status["candidates"]["total_candidates"], status["policy"]["scan_limit"]) == (1, 25)
    first = node.post("/api/system/repair/pass", role="admin").json
    again = node.post("/api/system/repair/pass", role="admin").json
    assert (first["repaired_existing_tasks"], again["repaired_existing_tasks"]) == (1, 0)
    assert node.poll("w1")["workflow_task_attempt"] == 2


def _schedule(node: Node) -> Any:
    wanted = {
        "schedule_id": "s1",
        "spec": {"intervals": [{"every": "PT10S"}]},
        "action": {"workflow_type": "t", "task_queue": "q"},
    }
    return node.post("/api/schedules", wanted)
