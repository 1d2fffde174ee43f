"""Operator metrics leaf by leaf, schedules, and the scheduler that there must be one of."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model import passes
from rollout_kit.emulator.model.settings import Generation
from tests.emulator.cluster import Cluster

EVERY_10_S = {"intervals": [{"every": "PT10S"}]}
OLDER_SECTIONS = {
    "generated_at", "runs", "tasks", "activities", "backlog", "repair", "starts", "history",
    "command_contracts", "projections", "schedules", "workers", "backend", "structural_limits",
    "update_wait", "repair_policy", "matching_role",
}  # fmt: skip
NEWER_SECTIONS = {
    "sticky_execution",
    "worker_sessions",
    "capacity_evidence",
    "runtime_external_payload_cleanup",
}


def schedule(cluster: Cluster, spec: object = None, name: str = "s1") -> None:
    body = {
        "schedule_id": name,
        "spec": spec or EVERY_10_S,
        "action": {"workflow_type": "order", "task_queue": "q"},
    }
    assert cluster.node().post("/api/schedules", body).status == 201


def test_the_sections_are_those_of_the_generation_section_4(either: Cluster) -> None:
    more = NEWER_SECTIONS if either.generation is Generation.V2 else set()
    assert set(either.node().metrics()) == OLDER_SECTIONS | more


def test_leaves_that_came_later_are_absent_in_the_older_generation(either: Cluster) -> None:
    metrics, newer = either.node().metrics(), either.generation is Generation.V2
    assert ("max_attempt_count" in metrics["tasks"]) == newer
    assert ("tasks_added_last_minute" in metrics["backlog"]) == newer
    assert ("event_threshold" in metrics["history"]) == (not newer)


def test_tasks_are_counted_by_what_they_wait_for_section_4(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")
    for number in range(3):
        node.start(f"o-{number}", build_id="b1")
    node.poll("w1")
    either.clock.advance(2.9)
    assert node.metrics()["tasks"]["dispatch_overdue"] == 0
    either.clock.advance(0.1)
    tasks = node.metrics()["tasks"]
    counted = {name: tasks[name] for name in ("open", "ready", "ready_due", "leased", "unhealthy")}
    assert counted == {"open": 3, "ready": 2, "ready_due": 2, "leased": 1, "unhealthy": 2}
    assert tasks["max_dispatch_overdue_age_ms"] == 3000
    assert tasks["oldest_ready_due_at"] == "2026-11-20T20:00:00.000000Z"


def test_a_repair_pass_sets_the_overdue_count_back_for_a_while(either: Cluster) -> None:
    node = either.node()
    node.start("o-1")
    either.clock.advance(5)
    assert node.metrics()["tasks"]["unhealthy"] == 1
    node.post("/api/system/repair/pass", role="admin")
    assert node.metrics()["tasks"]["unhealthy"] == 0
    either.clock.advance(3)
    assert node.metrics()["tasks"]["unhealthy"] == 1


def test_the_repair_figures_of_the_metrics_are_always_zero_section_4(either: Cluster) -> None:
    node = either.node()
    node.start("o-1")
    either.clock.advance(5)
    assert node.metrics()["repair"]["total_candidates"] == 0
    status = node.get("/api/system/repair", role="admin").json["candidates"]
    assert (status["total_candidates"], status["scopes"][0]["queue"]) == (1, "q")


def test_blocked_runs_are_a_projection_that_only_a_look_renews(older: Cluster) -> None:
    first, second = older.node(marker="b1"), older.node(marker="b2")
    first.start("o-1")
    first.start("o-2")

    def blocked() -> int:
        count: int = first.metrics()["backlog"]["compatibility_blocked_runs"]
        return count

    seen = [blocked()]
    first.post("/api/system/repair/pass", role="admin")
    seen.append(blocked())
    older.clock.advance(31)
    second.post("/api/workflows/o-1/repair")
    seen.append(blocked())
    second.post("/api/system/repair/pass", role="admin")
    seen.append(blocked())
    assert seen == [0, 0, 1, 2]


def test_a_node_that_repairs_counts_itself_as_a_supporter_for_a_while(older: Cluster) -> None:
    node = older.node(marker="b1")
    assert node.metrics()["workers"]["active_workers_supporting_required"] == 0
    node.post("/api/system/repair/pass", role="admin")
    workers = node.metrics()["workers"]
    assert (workers["active_workers_supporting_required"], workers["fleet"][0]["namespace"]) == (
        1,
        None,
    )
    older.clock.advance(30)
    assert node.metrics()["workers"]["active_workers_supporting_required"] == 0


def test_registering_beats_in_the_older_generation_alone(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.worker("register", {"worker_id": "w1", "task_queue": "q", "runtime": "php",
                             "build_id": "b1"})  # fmt: skip
    supporting = node.metrics()["workers"]["active_workers_supporting_required"]
    assert supporting == (1 if either.generation is Generation.V0_2 else 0)


def test_a_due_schedule_is_missed_until_a_scheduler_ticks(either: Cluster) -> None:
    schedule(either)
    either.clock.advance(12)
    found = either.node().metrics()["schedules"]
    assert (found["active"], found["missed"], found["max_overdue_ms"]) == (1, 1, 2000)
    assert either.tick().started == 1
    found = either.node().metrics()["schedules"]
    assert (found["missed"], found["fires_total"]) == (0, 1)
    [run] = either.node().get("/api/workflows?status=running").json["workflows"]
    assert run["workflow_type"] == "order"


def test_an_overlapping_run_is_skipped(either: Cluster) -> None:
    schedule(either)
    for _ in range(2):
        either.clock.advance(10)
        either.tick()
    shown = either.node().get("/api/schedules/s1").json["info"]
    assert (shown["fires_count"], shown["skipped_trigger_count"]) == (1, 1)


def test_a_paused_schedule_does_not_fire_and_makes_nothing_up(either: Cluster) -> None:
    schedule(either)
    node = either.node()
    for _ in range(2):
        assert node.post("/api/schedules/s1/pause", {"note": "x"}).json["outcome"] == "paused"
    either.clock.advance(25)
    assert either.tick().started == 0
    assert node.metrics()["schedules"]["paused"] == 1
    node.post("/api/schedules/s1/resume")
    assert either.tick().started == 0
    either.clock.advance(10)
    assert either.tick().started == 1


def test_scheduled_runs_carry_the_schedulers_own_marker(older: Cluster) -> None:
    schedule(older)
    older.clock.advance(10)
    older.tick(marker="b7")
    [run] = older.node().get("/api/workflows?status=running").json["workflows"]
    assert older.node().pin(run["workflow_id"]) == "b7"


def test_scheduled_runs_go_where_the_selector_says_section_3_5(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "promote")
    schedule(newer)
    newer.clock.advance(10)
    newer.tick(marker="ignored")
    [run] = node.get("/api/workflows?status=running").json["workflows"]
    assert run["compatibility"] == "b1"


@pytest.mark.parametrize(
    ("spec", "next_fire"),
    [
        ({"intervals": [{"every": "PT1M30S"}]}, "2026-11-20T20:01:30+00:00"),
        ({"cron_expressions": ["*/15 * * * *"]}, "2026-11-20T20:15:00+00:00"),
        ({"cron_expressions": ["30 6 1 1 *"]}, "2027-01-01T06:30:00+00:00"),
        ({"cron_expressions": ["0 9 * * 1-5"]}, "2026-11-23T09:00:00+00:00"),
        ({"cron_expressions": ["0 9 * * 0"]}, "2026-11-22T09:00:00+00:00"),
    ],
)
def test_a_schedule_is_due_when_its_specification_says(
    either: Cluster, spec: dict[str, object], next_fire: str
) -> None:
    schedule(either, spec)
    [row] = either.node().get("/api/schedules").json["schedules"]
    assert row["next_fire"] == next_fire


def test_a_schedule_that_is_unknown_or_known_already_is_refused(either: Cluster) -> None:
    schedule(either)
    node = either.node()
    body = {"schedule_id": "s1", "spec": EVERY_10_S, "action": {"workflow_type": "order"}}
    assert node.post("/api/schedules", body).status == 409
    assert node.post("/api/schedules/nope/pause").json["reason"] == "schedule_not_found"
    assert node.send("DELETE", "/api/schedules/s1").json["outcome"] == "deleted"


def test_a_second_scheduler_beside_the_first_is_counted(either: Cluster) -> None:
    assert [either.tick("one").overlapped for _ in range(3)] == [False] * 3
    assert either.tick("two").overlapped is False
    assert either.tick("one").overlapped is True
    with either.read() as rows:
        assert passes.scheduler_overlaps(rows) == 1


def test_a_scheduler_that_takes_over_is_no_overlap(either: Cluster) -> None:
    for process in ("one", "one", "two", "two", "two"):
        either.tick(process)
    with either.read() as rows:
        assert passes.scheduler_overlaps(rows) == 0
