"""Contract sections 0.1, 1.2, 5.3, 5.6 and 6.1: what a rollout may meet on a bad day."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model.settings import Condition, Generation, Tokens
from tests.emulator.cluster import Answer, Cluster, Node

FAILING = frozenset({Condition.PASSES_FAIL})
FULL = frozenset({Condition.STORAGE_PRESSURE})
DAY_S = 86_400


# --- system passes -------------------------------------------------------------------------------


def test_a_repair_pass_with_failures_is_207_and_lists_them_section_5_6(newer: Cluster) -> None:
    node = newer.node(workflow_lease_s=5, conditions=FAILING)
    _lease_of_a_dead_worker(newer, node)
    answer = node.post("/api/system/repair/pass", role="admin")
    assert answer.status == 207
    report = answer.json
    assert (report["selected_existing_task_candidates"], report["repaired_existing_tasks"]) == (
        1,
        0,
    )
    assert len(report["existing_task_failures"]) == 1
    status = node.get("/api/system/repair", role="admin").json
    assert status["candidates"]["total_candidates"] == 1, "nothing was repaired"


def test_a_repair_pass_without_a_failure_is_200_section_5_6(newer: Cluster) -> None:
    idle = newer.node(conditions=FAILING)
    assert idle.post("/api/system/repair/pass", role="admin").status == 200
    node = newer.node(workflow_lease_s=5)
    _lease_of_a_dead_worker(newer, node)
    assert node.post("/api/system/repair/pass", role="admin").status == 200


def test_a_retention_pass_with_failures_is_207_and_keeps_what_failed_section_5_6(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.join("w1")
    node.start("o-1")
    node.complete(node.poll("w1"))
    newer.clock.advance(31 * DAY_S)
    failing = newer.node(conditions=FAILING)
    answer = failing.post("/api/system/retention/pass", role="admin")
    assert (answer.status, _counts(answer, "pruned")) == (207, (1, 0, 1))
    assert failing.get("/api/system/retention", role="admin").json["expired_run_count"] == 1
    answer = newer.node().post("/api/system/retention/pass", role="admin")
    assert (answer.status, _counts(answer, "pruned")) == (200, (1, 1, 0))


def test_an_activity_timeout_pass_with_failures_is_207_section_5_6(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1")
    node.start("o-1")
    wanted = {"type": "schedule_activity", "activity_type": "a", "start_to_close_timeout": 5}
    node.complete(node.poll("w1"), wanted)
    assert node.poll("w1", "activity") is not None
    newer.clock.advance(60)
    answer = newer.node(conditions=FAILING).post("/api/system/activity-timeouts/pass", role="admin")
    assert (answer.status, _counts(answer, "enforced")) == (207, (1, 0, 1))
    answer = node.post("/api/system/activity-timeouts/pass", role="admin")
    assert (answer.status, _counts(answer, "enforced")) == (200, (1, 1, 0))


def _counts(answer: Answer, done: str) -> tuple[int, int, int]:
    body: Any = answer.json
    return body["processed"], body[done], body["failed"]


def _lease_of_a_dead_worker(cluster: Cluster, node: Node) -> None:
    node.join("w1", "b1")
    node.start("o-1", build_id="b1")
    node.poll("w1")
    cluster.clock.advance(10)


# --- registrations -------------------------------------------------------------------------------


def test_a_second_registration_supersedes_the_first_process_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    first = node.join("w1", "b1").json["registration_token"]
    node.start("o-1", build_id="b1")
    assert node.poll("w1") is not None
    second = node.join("w1", "b1").json["registration_token"]
    old = node.worker("heartbeat", {"worker_id": "w1", "registration_token": first})
    assert (old.status, old.json["reason"]) == (409, "worker_registration_superseded")
    new = node.worker("heartbeat", {"worker_id": "w1", "registration_token": second})
    assert (new.status, new.json["acknowledged"]) == (200, True)
    assert node.poll("w1")["workflow_task_attempt"] == 2, "the first one's lease was released"


def test_a_superseded_heartbeat_does_not_keep_the_worker_alive_section_6_1(newer: Cluster) -> None:
    node = newer.node()
    first = node.join("w1", "b1").json["registration_token"]
    node.join("w1", "b1")
    newer.clock.advance(31)
    node.worker("heartbeat", {"worker_id": "w1", "registration_token": first})
    assert node.build_ids()["b1"]["stale_worker_count"] == 1


# --- storage pressure ----------------------------------------------------------------------------


def test_under_storage_pressure_no_new_work_is_admitted_section_0_1(newer: Cluster) -> None:
    answer = newer.node(conditions=FULL).start("o-1")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.json["reason"] == "storage_pressure"
    assert answer.json["request_admitted"] is False
    assert newer.node().get("/api/workflows/o-1").status == 404


def test_under_storage_pressure_reads_and_cohorts_still_answer_section_0_1(newer: Cluster) -> None:
    node = newer.node(conditions=FULL)
    node.join("w1", "b1")
    assert node.get("/api/workflows").status == 200
    assert node.cohort("q", "b1", "drain").status == 200


def test_storage_pressure_takes_the_node_out_section_1_2(newer: Cluster) -> None:
    answer = newer.node(conditions=FULL).get("/api/ready", role=None)
    assert (answer.status, answer.json["status"]) == (503, "not_ready")
    assert newer.node().get("/api/ready", role=None).status == 200


# --- namespaces ----------------------------------------------------------------------------------


def test_only_an_admin_deletes_a_namespace_and_then_it_is_unknown_section_5_3(
    newer: Cluster,
) -> None:
    node = newer.node()
    node.post("/api/namespaces", {"name": "billing"}, role="admin")
    assert node.send("DELETE", "/api/namespaces/billing").status == 403
    assert node.send("DELETE", "/api/namespaces/billing", role="admin").status == 200
    unknown = node.get("/api/task-queues", x_namespace="billing")
    assert (unknown.status, unknown.json["reason"]) == (404, "namespace_not_found")
    again = node.send("DELETE", "/api/namespaces/billing", role="admin")
    assert (again.status, again.json["reason"]) == (404, "namespace_not_found")


def test_the_older_generation_deletes_no_namespace_section_5_3() -> None:
    older = Cluster(MemoryStore(), Generation.V0_2)
    older.bootstrap()
    assert older.node().send("DELETE", "/api/namespaces/default", role="admin").status == 405


# --- signatures ----------------------------------------------------------------------------------

KEYS = Tokens(worker="w-key", operator="o-key", admin="a-key")


def _signed(key: str, body: bytes) -> str:
    return hmac.new(key.encode(), body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("key", "status"), [("a-key", 201), ("o-key", 403), ("other", 401)], ids=str
)
def test_a_signature_of_the_raw_body_names_the_role_section_0_1(
    newer: Cluster, key: str, status: int
) -> None:
    node = newer.node(auth_driver="signature", signature_keys=KEYS)
    body = json.dumps({"name": "billing"}).encode()
    sign = _signed(key, body)
    answer = node.send("POST", "/api/namespaces", role=None, raw=body, x_signature=sign)
    assert answer.status == status


def test_a_signature_of_another_body_and_a_token_are_nobodys_section_0_1(newer: Cluster) -> None:
    node = newer.node(auth_driver="signature", signature_keys=KEYS)
    other = _signed("a-key", b'{"name": "else"}')
    body = b'{"name": "billing"}'
    answer = node.send("POST", "/api/namespaces", role=None, raw=body, x_signature=other)
    assert (answer.status, answer.json["reason"]) == (401, "unauthorized")
    assert node.get("/api/task-queues").status == 401
    assert node.get("/api/task-queues", role=None, x_signature=_signed("o-key", b"")).status == 200


def test_the_legacy_key_is_everything_alone_and_an_admin_beside_roles_section_0_1(
    newer: Cluster,
) -> None:
    sign = _signed("l-key", b"")
    for keys in (Tokens(legacy="l-key"), Tokens(legacy="l-key", worker="w-key")):
        node = newer.node(auth_driver="signature", signature_keys=keys)
        assert node.get("/api/system/repair", role=None, x_signature=sign).status == 200
