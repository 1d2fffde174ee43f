"""What gives a run its pin, and who gets its work (contract 3.5; 0.2.x: by the node's marker)."""

from __future__ import annotations

from tests.emulator.cluster import Cluster


def test_an_explicit_build_id_wins_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "promote")
    node.start("o-1", build_id="canary")
    node.start("o-2", compatibility="other")
    node.start("o-3", compatibility="other", build_id="canary")
    assert [node.pin(f"o-{n}") for n in (1, 2, 3)] == ["canary", "other", "canary"]


def test_the_selected_cohort_is_next_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.join("w2", "b2")
    node.cohort("q", "b2", "promote")
    node.start("o-1")
    assert node.pin("o-1") == "b2"


def test_the_only_cohort_that_advertises_the_type_is_next_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1", supported_workflow_types=["order"])
    node.join("w2", "b2", supported_workflow_types=["refund"])
    node.start("o-1")
    assert node.pin("o-1") == "b1"


def test_the_only_active_cohort_is_next_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1")
    assert node.pin("o-1") == "b1"


def test_two_active_cohorts_and_no_promotion_leave_runs_unpinned_section_3_5(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.join("w2", "b2")
    node.start("o-1")
    assert node.pin("o-1") is None
    assert node.poll("w2")["workflow_id"] == "o-1"


def test_starts_are_refused_while_all_workers_drain_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    answer = node.start("o-1")
    assert (answer.status, answer.json["reason"]) == (409, "task_queue_draining")
    assert (answer.json["draining_worker_count"], answer.json["draining_build_ids"]) == (1, ["b1"])
    assert node.get("/api/workflows/o-1").status == 404
    node.join("w2", "b2")
    assert node.start("o-1").status == 201


def test_a_queue_that_nobody_ever_used_takes_starts_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    assert node.start("o-1", queue="fresh").status == 201
    assert node.pin("o-1") is None


def test_pinned_work_goes_to_its_build_alone(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.join("w2", "b2")
    node.join("w0")
    assert [node.poll("w2"), node.poll("w0")] == [None, None]
    assert node.poll("w1")["compatibility"] == "b1"


def test_a_worker_may_serve_other_pins_as_well(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.start("o-1", build_id="b1")
    node.join("w2", "b2", supported_compatibilities=["b1"])
    assert node.poll("w2")["compatibility"] == "b1"
    node.start("o-2", build_id="b1")
    node.join("w3", "b3", supported_compatibilities=["*"])
    assert node.poll("w3")["workflow_id"] == "o-2"


def test_the_marker_of_the_node_that_takes_the_start_pins_the_run(older: Cluster) -> None:
    first, second = older.node(marker="b1"), older.node(marker="b2")
    first.start("o-1")
    second.start("o-2", build_id="ignored")
    older.node().start("o-3")
    assert [first.pin(f"o-{n}") for n in (1, 2, 3)] == ["b1", "b2", None]


def test_unpinned_activities_stall_where_only_versioned_workers_are(older: Cluster) -> None:
    node = older.node()
    node.join("w1", "b1")
    node.start("o-1")
    node.complete(node.poll("w1"), {"type": "schedule_activity", "activity_type": "pay"})
    older.clock.advance(120)
    assert node.poll("w1", "activity") is None
    assert node.metrics()["backlog"]["compatibility_blocked_runs"] == 0
    assert node.metrics()["tasks"]["dispatch_overdue"] == 1
    node.join("w0")
    assert node.poll("w0", "activity")["activity_type"] == "pay"


def test_versioned_workers_take_unpinned_activities_in_the_newer_generation(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.start("o-1", queue="q")
    node.join("w1", "b1")
    node.complete(node.poll("w1"), {"type": "schedule_activity", "activity_type": "pay"})
    assert node.poll("w1", "activity")["activity_type"] == "pay"


def test_activities_on_another_queue_carry_the_pin_there(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.complete(
        node.poll("w1"), {"type": "schedule_activity", "activity_type": "pay", "queue": "bank"}
    )
    node.join("bank-2", "b2", queue="bank")
    assert node.poll("bank-2", "activity", queue="bank") is None
    node.join("bank-1", "b1", queue="bank")
    assert node.poll("bank-1", "activity", queue="bank")["compatibility"] == "b1"


def test_children_retries_and_continuations_keep_the_pin(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    later = either.node(marker="b2")
    later.join("w2", "b2")
    if either.settings().rules.selector_routing:
        later.cohort("q", "b2", "promote")
    policy = {"max_attempts": 2, "backoff_seconds": [0]}
    child = {"type": "start_child_workflow", "workflow_type": "kid", "workflow_id": "kid-1"}
    later.complete(later.poll("w1"), child | {"retry_policy": policy})
    later.complete(later.poll("w1"), {"type": "fail_workflow", "message": "once"})
    retried = later.poll("w1")
    runs = later.get("/api/workflows/kid-1/runs").json["runs"]
    assert [(run["status"], run["compatibility"]) for run in runs] == [
        ("failed", "b1"),
        ("pending", "b1"),
    ]
    later.complete(retried, {"type": "complete_workflow", "result": None})
    later.complete(later.poll("w1"), {"type": "continue_as_new", "arguments": {"blob": "x"}})
    shown = later.get("/api/workflows/o-1").json
    assert (shown["run_number"], shown["compatibility"], shown["status"]) == (2, "b1", "pending")
