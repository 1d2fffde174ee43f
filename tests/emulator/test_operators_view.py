"""What operators and admins see of workers, queues, runs and passes."""

from __future__ import annotations

import hashlib
import json

import pytest

from rollout_kit.emulator.model.settings import Generation
from tests.emulator.cluster import Cluster


def test_the_newer_list_of_workers_hides_who_is_stale_section_5_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("gone", "b1")
    newer.clock.advance(31)
    node.join("here", "b1")

    def listed(query: str = "") -> list[str]:
        found = node.get(f"/api/workers{query}").json
        assert found["stale_after_seconds"] == 30
        return [row["worker_id"] for row in found["workers"]]

    assert listed() == ["here"]
    assert listed("?status=stale") == ["gone"]
    node.cohort("q", "b1", "drain")
    assert (listed("?status=active"), listed("?status=draining")) == ([], ["here"])
    assert listed("?task_queue=other") == []


def test_a_worker_that_is_deleted_keeps_its_leases_section_5_1(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    task = node.poll("w1")
    node.send("DELETE", "/api/workers/w1", role="admin")
    [lease] = node.get("/api/task-queues/q").json["current_leases"]
    assert lease["lease_owner"] == "w1"
    assert node.complete(task).status == 200


def test_a_queue_that_nobody_knows_is_one_of_zeros_section_5_2(either: Cluster) -> None:
    shown = either.node().get("/api/task-queues/nobody").json
    assert (shown["pollers"], shown["current_leases"]) == ([], [])
    assert shown["admission"]["workflow_tasks"]["status"] == "no_active_workers"


def test_active_pollers_include_draining_ones_section_5_2(either: Cluster) -> None:
    node = either.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    node.beat("w1")
    shown = node.get("/api/task-queues/q").json
    assert shown["stats"]["pollers"]["active_count"] == 1
    assert shown["pollers"][0]["status"] == "draining"
    assert shown["admission"]["workflow_tasks"]["active_worker_count"] == 0


def test_queues_are_listed_once_they_have_workers_or_work_section_5_2(either: Cluster) -> None:
    node = either.node()
    node.join("w1", "b1", queue="a b")
    node.start("o-1", queue="c")
    listed = node.get("/api/task-queues").json["task_queues"]
    assert [queue["name"] for queue in listed] == ["a b", "c"]
    assert listed[1]["stats"]["approximate_backlog_count"] == 1


def test_the_newer_queue_counts_what_moved_within_a_minute_section_5_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1")
    node.start("o-2")
    node.complete(node.poll("w1"))
    stats = node.get("/api/task-queues/q").json["stats"]
    assert (stats["tasks_added_last_minute"], stats["tasks_dispatched_last_minute"]) == (2, 1)
    newer.clock.advance(61)
    assert node.get("/api/task-queues/q").json["stats"]["tasks_added_last_minute"] == 0


def test_free_task_slots_are_what_a_heartbeat_said_section_5_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    slots = {"workflow_available": 9, "workflow_capacity": 10}
    node.worker("heartbeat", {"worker_id": "w1", "task_slots": slots})
    assert node.get("/api/workers/w1").json["task_slots"] == slots


def test_only_the_newer_list_of_runs_shows_the_pin_section_5_5(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.start("o-1", build_id="b1")
    [row] = node.get("/api/workflows?status=running").json["workflows"]
    assert row.get("compatibility") == ("b1" if either.generation is Generation.V2 else None)
    assert ("compatibility" in row) == (either.generation is Generation.V2)


def test_plain_input_is_stored_as_an_envelope_and_shown_again_section_5_5(either: Cluster) -> None:
    node = either.node()
    value = [1, -3, 2.5, "ä", None, True, {"k": ["v"]}]
    node.start("o-1", input=value)
    shown = node.get("/api/workflows/o-1").json
    assert shown["input"] == value
    assert shown["input_envelope"]["codec"] == "avro"


def test_an_envelope_is_kept_as_it_came(either: Cluster) -> None:
    node = either.node()
    node.start("o-1", input={"codec": "json", "blob": "[1, 2]"})
    shown = node.get("/api/workflows/o-1").json
    assert (shown["input"], shown["input_envelope"]["blob"]) == ([1, 2], "[1, 2]")
    node.start("o-2", input={"codec": "avro", "blob": "not avro"})
    assert node.get("/api/workflows/o-2").json["input"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"workflow_type": ""}, "workflow_type"),
        ({"workflow_id": "no spaces"}, "workflow_id"),
        ({"workflow_id": "x" * 129}, "workflow_id"),
        ({"request_id": "r"}, "request_id"),
        ({"idempotency_key": "k"}, "idempotency_key"),
        ({"duplicate_policy": "allow"}, "duplicate_policy"),
    ],
)
def test_a_start_that_is_not_valid_names_the_field_section_5_5(
    either: Cluster, body: dict[str, str], field: str
) -> None:
    answer = either.node().start("o-1", **body) if "workflow_id" not in body else (
        either.node().post("/api/workflows", {"workflow_type": "order"} | body))  # fmt: skip
    assert answer.status == 422
    assert list(answer.json["errors"]) == [field]
    assert answer.json["control_plane"]["operation"] == "start"


def test_deadlines_follow_from_timeouts(either: Cluster) -> None:
    node = either.node()
    node.start("o-1", run_timeout_seconds=600, execution_timeout_seconds=3600)
    shown = node.get("/api/workflows/o-1").json
    assert (shown["run_deadline_at"], shown["execution_deadline_at"]) == (
        "2026-11-20T20:10:00+00:00",
        "2026-11-20T21:00:00+00:00",
    )


def test_an_export_carries_the_checksum_of_its_canonical_form_section_5_5(
    either: Cluster,
) -> None:
    node = either.node()
    run_id = node.start("o-1").json["run_id"]
    bundle = node.get(f"/api/workflows/o-1/runs/{run_id}/history/export").json
    integrity = bundle.pop("integrity")
    canonical = json.dumps(bundle, sort_keys=True, separators=(",", ":")).encode()
    assert integrity["checksum"] == hashlib.sha256(canonical).hexdigest()
    assert [event["sequence"] for event in bundle["history_events"]] == [1, 2]


def test_long_histories_come_in_pages(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    marks = [{"type": "record_side_effect", "result": "x"}] * 600
    node.complete(node.poll("w1"), *marks, {"type": "start_timer", "delay_seconds": 0})
    either.maintain()
    task = node.poll("w1")
    assert (len(task["history_events"]), task["total_history_events"]) == (500, 604)
    more = node.worker(
        f"workflow-tasks/{task['task_id']}/history",
        {
            "lease_owner": "w1",
            "workflow_task_attempt": 1,
            "next_history_page_token": task["next_history_page_token"],
        },
    ).json
    assert [event["sequence"] for event in more["history_events"]] == list(range(501, 605))
    assert more["next_history_page_token"] is None


def test_retention_prunes_closed_runs_alone_section_5_6(either: Cluster) -> None:
    node = either.node()
    node.start("closed")
    node.post("/api/workflows/closed/terminate")
    node.start("open")
    either.clock.advance(31 * 86_400)
    assert node.get("/api/system/retention", role="admin").json["expired_run_count"] == 1
    assert node.post("/api/system/retention/pass", role="admin").json["pruned"] == 1
    assert node.get("/api/workflows/closed").status == 404
    assert node.get("/api/workflows/open").status == 200


def test_a_repair_scans_at_most_twenty_five_fairly_over_its_scopes_section_5_6(
    either: Cluster,
) -> None:
    node = either.node()
    for number in range(40):
        node.start(f"o-{number}", queue="big")
    node.start("p-1", queue="small")
    either.clock.advance(5)
    found = node.get("/api/system/repair", role="admin").json["candidates"]
    assert (found["total_candidates"], found["selected_total_candidates"]) == (41, 25)
    assert {scope["queue"]: scope["selected_total_candidates"] for scope in found["scopes"]} == {
        "big": 24,
        "small": 1,
    }
    assert found["scan_pressure"] is True


def test_clients_read_a_result_from_the_pages_of_a_history(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    result = {"codec": "avro", "blob": "AAA="}
    node.complete(node.poll("w1"), {"type": "complete_workflow", "result": result})
    path = f"/api/workflows/o-1/runs/{node.get('/api/workflows/o-1').json['run_id']}/history"
    whole = node.get(path).json
    assert whole["next_page_token"] is None
    assert (whole["events"][-1]["event_type"], whole["events"][-1]["payload"]["output"]) == (
        "WorkflowCompleted",
        result,
    )
    first = node.get(f"{path}?page_size=2").json
    rest = node.get(f"{path}?page_size=2&next_page_token={first['next_page_token']}").json
    assert first["events"] + rest["events"] == whole["events"]


def test_a_terminated_run_says_so_in_its_history(either: Cluster) -> None:
    node = either.node()
    node.start("o-1")
    node.post("/api/workflows/o-1/terminate", {"reason": "enough"})
    path = f"/api/workflows/o-1/runs/{node.get('/api/workflows/o-1').json['run_id']}/history"
    last = node.get(path).json["events"][-1]
    assert (last["event_type"], last["payload"]["reason"]) == ("WorkflowTerminated", "enough")
