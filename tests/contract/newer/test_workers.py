"""Contract section 6: the worker plane of the newer generation."""

from __future__ import annotations

import pytest

from tests.emulator.cluster import Cluster


def test_a_registration_says_what_became_of_it_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    wanted = {"worker_id": "w1", "task_queue": "q", "runtime": "python", "build_id": "b1"}
    answer = node.worker("register", wanted)
    assert answer.status == 201
    shown = answer.json
    assert {name: shown[name] for name in (*wanted, "registered", "status")} == {
        **wanted,
        "registered": True,
        "status": "active",
    }
    assert shown["heartbeat_interval_seconds"] == 10
    assert len(shown["registration_token"]) == 32


def test_a_registration_under_a_drained_build_says_draining_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    node.cohort("q", "b1", "drain")
    wanted = {"worker_id": "w1", "task_queue": "q", "runtime": "python", "build_id": "b1"}
    assert node.worker("register", wanted).json["status"] == "draining"


@pytest.mark.parametrize(
    "runtime", ["php", "python", "typescript", "go", "java", "rust", "external"]
)
def test_seven_runtimes_may_register_section_6_1(newer: Cluster, runtime: str) -> None:
    wanted = {"task_queue": "q", "runtime": runtime}
    assert newer.node().worker("register", wanted).status == 201


def test_an_unknown_runtime_and_missing_fields_are_invalid_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    wrong = node.worker("register", {"task_queue": "q", "runtime": "cobol"})
    assert (wrong.status, list(wrong.json["errors"])) == (422, ["runtime"])
    missing = node.worker("register", {})
    assert (missing.status, sorted(missing.json["errors"])) == (422, ["runtime", "task_queue"])


def test_changed_code_needs_a_new_worker_id_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1", workflow_definition_fingerprints={"order": "sha256:a"})
    answer = node.join("w1", "b2", workflow_definition_fingerprints={"order": "sha256:b"})
    assert (answer.status, answer.json["reason"]) == (409, "workflow_definition_changed")


def test_a_heartbeat_is_told_its_interval_and_never_that_it_drains_section_6_1(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    ack = node.beat("w1").json
    assert (ack["acknowledged"], ack["heartbeat_interval_seconds"]) == (True, 10)
    assert ack["stale_after_seconds"] == 30
    assert "draining" not in str({k: v for k, v in ack.items() if k != "server_capabilities"})


def test_registering_alone_is_no_compatibility_heartbeat_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    node.worker(
        "register",
        {"worker_id": "w1", "task_queue": "q", "runtime": "python", "build_id": "b1"},
    )
    assert node.cohort("q", "b1", "promote").json["reason"] == "no_compatible_workers"
    node.beat("w1")
    assert node.cohort("q", "b1", "promote").status == 200


@pytest.mark.parametrize("kind", ["workflow", "activity", "query"])
def test_a_poll_without_work_ends_empty_section_6_2(newer: Cluster, kind: str) -> None:
    node = newer.node()
    node.join("w1", "b1")
    body = node.worker(f"{kind}-tasks/poll", {"worker_id": "w1", "task_queue": "q"}).json
    assert (body["task"], body["poll_status"]) == (None, "empty")


def test_a_poll_with_work_leases_it_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    body = node.worker("workflow-tasks/poll", {"worker_id": "w1", "task_queue": "q"}).json
    assert (body["poll_status"], body["task"]["lease_owner"]) == ("leased", "w1")


def test_a_draining_workers_poll_is_a_conflict_that_says_so_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    node.cohort("q", "b1", "drain")
    answer = node.worker("workflow-tasks/poll", {"worker_id": "w1", "task_queue": "q"})
    assert answer.status == 409
    plain = {k: v for k, v in answer.json.items() if k not in ("error", "server_capabilities")}
    assert plain == {
        "task": None,
        "poll_status": "draining",
        "reason": "worker_draining",
        "worker_id": "w1",
        "task_queue": "q",
        "registered_build_id": "b1",
        "worker_status": "draining",
        "drain_intent": "draining",
        "protocol_version": node.protocol,
    }


def test_a_poll_is_refused_by_who_and_where_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")

    def refused(**body: str) -> tuple[int, str]:
        answer = node.worker("workflow-tasks/poll", body)
        return answer.status, answer.json["reason"]

    assert refused(worker_id="ghost", task_queue="q") == (412, "worker_not_registered")
    assert refused(worker_id="w1", task_queue="x") == (409, "task_queue_mismatch")
    assert refused(worker_id="w1", task_queue="q", build_id="b2") == (409, "build_id_mismatch")
