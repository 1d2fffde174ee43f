"""The adapter against every recorded exchange of a real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from rollout_kit.engines.durable_workflow import decode_nodes, decode_queues, decode_runs
from rollout_kit.engines.durable_workflow.engine import DurableWorkflowEngine
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.engine import StartRequest
from rollout_kit.ports.errors import Incompatible, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport.client import JsonClient, Patience, Reply, Terms
from rollout_kit.transport.flights import InlineFlights
from rollout_kit.transport.messages import Exchange, Request, Response
from rollout_kit.transport.secret import Secret
from tests.contract.recordings.folder import load
from tests.engines.recordings import Recording, names, recording

URL = "http://front:8080"
NO_PATIENCE = Patience(sleep=lambda _: None, jitter=lambda: 0.0)


def engine(exchange: Exchange) -> DurableWorkflowEngine:
    return DurableWorkflowEngine(
        url=URL,
        nodes={},
        operator=Secret("operator"),
        admin=Secret("admin"),
        client=JsonClient(exchange=exchange, flights=InlineFlights(), patience=NO_PATIENCE),
        monotonic_s=lambda: 0.0,
    )


def queue(name: str) -> QueueRef:
    return QueueRef(namespace="default", task_queue=unquote(name))


def command(name: str, verb: str) -> Callable[[DurableWorkflowEngine, Recording], object]:
    def call(adapter: DurableWorkflowEngine, taken: Recording) -> object:
        build = taken.sent.get("build_id") if isinstance(taken.sent, dict) else None
        sent = build if isinstance(build, str) else None
        cohort = CohortRef(namespace="default", task_queue=unquote(name), build_id=sent)
        return getattr(adapter, verb)(cohort)

    return call


def start(adapter: DurableWorkflowEngine, taken: Recording) -> object:
    sent = taken.sent
    return adapter.start(  # type: ignore[func-returns-value]
        StartRequest(
            queue=queue(sent.get("task_queue", "none")),
            workflow_type=sent.get("workflow_type", ""),
            workflow_id=sent.get("workflow_id", ""),
            run_timeout_s=60,
            build_id=None,
            node=None,
        )
    )


Call = Callable[[DurableWorkflowEngine, Recording], object]
ROUTES: list[tuple[str, str, Callable[..., Call]]] = [
    ("GET", r"/api/ready", lambda: lambda e, _: e.readiness(None)),
    ("GET", r"/api/cluster/info", lambda: lambda e, _: e.cluster_info(None)),
    ("GET", r"/api/task-queues", lambda: lambda e, _: e.queues("default")),
    ("GET", r"/api/task-queues/([^/]+)", lambda q: lambda e, _: e.queue(queue(q))),
    ("GET", r"/api/task-queues/([^/]+)/build-ids", lambda q: lambda e, _: e.cohorts(queue(q))),
    ("POST", r"/api/task-queues/([^/]+)/build-ids/(drain|resume|promote)", command),
    ("GET", r"/api/workers", lambda: lambda e, _: e.workers(queue("orders"))),
    ("GET", r"/api/namespaces", lambda: lambda e, _: e.namespaces()),
    ("GET", r"/api/system/operator-metrics", lambda: lambda e, _: e.operator_metrics("default")),
    ("GET", r"/api/workflows/([^/]+)", lambda w: lambda e, _: e.run("default", w)),
    ("POST", r"/api/workflows", lambda: start),
    ("POST", r"/api/workflows/([^/]+)/terminate", lambda w: lambda e, _: e.terminate("default", w)),
]


def call_for(taken: Recording) -> Call | None:
    """The adapter's own call for a recorded request; None where it has none."""
    path = taken.path.partition("?")[0]
    for method, pattern, build in ROUTES:
        if method == taken.method and (match := re.fullmatch(pattern, path)):
            return build(*match.groups())
    return None


def raw(adapter: JsonClient, taken: Recording) -> object:
    """What transport makes of an exchange that the adapter never asks for."""
    request = Request(method=taken.method, url=URL + taken.path)
    send = adapter.read if taken.method == "GET" else adapter.write
    return send(request, lambda reply: reply.body, Terms(accept=frozenset({200, 201})))


ERRORS: dict[int, tuple[type[OutsideError], Trouble]] = {
    400: (OutsideError, Trouble.OTHER),
    401: (Refused, Trouble.AUTH),
    403: (Refused, Trouble.AUTH),
    404: (Refused, Trouble.NOT_FOUND),
    405: (Refused, Trouble.NOT_FOUND),
    409: (Refused, Trouble.OTHER),
    412: (OutsideError, Trouble.OTHER),
    413: (Refused, Trouble.OTHER),
    415: (Refused, Trouble.OTHER),
    422: (Refused, Trouble.OTHER),
    500: (Unavailable, Trouble.SERVER),
    503: (Unavailable, Trouble.SERVER),
}
# Exchanges whose answer means more to the adapter than its status says; None: it is a success.
MEANINGS: dict[str, tuple[type[OutsideError], Trouble] | None] = {
    "promote/not-a-route": (Incompatible, Trouble.INCOMPATIBLE),
    "build-ids/queue-name-slash": (Refused, Trouble.NOT_FOUND),
    "workflows/show-unknown": None,
    "workflows/start-duplicate": None,
}
FOREIGN = (OutsideError, Trouble.INCOMPATIBLE)
# Pages and bodies that are no JSON, and one whose body the recorder left out.
MEANINGS |= {f"misc/{name}": FOREIGN for name in ("gzip", "up")}
MEANINGS |= {f"misc/{name}": (Unavailable, Trouble.NETWORK) for name in ("head-ready",)}
MEANINGS |= {"misc/options-build-ids": (Unavailable, Trouble.NETWORK)}


def expected(taken: Recording) -> tuple[type[OutsideError], Trouble] | None:
    """The error that this exchange is, None for data."""
    if taken.name in MEANINGS:
        return MEANINGS[taken.name]
    if taken.status == 503 and taken.path == "/api/ready":
        return None
    if taken.status == 400 and "version" in str(taken.body):
        return FOREIGN
    return ERRORS.get(taken.status)


@pytest.mark.parametrize("name", names())
def test_every_exchange_is_data_or_the_error_that_its_status_says(name: str) -> None:
    taken = recording(name)
    call, wanted = call_for(taken), expected(taken)
    found: OutsideError | None = None
    try:
        if call:
            call(engine(taken.exchange), taken)
        else:
            raw(JsonClient(taken.exchange, InlineFlights(), NO_PATIENCE), taken)
    except OutsideError as error:
        found = error
    if wanted is None:
        assert found is None
    else:
        assert isinstance(found, wanted[0])
        assert found.trouble is wanted[1]
        assert 10 < len(found.message) < 500


def rows(name: str) -> Any:
    return load(name)["response"]["body"]


@pytest.mark.parametrize("name", [n for n in names() if n.startswith("build-ids/")])
def test_cohort_counts_are_those_on_the_wire(name: str) -> None:
    taken = recording(name)
    if taken.status != 200:
        return
    table = decode_queues.cohorts(
        Reply(status=200, body=taken.body), queue(taken.body["task_queue"])
    )
    found = [
        (row.cohort.build_id, row.active, row.draining, row.stale, row.total, row.drain_intent)
        for row in table.rows
    ]
    assert found == [
        (
            raw["build_id"],
            raw["active_worker_count"],
            raw["draining_worker_count"],
            raw["stale_worker_count"],
            raw["total_worker_count"],
            raw["drain_intent"],
        )
        for raw in taken.body["build_ids"]
    ]
    assert table.stale_after_s == taken.body["stale_after_seconds"]
    assert not table.shows_selection
    assert all(row.selected is None for row in table.rows)


@pytest.mark.parametrize(
    "name", ["rollout/08-timeline-after-drain", "rollout/18-timeline-after-worker-exit",
             "build-ids/timeline-sdk-0.4.106-heartbeats"]
)  # fmt: skip
def test_every_sample_of_a_timeline_is_read(name: str) -> None:
    samples = [sample for sample in load(name)["samples"] if "build_ids" in sample]
    assert len(samples) > 5
    for sample in samples:
        body = {"task_queue": "q", "stale_after_seconds": 60, "build_ids": sample["build_ids"]}
        table = decode_queues.cohorts(Reply(status=200, body=body), queue("q"))
        assert [row.total for row in table.rows] == [
            row["total_worker_count"] for row in sample["build_ids"]
        ]


def test_a_503_readiness_names_every_failing_check() -> None:
    taken = recording("ready/db-down")
    found = engine(taken.exchange).readiness(None)
    assert (found.ready, found.http_status) == (False, 503)
    assert set(found.failing) == {"database", "migrations", "default_namespace"}
    assert found.failing["database"].startswith("unavailable; SQLSTATE[08006]")
    missing = engine(recording("ready/before-bootstrap").exchange).readiness(None)
    assert "workflow_tasks" in missing.failing["migrations"]


def test_a_ready_node_has_nothing_failing() -> None:
    found = engine(recording("ready/pending-migration-not-noticed").exchange).readiness(None)
    assert (found.ready, found.failing, found.diagnosis) == (True, {}, "")


def test_cluster_info_of_the_older_generation() -> None:
    info = engine(recording("cluster-info/ok-operator-node-a").exchange).cluster_info(None)
    assert (info.server_id, info.version) == ("server-a", "0.2.9")
    assert (info.control_plane, info.worker_protocol) == ("2", "1.0")
    assert (info.accepts_lower_minors, info.topology, info.provenance) == (False, None, None)
    assert (info.poll_timeout_s, info.heartbeat_interval_s, info.stale_after_s) == (2.0, None, None)


def test_provenance_is_one_line() -> None:
    info = engine(recording("cluster-info/provenance-admin").exchange).cluster_info(None)
    assert info.provenance == (
        "https://example.invalid/workflow.git@v2#0123456789abcdef0123456789abcdef01234567"
    )
    operator = engine(recording("cluster-info/provenance-operator").exchange).cluster_info(None)
    assert operator.provenance is None


def test_leases_and_pollers_of_a_queue_join_by_worker_id() -> None:
    detail = decode_queues.queue_detail(
        Reply(status=200, body=rows("rollout/03-queue-with-leases")), queue("pay")
    )
    assert (detail.leased_tasks, len(detail.leases), detail.leases_cut_off) == (20, 20, False)
    builds = {poller.worker_id: poller.build_id for poller in detail.pollers}
    assert {builds[lease.worker_id] for lease in detail.leases} == {"build-2026.11.1"}
    assert (detail.ready_workflow_tasks, detail.ready_activity_tasks) == (0, 5)


def test_stuck_activities_are_counted() -> None:
    body = rows("task-queues/show-draining-in-flight")
    detail = decode_queues.queue_detail(Reply(status=200, body=body), queue("orders"))
    assert detail.ready_activity_tasks == body["stats"]["activity_tasks"]["ready_count"]
    assert [(p.worker_id, p.status, p.stale) for p in detail.pollers][-1] == (
        "w-plain-1",
        "stale",
        True,
    )


def test_operator_metrics_are_dotted_numbers() -> None:
    body = rows("rollout/21-operator-metrics-compatibility-blocked")
    metrics = decode_nodes.operator_metrics(Reply(status=200, body=body))
    assert metrics.values["tasks.lease_expired"] == 0
    assert metrics.values["runs.running"] == 15
    assert metrics.values["runs.oldest_repair_needed_at"] is None
    assert metrics.values["backend.supported"] == 1.0
    assert metrics.values["generated_at"] == pytest.approx(1_795_206_951.0, abs=100_000)
    assert "matching_role.shape" not in metrics.values
    assert "tasks.max_attempt_count" not in metrics.values
    assert metrics.required_marker == "build-2026.11.1"
    assert [member.worker_id for member in metrics.fleet] == ["pay-v2-a"]


def test_workers_of_one_queue_only() -> None:
    found = decode_queues.workers(Reply(status=200, body=rows("workers/list")), queue("raw"))
    assert [(row.worker_id, row.build_id, row.free_slots) for row in found] == [
        ("raw-v1-a", "build-1", None),
        ("raw-u-a", None, None),
    ]


def test_a_listing_has_no_pins_here() -> None:
    page = decode_runs.page(Reply(status=200, body=rows("workflows/list")))
    assert [(run.workflow_id, run.task_queue, run.pin_known) for run in page.runs] == [
        ("rec-1", "nobody", False),
        ("crash-3", "pay", False),
    ]
    assert page.next_token == "Mg=="


def test_a_described_run_shows_its_pin() -> None:
    found = engine(recording("rollout/02-workflow-pinned").exchange).run("default", "p1-0")
    assert found is not None
    assert (found.status, found.terminal, found.pin) == ("waiting", False, "build-2026.11.1")


def test_a_first_drain_that_raced_is_unavailable() -> None:
    taken = load("drain/concurrent-first-drain")["example_failure"]["response"]
    response = Response(status=taken["status"], body=b'{"message": "Server Error"}')
    cohort = CohortRef(namespace="default", task_queue="raceq", build_id="race-0")
    with pytest.raises(Unavailable, match="HTTP 500"):
        engine(lambda _: response).drain(cohort)


SENT = [
    ("build-ids/queue-name-percent", lambda e: e.cohorts(queue("a%b"))),
    ("build-ids/queue-name-unicode", lambda e: e.cohorts(queue("größe"))),
    ("drain/unknown-build", lambda e: e.drain(CohortRef(
        namespace="default", task_queue="raw", build_id="never-registered"))),
    ("resume/ok-null-build", lambda e: e.resume(CohortRef(
        namespace="default", task_queue="raw", build_id=None))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call"), SENT, ids=[name for name, _ in SENT])
def test_what_is_sent_is_what_the_server_was_sent(
    name: str, call: Callable[[DurableWorkflowEngine], object]
) -> None:
    import json

    taken = recording(name)
    seen: list[Request] = []

    def exchange(request: Request) -> Response:
        seen.append(request)
        return taken.response

    call(engine(exchange))
    (request,) = seen
    assert (request.method, request.url) == (taken.method, URL + taken.path)
    headers = set(request.headers) - {"X-Namespace"}
    assert headers == set(taken.headers)
    if taken.sent is not None:
        assert json.loads(request.body) == taken.sent
