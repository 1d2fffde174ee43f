"""Leases and what comes back to a run: activities, timers, children, failures."""

from __future__ import annotations

from tests.emulator.cluster import Cluster, Node

ACTIVITY = {"type": "schedule_activity", "activity_type": "pay"}


def started(cluster: Cluster, **changes: object) -> Node:
    node = cluster.node(marker="b1", **changes)
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    return node


def event_types(node: Node, workflow_id: str = "o-1") -> list[str]:
    shown = node.get(f"/api/workflows/{workflow_id}").json
    path = f"/api/workflows/{workflow_id}/runs/{shown['run_id']}/history/export"
    return [event["event_type"] for event in node.get(path).json["history_events"]]


def test_a_lease_that_runs_out_is_redelivered_to_whoever_polls(either: Cluster) -> None:
    node = started(either, workflow_lease_s=5)
    node.join("w2", "b1")
    first = node.poll("w1")
    either.clock.advance(4)
    assert node.poll("w2") is None
    either.clock.advance(1)
    again = node.poll("w2")
    assert (again["task_id"], again["workflow_task_attempt"]) == (first["task_id"], 2)
    assert node.complete(first).status == 409
    assert node.complete(again).status == 200


def test_leases_of_the_older_generation_are_five_minutes_whatever_it_is_told(
    older: Cluster,
) -> None:
    node = started(older)
    assert node.poll("w1")["lease_expires_at"] == "2026-11-20T20:05:00.000000Z"


def test_leases_of_the_newer_generation_are_a_minute_and_five_section_6_2(newer: Cluster) -> None:
    node = started(newer)
    task = node.poll("w1")
    assert task["lease_expires_at"] == "2026-11-20T20:01:00.000000Z"
    node.complete(task, ACTIVITY)
    assert node.poll("w1", "activity")["lease_expires_at"] == "2026-11-20T20:05:00.000000Z"


def test_an_expired_lease_stays_leased_until_somebody_repairs(either: Cluster) -> None:
    node = started(either, workflow_lease_s=5)
    node.poll("w1")
    either.clock.advance(10)
    tasks = node.metrics()["tasks"]
    assert (tasks["leased"], tasks["lease_expired"], tasks["unhealthy"]) == (1, 1, 1)
    report = node.post("/api/system/repair/pass", role="admin").json
    assert report["repaired_existing_tasks"] == 1
    tasks = node.metrics()["tasks"]
    assert (tasks["ready"], tasks["leased"], tasks["lease_expired"]) == (1, 0, 0)


def test_a_run_has_one_workflow_task_at_a_time(either: Cluster) -> None:
    node = started(either)
    node.join("w2", "b1")
    node.complete(node.poll("w1"), ACTIVITY, ACTIVITY)
    one, two = node.poll("w1", "activity"), node.poll("w1", "activity")
    node.finish(one)
    task = node.poll("w1")
    node.finish(two)
    assert node.poll("w2") is None
    node.complete(task, {"type": "start_timer", "delay_seconds": 60})
    assert node.poll("w2")["workflow_id"] == "o-1"


def test_a_timer_fires_when_maintenance_looks_and_not_before(either: Cluster) -> None:
    node = started(either)
    node.complete(node.poll("w1"), {"type": "start_timer", "delay_seconds": 10})
    either.clock.advance(9)
    assert (either.maintain(), node.poll("w1")) == (0, None)
    either.clock.advance(1)
    assert (either.maintain(), either.maintain()) == (1, 0)
    node.complete(node.poll("w1"))
    assert event_types(node)[2:] == ["TimerScheduled", "TimerFired", "WorkflowCompleted"]


def test_a_result_travels_unopened_from_activity_to_history(either: Cluster) -> None:
    node = started(either)
    node.complete(node.poll("w1"), ACTIVITY | {"arguments": {"codec": "json", "blob": "[1]"}})
    task = node.poll("w1", "activity")
    assert task["arguments"] == {"codec": "json", "blob": "[1]"}
    node.finish(task, {"codec": "json", "blob": '"paid"'})
    [done] = [
        event
        for event in node.poll("w1")["history_events"]
        if event["event_type"] == "ActivityCompleted"
    ]
    assert done["payload"]["result"] == {"codec": "json", "blob": '"paid"'}


def test_a_failed_activity_is_tried_again_as_its_policy_says(either: Cluster) -> None:
    node = started(either)
    policy = {"max_attempts": 2, "backoff_seconds": [5]}
    node.complete(node.poll("w1"), ACTIVITY | {"retry_policy": policy})

    def fail() -> str:
        task = node.poll("w1", "activity")
        body = {
            "lease_owner": "w1",
            "activity_attempt_id": task["activity_attempt_id"],
            "failure": {"message": "no"},
        }
        path = f"activity-tasks/{task['task_id']}/fail"
        outcome: str = node.worker(path, body).json["outcome"]
        return outcome

    assert fail() == "retry_scheduled"
    assert node.poll("w1", "activity") is None
    assert node.metrics()["activities"]["retrying"] == 1
    either.clock.advance(5)
    assert fail() == "failed"
    assert event_types(node)[-1] == "ActivityFailed"


def test_an_activity_beyond_its_timeout_is_failed_by_the_scheduler(either: Cluster) -> None:
    node = started(either)
    node.complete(node.poll("w1"), ACTIVITY | {"start_to_close_timeout": 10})
    node.poll("w1", "activity")
    either.clock.advance(11)
    path = "/api/system/activity-timeouts"
    assert node.get(path, role="admin").json["expired_count"] == 1
    assert either.tick().timeouts == 1
    assert event_types(node)[-1] == "ActivityFailed"


def test_a_child_that_closes_wakes_its_parent(either: Cluster) -> None:
    node = started(either)
    child = {"type": "start_child_workflow", "workflow_type": "kid", "workflow_id": "kid-1"}
    node.complete(node.poll("w1"), child)
    node.complete(node.poll("w1"))
    assert node.get("/api/workflows/kid-1").json["status"] == "completed"
    node.complete(node.poll("w1"))
    assert event_types(node)[2:] == [
        "ChildWorkflowScheduled",
        "ChildRunStarted",
        "ChildRunCompleted",
        "WorkflowCompleted",
    ]


def test_a_failed_workflow_task_is_handed_out_again_and_counted(either: Cluster) -> None:
    node = started(either)
    task = node.poll("w1")
    body = {"lease_owner": "w1", "workflow_task_attempt": 1, "failure": {"message": "replay"}}
    assert node.worker(f"workflow-tasks/{task['task_id']}/fail", body).json["outcome"] == "failed"
    failures = node.get("/api/system/metrics", role="admin").json["metrics"]
    counted = failures["dw_workflow_task_consecutive_failures"]
    assert counted["by_workflow_type"] == [
        {"workflow_type": "order", "max_consecutive_failures": 1}
    ]
    either.clock.advance(1)
    assert node.poll("w1")["workflow_task_attempt"] == 2


def test_an_unknown_command_changes_nothing(either: Cluster) -> None:
    node = started(either)
    task = node.poll("w1")
    assert node.complete(task, ACTIVITY, {"type": "fly"}).status == 422
    assert node.complete(task).status == 200


def test_a_run_beyond_its_deadline_ends_when_a_worker_takes_its_task(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1", run_timeout_seconds=30)
    node.complete(node.poll("w1"), ACTIVITY)
    either.clock.advance(31)
    either.maintain()
    assert node.get("/api/workflows/o-1").json["status"] == "waiting"
    assert node.poll("w1") is None
    shown = node.get("/api/workflows/o-1").json
    assert (shown["status"], shown["closed_reason"]) == ("failed", "timed_out")


def test_terminating_ends_the_run_and_takes_its_work_away(either: Cluster) -> None:
    node = started(either)
    answer = node.post("/api/workflows/o-1/terminate", {"reason": "enough"})
    assert (answer.json["outcome"], answer.json["reason"]) == ("terminated", "enough")
    assert node.poll("w1") is None
    assert node.post("/api/workflows/o-1/terminate").status == 409


def test_a_workflow_id_is_taken_for_good(either: Cluster) -> None:
    node = started(either)
    reuse = {"duplicate_policy": "use-existing"}
    assert node.start("o-1").json["outcome"] == "rejected_duplicate"
    again = node.start("o-1", **reuse)
    assert (again.status, again.json["outcome"]) == (200, "returned_existing_active")
    node.post("/api/workflows/o-1/terminate")
    assert node.start("o-1", **reuse).status == 409


def test_lists_are_paged_by_offset_newest_first(either: Cluster) -> None:
    node = either.node()
    for number in range(5):
        either.clock.advance(1)
        node.start(f"o-{number}")
    first = node.get("/api/workflows?status=running&page_size=2").json
    second = node.get(
        f"/api/workflows?status=running&page_size=2&next_page_token={first['next_page_token']}"
    ).json
    listed = [[row["workflow_id"] for row in page["workflows"]] for page in (first, second)]
    assert listed == [["o-4", "o-3"], ["o-2", "o-1"]]
    assert node.get("/api/workflows?status=cancelled").status == 422


def test_a_queue_shows_at_most_fifty_leases(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    for number in range(52):
        node.start(f"o-{number}", build_id="b1")
        node.poll("w1")
    shown = node.get("/api/task-queues/q").json
    assert len(shown["current_leases"]) == 50
    assert shown["stats"]["workflow_tasks"]["leased_count"] == 52
    assert {lease["lease_owner"] for lease in shown["current_leases"]} == {"w1"}


def test_registering_the_same_worker_again_gives_its_leases_back_section_6_1(
    newer: Cluster,
) -> None:
    node = started(newer)
    node.poll("w1")
    node.join("w1", "b1")
    assert node.poll("w1")["workflow_task_attempt"] == 2


def test_a_worker_that_leaves_itself_gives_its_leases_back_section_5_1(newer: Cluster) -> None:
    node = newer.node()
    token = node.join("w1", "b1").json["registration_token"]
    node.start("o-1")
    node.poll("w1")
    path = "registrations/w1/deregister"
    assert node.worker(path, {"registration_token": "0" * 32}).status == 409
    left = node.worker(path, {"registration_token": token})
    assert left.json["recovered_workflow_task_count"] == 1
    assert node.build_ids() == {}
    assert node.worker(path, {"registration_token": token}).status == 404
