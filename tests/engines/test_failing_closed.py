"""An answer that lacks something is an error that names it, never a zero and never a guess."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.engines.durable_workflow import decode_nodes, decode_queues, decode_runs, echoes
from rollout_kit.engines.durable_workflow.fields import moment_s
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.errors import Incompatible, OutsideError, Unavailable
from rollout_kit.transport.client import Reply
from rollout_kit.transport.errors import Malformed

QUEUE = QueueRef(namespace="default", task_queue="q")
ROW: dict[str, Any] = {
    "build_id": "b1",
    "rollout_status": "active",
    "drain_intent": "active",
    "active_worker_count": 3,
    "draining_worker_count": 0,
    "stale_worker_count": 1,
    "total_worker_count": 4,
    "new_start_selected": True,
    "rolled_back_at": None,
    "workflow_definition_fingerprint_conflicts": [
        {"workflow_type": "order", "fingerprint_count": 2}
    ],
}
TABLE = {"namespace": "default", "task_queue": "q", "stale_after_seconds": 30, "build_ids": [ROW]}
TASKS = {"ready_count": 1, "leased_count": 1, "expired_lease_count": 0}
DETAIL = {
    "name": "q",
    "stats": {"workflow_tasks": TASKS, "activity_tasks": TASKS},
    "pollers": [{"worker_id": "w", "build_id": None, "status": "active", "is_stale": False}],
    "current_leases": [
        {"task_id": f"t{n}", "task_type": "workflow", "workflow_id": "o", "lease_owner": "w",
         "is_expired": False}
        for n in range(2)
    ],
}  # fmt: skip
INFO = {
    "server_id": "api-1",
    "version": "2.3.14",
    "control_plane": {"version": "2"},
    "worker_protocol": {"version": "1.19"},
    "topology": {
        "current_shape": "standalone_server",
        "current_process_class": "server_http_node",
        "current_roles": ["api_ingress"],
    },
}
METRICS = {
    "operator_metrics": {
        "tasks": {"lease_expired": 0},
        "workers": {"required_compatibility": None, "fleet": []},
    }
}
RUN = {
    "workflow_id": "o-1",
    "run_id": "r-1",
    "task_queue": "q",
    "workflow_type": "order",
    "status": "waiting",
    "is_terminal": False,
    "compatibility": None,
}

Decode = Callable[[Reply], object]
DECODERS: dict[str, tuple[Decode, dict[str, Any]]] = {
    "cohorts": (lambda reply: decode_queues.cohorts(reply, QUEUE), TABLE),
    "queue": (lambda reply: decode_queues.queue_detail(reply, QUEUE), DETAIL),
    "cluster info": (decode_nodes.cluster_info, INFO),
    "metrics": (decode_nodes.operator_metrics, METRICS),
    "run": (decode_runs.described, RUN),
    "run status": (decode_runs.status, RUN),
}
MAY_BE_ABSENT = {
    # absent in early servers, or shown by newer ones only
    "build_ids.0.drain_intent",
    "build_ids.0.new_start_selected",
    "build_ids.0.rolled_back_at",
    "build_ids.0.workflow_definition_fingerprint_conflicts",
    "topology",
    "operator_metrics.tasks",
    "operator_metrics.tasks.lease_expired",
    # not read
    "namespace",
    "name",
    "build_ids.0.rollout_status",
    "build_ids.0.workflow_definition_fingerprint_conflicts.0.fingerprint_count",
    "stats.workflow_tasks.expired_lease_count",
    "stats.activity_tasks.expired_lease_count",
}


def places(value: Any, prefix: str = "") -> list[str]:
    """Every key of every object inside, as dotted paths."""
    found: list[str] = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            found.append(path)
        if isinstance(item, dict | list):
            found += places(item, f"{path}.")
    return found


def without(body: dict[str, Any], place: str, put: object = ...) -> dict[str, Any]:
    """A copy of `body` whose `place` is gone, or holds `put`."""
    changed = copy.deepcopy(body)
    *path, last = place.split(".")
    target: Any = changed
    for step in path:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if put is ...:
        del target[last]
    else:
        target[last] = put
    return changed


MISSING = [
    (name, place)
    for name, (_, body) in DECODERS.items()
    for place in places(body)
    if place not in MAY_BE_ABSENT and not (name == "run" and place == "status")
    and not (name == "run status" and place in ("task_queue", "workflow_type"))
]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), MISSING, ids=[f"{n}: {p}" for n, p in MISSING])
def test_a_missing_field_is_named(name: str, place: str) -> None:
    decode, body = DECODERS[name]
    decode(Reply(status=200, body=body))
    with pytest.raises(Malformed, match="missing") as caught:
        decode(Reply(status=200, body=without(body, place)))
    assert place.rpartition(".")[2] in caught.value.where


@pytest.mark.parametrize("place", sorted(MAY_BE_ABSENT))
def test_what_older_servers_leave_out_is_no_error(place: str) -> None:
    for decode, body in DECODERS.values():
        if place in places(body):
            decode(Reply(status=200, body=without(body, place)))


COUNTS = [
    ("cohorts", "build_ids.0.active_worker_count"),
    ("cohorts", "build_ids.0.draining_worker_count"),
    ("cohorts", "build_ids.0.stale_worker_count"),
    ("cohorts", "build_ids.0.total_worker_count"),
    ("queue", "stats.workflow_tasks.ready_count"),
    ("queue", "stats.activity_tasks.leased_count"),
]
NO_COUNTS: list[tuple[object, str]] = [
    (None, "null"),
    ("3", "'3'"),
    (True, "True"),
    (1.5, "1.5"),
    (-1, "-1"),
    ([], "[]"),
]


@pytest.mark.parametrize(("name", "place"), COUNTS)
@pytest.mark.parametrize(("value", "shown"), NO_COUNTS)
def test_a_count_is_an_integer_or_an_error(
    name: str, place: str, value: object, shown: str
) -> None:
    decode, body = DECODERS[name]
    with pytest.raises(Malformed) as caught:
        decode(Reply(status=200, body=without(body, place, value)))
    assert (caught.value.wanted, caught.value.found) == ("a count", shown)


@given(st.sampled_from(sorted(DECODERS)), st.data())
def test_no_garbage_is_a_crash(name: str, data: st.DataObject) -> None:
    decode, body = DECODERS[name]
    place = data.draw(st.sampled_from(places(body)))
    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    )
    changed = without(body, place, data.draw(json_values))
    with contextlib.suppress(Malformed, OutsideError):
        decode(Reply(status=200, body=changed))


@pytest.mark.parametrize("body", [None, 7, "text", [1], True])
@pytest.mark.parametrize("name", DECODERS)
def test_an_answer_that_is_no_object_is_named(name: str, body: object) -> None:
    with pytest.raises(Malformed, match="the answer: expected an object"):
        DECODERS[name][0](Reply(status=200, body=body))


def test_an_empty_map_may_come_as_a_list() -> None:
    info = without(INFO, "topology.current_shape", "standalone_server")
    info["topology"]["matching_role"] = []
    info["worker_protocol"]["server_capabilities"] = []
    found = decode_nodes.cluster_info(Reply(status=200, body=info))
    assert (found.topology is not None, found.poll_timeout_s) == (True, None)


def test_versions_may_be_numbers() -> None:
    info = without(INFO, "control_plane.version", 2)
    assert decode_nodes.cluster_info(Reply(status=200, body=info)).control_plane == "2"


def test_lower_minors_are_accepted_where_the_rule_is_published() -> None:
    bare = without(INFO, "topology")
    assert not decode_nodes.cluster_info(Reply(status=200, body=bare)).accepts_lower_minors
    ruled = bare | {"surface_stability_contract": {"worker_protocol": {"negotiation": {"a": 1}}}}
    assert decode_nodes.cluster_info(Reply(status=200, body=ruled)).accepts_lower_minors


def test_the_matching_role_is_flat() -> None:
    info = copy.deepcopy(INFO)
    role = {"shape": "in_worker", "primitives": ["queue", "namespace"], "limits": {"cap": 9}}
    info["topology"]["matching_role"] = role  # type: ignore[index]
    found = decode_nodes.cluster_info(Reply(status=200, body=info)).topology
    assert found is not None
    assert found.matching == {
        "shape": "in_worker",
        "primitives": "queue,namespace",
        "limits.cap": 9,
    }


def test_rows_that_disagree_about_selection_are_an_error() -> None:
    mixed = TABLE | {"build_ids": [ROW, without(ROW, "new_start_selected")]}
    with pytest.raises(Malformed, match="a mixture"):
        decode_queues.cohorts(Reply(status=200, body=mixed), QUEUE)


def test_the_table_of_another_queue_is_an_error() -> None:
    with pytest.raises(Malformed, match="expected 'q', found 'other'"):
        decode_queues.cohorts(Reply(status=200, body=TABLE | {"task_queue": "other"}), QUEUE)


def test_a_row_shows_conflicts_and_rollback() -> None:
    rolled = without(TABLE, "build_ids.0.rolled_back_at", "2026-10-03T08:15:02Z")
    (row,) = decode_queues.cohorts(Reply(status=200, body=rolled), QUEUE).rows
    assert (row.fingerprint_conflicts, row.rolled_back, row.selected) == (("order",), True, True)


def test_leases_that_are_counted_but_not_listed_are_cut_off() -> None:
    short = without(DETAIL, "current_leases", DETAIL["current_leases"][:1])  # type: ignore[index]
    assert decode_queues.queue_detail(Reply(status=200, body=short), QUEUE).leases_cut_off


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-10-03T08:15:02.500000Z", 1_791_015_302.5),
        ("2026-10-03T08:15:02+00:00", 1_791_015_302.0),
        ("2026-10-03T10:15:02+02:00", 1_791_015_302.0),
        ("2026-10-03T08:15:02Z", 1_791_015_302.0),
        ("2026-10-03T08:15:02", None),
        ("2026-10-03", None),
        ("durable-workflow-python/0.4.3", None),
        ("20261003T081502Z", None),
        ("", None),
    ],
)
def test_times_come_in_three_spellings(text: str, seconds: float | None) -> None:
    assert moment_s(text) == seconds


def ready(body: dict[str, Any], status: int = 200) -> Any:
    return decode_nodes.readiness(Reply(status=status, body=body))


def test_ready_needs_status_and_body_to_agree() -> None:
    assert ready({"status": "ready", "checks": {}}).ready
    assert not ready({"status": "ready", "checks": {}}, 503).ready
    assert not ready({"status": "not_ready", "checks": {}}).ready


def test_a_warning_is_no_failure() -> None:
    found = ready({"status": "ready", "checks": {"cache": {"status": "warning", "message": "x"}}})
    assert (found.ready, found.failing) == (True, {})


def test_the_diagnosis_is_what_the_checks_say() -> None:
    checks = {
        "database": {"status": "ok"},
        "migrations": {"status": "pending", "pending_migrations": ["m1", "m2"],
                       "remediation": "run the bootstrap"},
    }  # fmt: skip
    found = ready({"status": "not_ready", "checks": checks}, 503)
    assert found.diagnosis == "migrations: pending; m1, m2; run the bootstrap"


def test_a_503_that_is_no_readiness_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="without its checks: storage pressure"):
        ready({"message": "storage pressure", "reason": "storage_pressure"}, 503)


def test_the_rust_preview_is_refused() -> None:
    with pytest.raises(Incompatible, match="Rust preview"):
        ready({"status": "ready", "development": True, "checks": {}})


COHORT = CohortRef(namespace="default", task_queue="q", build_id="b1")
ECHO = {"namespace": "default", "task_queue": "q", "build_id": "b1", "drain_intent": "draining"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"build_id": "b2"}, "build_id: expected 'b1', found 'b2'"),
        ({"build_id": None}, "build_id: expected 'b1', found None"),
        ({"task_queue": "x"}, "task_queue: expected 'q', found 'x'"),
        ({"drain_intent": "active"}, "drain_intent: expected 'draining', found 'active'"),
        ({"drain_intent": None}, "drain_intent: expected a text, found null"),
    ],
)
def test_an_answer_to_a_write_must_name_what_was_asked(
    change: dict[str, object], words: str
) -> None:
    echoes.commanded(COHORT, "draining", Reply(status=200, body=ECHO))
    with pytest.raises(Malformed) as caught:
        echoes.commanded(COHORT, "draining", Reply(status=200, body=ECHO | change))
    assert str(caught.value) == words
