"""Build ids of 0.2.x, where a drain is a label and not a gate."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Condition
from tests.emulator.cluster import Cluster


def test_there_is_no_promote_and_there_are_no_deployments(older: Cluster) -> None:
    node = older.node()
    for path in ("/api/task-queues/q/build-ids/promote", "/api/deployments"):
        answer = node.post(path, {"build_id": "b1"})
        assert (answer.status, answer.json["reason"]) == (404, "not_found")
    assert "topology" not in node.get("/api/cluster/info").json


def test_rows_flip_at_the_next_heartbeat_and_back_at_once(older: Cluster) -> None:
    node = older.node()
    node.join("w1", "b1")
    node.join("w2", "b1")
    seen = []
    for act in (
        lambda: node.cohort("q", "b1", "drain"),
        lambda: node.beat("w1"),
        lambda: node.beat("w2"),
        lambda: node.cohort("q", "b1", "resume"),
    ):
        act()
        seen.append(node.build_ids()["b1"]["rollout_status"])
    assert seen == ["active_with_draining", "active_with_draining", "draining", "active"]


def test_a_draining_worker_leases_and_completes_what_was_started_after_the_drain(
    older: Cluster,
) -> None:
    node = older.node(marker="b1")
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    node.beat("w1")
    assert node.start("o-1").status == 201
    assert node.complete(node.poll("w1")).json["run_status"] == "completed"


def test_the_answer_to_a_drain_has_five_fields_and_a_whole_second(older: Cluster) -> None:
    older.clock.advance(0.75)
    answer = older.node().cohort("q", "b1", "drain")
    assert answer.json == {
        "namespace": "default",
        "task_queue": "q",
        "build_id": "b1",
        "drain_intent": "draining",
        "drained_at": "2026-11-20T20:00:00.000000Z",
    }


@pytest.mark.parametrize("build", [None, "", "   "])
def test_null_and_blanks_name_the_unversioned_cohort(older: Cluster, build: str | None) -> None:
    assert older.node().cohort("q", build, "drain").json["build_id"] is None


def test_surrounding_blanks_are_trimmed(older: Cluster) -> None:
    node = older.node()
    node.join("w1", "  b9 ")
    assert node.cohort("q", " b9", "drain").json["build_id"] == "b9"
    assert list(node.build_ids()) == ["b9"]


@pytest.mark.parametrize("body", [{}, {"build_id": 7}, {"build_id": "x" * 256}, [1]])
def test_a_body_that_names_no_cohort_is_invalid(older: Cluster, body: object) -> None:
    answer = older.node().post("/api/task-queues/q/build-ids/drain", body)
    assert (answer.status, answer.json["reason"]) == (422, "validation_failed")
    assert answer.json["errors"] == answer.json["validation_errors"]


def test_a_queue_with_a_slash_can_be_registered_and_never_read(older: Cluster) -> None:
    node = older.node()
    assert node.join("w1", "b1", queue="a/b").status == 201
    answer = node.get("/api/task-queues/a%2Fb/build-ids")
    assert (answer.status, answer.json["reason"]) == (404, "not_found")
    assert "a%2Fb" in answer.json["message"]


def test_the_stale_limit_is_two_polls_but_at_least_a_minute(older: Cluster) -> None:
    path = "/api/task-queues/q/build-ids"
    assert older.node(poll_timeout_s=2).get(path).json["stale_after_seconds"] == 60
    assert older.node(poll_timeout_s=45).get(path).json["stale_after_seconds"] == 90


def test_a_silent_worker_is_stale_and_still_works(older: Cluster) -> None:
    node = older.node(marker="b1")
    node.join("w1", "b1")
    older.clock.advance(61)
    assert node.build_ids()["b1"]["rollout_status"] == "stale_only"
    node.start("o-1")
    assert node.poll("w1")["workflow_id"] == "o-1"


def test_a_drained_silent_worker_never_turns_draining(older: Cluster) -> None:
    node = older.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    older.clock.advance(61)
    row = node.build_ids()["b1"]
    assert (row["draining_worker_count"], row["stale_worker_count"]) == (0, 1)


def test_a_first_drain_may_lose_a_race_and_its_repeat_succeeds(older: Cluster) -> None:
    racing = older.node(conditions=frozenset({Condition.FIRST_DRAIN_RACE}))
    answers = [racing.cohort("q", "b1", "drain") for _ in range(2)]
    assert [answer.status for answer in answers] == [500, 200]
    assert answers[1].json["drain_intent"] == "draining"


def test_a_list_of_workers_filters_the_stored_status(older: Cluster) -> None:
    node = older.node()
    node.join("w1", "b1")
    older.clock.advance(61)
    assert node.get("/api/workers?status=stale").json["workers"] == []
    [row] = node.get("/api/workers?status=active").json["workers"]
    assert (row["worker_id"], row["status"]) == ("w1", "stale")


def test_the_same_worker_id_with_other_code_is_refused(either: Cluster) -> None:
    node = either.node()
    node.join("w1", "b1", workflow_definition_fingerprints={"order": "x"})
    answer = node.join("w1", "b1", workflow_definition_fingerprints={"order": "y"})
    assert (answer.status, answer.json["reason"]) == (409, "workflow_definition_changed")


def test_a_deleted_worker_is_refused_its_polls_and_heartbeats(either: Cluster) -> None:
    node = either.node()
    node.join("w1", "b1")
    node.send("DELETE", "/api/workers/w1", role="admin")
    poll = node.worker("workflow-tasks/poll", {"worker_id": "w1", "task_queue": "q"})
    assert (poll.status, poll.json["reason"]) == (412, "worker_not_registered")
    assert node.beat("w1").status == 404


def test_a_poll_on_another_queue_or_build_is_a_mismatch(either: Cluster) -> None:
    node = either.node()
    node.join("w1", "b1")
    other = node.worker("workflow-tasks/poll", {"worker_id": "w1", "task_queue": "x"})
    build = {"worker_id": "w1", "task_queue": "q", "build_id": "b2"}
    answers = [other, node.worker("workflow-tasks/poll", build)]
    assert [(answer.status, answer.json["reason"]) for answer in answers] == [
        (409, "task_queue_mismatch"),
        (409, "build_id_mismatch"),
    ]


def test_images_from_before_a_route_do_not_have_it(older: Cluster) -> None:
    found = {
        image: [
            older.node(image=image).get(path, role="admin").status
            for path in ("/api/task-queues/q/build-ids", "/api/system/operator-metrics")
        ]
        for image in ("0.2.5", "0.2.6", "0.2.9")
    }
    assert found == {"0.2.5": [404, 404], "0.2.6": [200, 404], "0.2.9": [200, 200]}
    assert older.node(image="0.2.5").get("/api/ready").status == 200


def test_a_node_from_before_build_ids_flips_drained_rows_back(older: Cluster) -> None:
    new, old = older.node(), older.node(image="0.2.5")
    new.join("w1", "b1")
    new.cohort("q", "b1", "drain")
    seen = []
    for node in (new, old, new):
        node.beat("w1")
        seen.append(new.build_ids()["b1"]["rollout_status"])
    assert seen == ["draining", "active_with_draining", "draining"]
