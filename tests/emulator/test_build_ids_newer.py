"""Build ids of 2.x, statement by statement (contract sections 3.1 to 3.3, 3.6)."""

from __future__ import annotations

from tests.emulator.cluster import Cluster


def test_an_unknown_queue_is_an_empty_list_section_3_1(newer: Cluster) -> None:
    answer = newer.node().get("/api/task-queues/nobody/build-ids")
    assert (answer.status, answer.json["build_ids"]) == (200, [])


def test_a_row_has_the_fields_of_the_newer_generation_section_3_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1", sdk_version="sdk/1", workflow_definition_fingerprints={"order": "x"})
    row = node.build_ids()["b1"]
    assert set(row) == {
        "build_id", "rollout_status", "drain_intent", "drained_at", "promoted_at",
        "rolled_back_at", "new_start_selected", "active_worker_count", "draining_worker_count",
        "stale_worker_count", "total_worker_count", "runtimes", "sdk_versions",
        "workflow_definition_fingerprint_count", "workflow_definition_fingerprint_conflicts",
        "last_heartbeat_at", "first_seen_at",
    }  # fmt: skip
    assert row["sdk_versions"] == ["sdk/1"]
    assert row["last_heartbeat_at"] == "2026-11-20T20:00:00.000000Z"


def test_two_codes_under_one_build_id_are_a_conflict_section_3_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1", workflow_definition_fingerprints={"order": "x"})
    node.join("w2", "b1", workflow_definition_fingerprints={"order": "y"})
    row = node.build_ids()["b1"]
    conflict = {"workflow_type": "order", "fingerprint_count": 2}
    assert row["workflow_definition_fingerprint_conflicts"] == [conflict]
    assert row["workflow_definition_fingerprint_count"] == 2


def test_status_names_the_first_of_six_cases_that_matches_section_3_1(newer: Cluster) -> None:
    node = newer.node()
    seen = {}
    node.join("w1", "b1")
    seen["one active"] = node.build_ids()["b1"]["rollout_status"]
    node.cohort("q", "b1", "drain")
    seen["drained, alive"] = node.build_ids()["b1"]["rollout_status"]
    newer.clock.advance(31)
    seen["drained, silent"] = node.build_ids()["b1"]["rollout_status"]
    node.cohort("q", "b1", "resume")
    seen["resumed, silent"] = node.build_ids()["b1"]["rollout_status"]
    node.send("DELETE", "/api/workers/w1", role="admin")
    seen["resumed, removed"] = node.build_ids()["b1"]["rollout_status"]
    node.cohort("q", "b1", "drain")
    seen["drained, removed"] = node.build_ids()["b1"]["rollout_status"]
    assert seen == {
        "one active": "active",
        "drained, alive": "draining",
        "drained, silent": "draining",
        "resumed, silent": "stale_only",
        "resumed, removed": "no_workers",
        "drained, removed": "draining",
    }


def test_rows_are_ordered_by_status_then_unversioned_last_section_3_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w0")
    node.join("w1", "old")
    node.cohort("q", "old", "drain")
    newer.clock.advance(2)
    node.join("w2", "new")
    node.cohort("q", "typo", "drain")
    node.cohort("q", "typo", "resume")
    assert list(node.build_ids()) == ["new", None, "old", "typo"]


def test_a_worker_is_stale_by_the_cutoff_of_the_answering_node_section_3_1(newer: Cluster) -> None:
    newer.node().join("w1", "b1")
    newer.clock.advance(7)
    assert newer.node(stale_after_override_s=5).build_ids()["b1"]["stale_worker_count"] == 1
    assert newer.node().build_ids()["b1"]["active_worker_count"] == 1


def test_the_stale_limit_is_three_heartbeats_but_at_least_thirty_seconds_section_3_1(
    newer: Cluster,
) -> None:
    path = "/api/task-queues/q/build-ids"
    assert newer.node().get(path).json["stale_after_seconds"] == 30
    assert newer.node(heartbeat_interval_s=20).get(path).json["stale_after_seconds"] == 60


def test_stale_rows_stay_until_an_admin_deletes_them_section_3_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    newer.clock.advance(86_400)
    assert node.build_ids()["b1"]["total_worker_count"] == 1
    answer = node.send("DELETE", "/api/workers/w1", role="admin")
    assert answer.json == {"worker_id": "w1", "outcome": "deregistered"}
    assert node.build_ids() == {}
    assert node.send("DELETE", "/api/workers/w1", role="admin").status == 404


def test_drain_stamps_worker_rows_at_once_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    answer = node.cohort("q", "b1", "drain")
    assert answer.json == {
        "namespace": "default",
        "task_queue": "q",
        "build_id": "b1",
        "drain_intent": "draining",
        "drained_at": "2026-11-20T20:00:00Z",
        "promoted_at": None,
        "rolled_back_at": None,
        "new_start_selected": False,
    }
    row = node.build_ids()["b1"]
    assert (row["active_worker_count"], row["draining_worker_count"]) == (0, 1)


def test_repeating_a_drain_keeps_its_first_time_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    first = node.cohort("q", "b1", "drain").json["drained_at"]
    newer.clock.advance(5)
    assert node.cohort("q", "b1", "drain").json["drained_at"] == first
    node.cohort("q", "b1", "resume")
    newer.clock.advance(5)
    assert node.cohort("q", "b1", "drain").json["drained_at"] == "2026-11-20T20:00:10Z"


def test_any_queue_and_build_id_are_accepted_and_leave_a_row_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    assert node.cohort("typo", "nope", "drain").status == 200
    row = node.build_ids("typo")["nope"]
    assert (row["rollout_status"], row["total_worker_count"]) == ("draining", 0)


def test_polls_of_a_draining_worker_are_refused_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    for kind in ("workflow", "activity", "query"):
        answer = node.worker(f"{kind}-tasks/poll", {"worker_id": "w1", "task_queue": "q"})
        assert (answer.status, answer.json["reason"]) == (409, "worker_draining")
        assert (answer.json["task"], answer.json["poll_status"]) == (None, "draining")


def test_a_resumed_worker_gets_work_without_a_heartbeat_section_3_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1")
    node.cohort("q", "b1", "drain")
    node.cohort("q", "b1", "resume")
    assert node.build_ids()["b1"]["active_worker_count"] == 1
    assert node.poll("w1")["workflow_id"] == "o-1"


def test_leased_work_of_a_draining_worker_is_still_accepted_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1")
    task = node.poll("w1")
    node.cohort("q", "b1", "drain")
    assert node.complete(task).status == 200
    assert node.get("/api/workflows/o-1").json["status"] == "completed"


def test_a_new_worker_of_a_drained_build_is_draining_from_the_start_section_3_2(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.cohort("q", "b1", "drain")
    assert node.join("w1", "b1").json["status"] == "draining"
    assert node.build_ids()["b1"]["draining_worker_count"] == 1


def test_promote_selects_the_cohort_for_new_starts_section_3_3(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "old")
    node.join("w2", "new")
    node.cohort("q", "old", "promote")
    newer.clock.advance(1)
    answer = node.cohort("q", "new", "promote")
    assert answer.json["new_start_selected"] is True
    assert answer.json["deployment"]["name"] == "default/q@new"
    rows = node.build_ids()
    assert (rows["new"]["new_start_selected"], rows["old"]["new_start_selected"]) == (True, False)
    assert rows["old"]["promoted_at"] == "2026-11-20T20:00:00Z"


def test_each_repeat_of_a_promotion_moves_its_time_section_3_3(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "promote")
    newer.clock.advance(2)
    assert node.cohort("q", "b1", "promote").json["promoted_at"] == "2026-11-20T20:00:02Z"


def test_draining_the_selected_build_hands_new_starts_back_section_3_3(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "old")
    node.join("w2", "new")
    node.cohort("q", "old", "promote")
    newer.clock.advance(1)
    node.cohort("q", "new", "promote")
    node.cohort("q", "new", "drain")
    assert node.build_ids()["old"]["new_start_selected"] is True
    node.cohort("q", "new", "resume")
    assert node.build_ids()["new"]["new_start_selected"] is True


def test_promotions_within_one_second_are_told_apart_by_their_records_section_3_3(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1", "first")
    node.join("w2", "second")
    node.cohort("q", "first", "promote")
    node.cohort("q", "second", "promote")
    node.cohort("q", "first", "promote")
    assert node.build_ids()["second"]["new_start_selected"] is True


def test_promotion_is_refused_with_the_reason_and_the_way_out_section_3_3(newer: Cluster) -> None:
    node = newer.node()
    refused = {"unknown": node.cohort("q", "b1", "promote")}
    node.worker("register", {"worker_id": "w1", "task_queue": "q", "runtime": "php",
                             "build_id": "b1"})  # fmt: skip
    refused["no heartbeat yet"] = node.cohort("q", "b1", "promote")
    node.beat("w1")
    node.cohort("q", "b1", "drain")
    refused["draining"] = node.cohort("q", "b1", "promote")
    newer.clock.advance(31)
    refused["drained"] = node.cohort("q", "b1", "promote")
    assert {answer.status for answer in refused.values()} == {409}
    assert {name: answer.json["reason"] for name, answer in refused.items()} == {
        "unknown": "unknown_deployment",
        "no heartbeat yet": "no_compatible_workers",
        "draining": "fleet_is_draining",
        "drained": "incompatible_policy",
    }
    body = refused["no heartbeat yet"].json
    assert body["outcome"] == "rejected_no_compatible_workers"
    assert body["blockages"][0]["scope"]["build_id"] == "b1"


def test_a_promotion_needs_a_heartbeat_no_older_than_its_ttl_section_3_3(newer: Cluster) -> None:
    node = newer.node(stale_after_override_s=120)
    node.join("w1", "b1")
    newer.clock.advance(31)
    assert node.cohort("q", "b1", "promote").json["reason"] == "no_compatible_workers"
    node.beat("w1")
    assert node.cohort("q", "b1", "promote").status == 200


def test_the_unversioned_cohort_is_promoted_without_a_fleet_check_section_3_3(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.worker("register", {"worker_id": "w1", "task_queue": "q", "runtime": "php"})
    assert node.cohort("q", None, "promote").status == 200


def test_a_drained_promotion_survives_its_resume_section_3_6(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "promote")
    node.cohort("q", "b1", "drain")
    answer = node.cohort("q", "b1", "resume")
    assert (answer.json["promoted_at"], answer.json["new_start_selected"]) == (
        "2026-11-20T20:00:00Z",
        True,
    )


def test_everything_is_apart_by_namespace_section_3(newer: Cluster) -> None:
    node = newer.node()
    node.post("/api/namespaces", {"name": "other"}, role="admin")
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    answer = node.get("/api/task-queues/q/build-ids", x_namespace="Other")
    assert (answer.json["namespace"], answer.json["build_ids"]) == ("other", [])
