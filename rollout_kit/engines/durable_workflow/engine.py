"""The adapter of `ports.engine`: each call is one request (open runs: a few), read or written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from rollout_kit.engines.durable_workflow import (
    decode_nodes,
    decode_queues,
    decode_runs,
    echoes,
    refusals,
)
from rollout_kit.engines.durable_workflow.open_runs import OpenRunsReader
from rollout_kit.engines.durable_workflow.wire import Wire, queue_path, workflow_path
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.situation import OpenRuns
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortTable,
    OperatorMetrics,
    QueueDetail,
    Readiness,
    RunStatus,
    StartRequest,
    WorkerRow,
)
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport.client import Explain, JsonClient, Reply, Terms
from rollout_kit.transport.messages import Request
from rollout_kit.transport.secret import Secret

T = TypeVar("T")
MARKER_VARIABLE = "DW_V2_CURRENT_COMPATIBILITY"
_READ = Terms(explain=refusals.general)
_READINESS = replace(_READ, accept=frozenset({200, 503}), attempts=1)
_ONE_RUN = replace(_READ, remember=False)
_START = frozenset({200, 201})


class DurableWorkflowEngine:
    """Implements `ports.engine.Engine` for both generations of the server.

    Args:
        url: the load-balanced address; control-plane calls go there.
        nodes: node name to its own address; looked up at each request.
        operator: token of the operator role. `admin`: operator metrics and provenance need it.
        monotonic_s: seconds; bounds the reading of open runs, and stamps their listings.
    """

    def __init__(
        self,
        *,
        url: str,
        nodes: Mapping[str, str],
        operator: Secret,
        admin: Secret | None,
        client: JsonClient,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._client = client
        self._wire = Wire(url=url, nodes=nodes, operator=operator, admin=admin)
        self._open_runs = OpenRunsReader(client, self._wire, monotonic_s)

    def readiness(self, node: str | None) -> Readiness:
        """Asked once: whoever waits for a node looks again himself."""
        request = self._wire.probe(node, "/api/ready")
        return self._read(request, decode_nodes.readiness, _READINESS)

    def cluster_info(self, node: str | None) -> ClusterInfo:
        request = self._wire.read("/api/cluster/info", node=node, admin=True)
        return self._read(request, decode_nodes.cluster_info)

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable:
        path = f"{queue_path(queue.task_queue)}/build-ids"
        request = self._wire.read(path, namespace=queue.namespace, node=node)
        return self._read(request, partial(decode_queues.cohorts, queue=queue))

    def queue(self, queue: QueueRef) -> QueueDetail:
        request = self._wire.read(queue_path(queue.task_queue), namespace=queue.namespace)
        return self._read(request, partial(decode_queues.queue_detail, queue=queue))

    def queues(self, namespace: str) -> tuple[str, ...]:
        request = self._wire.read("/api/task-queues", namespace=namespace)
        return self._read(request, decode_queues.queue_names)

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]:
        request = self._wire.read(
            "/api/workers", namespace=queue.namespace, query={"task_queue": queue.task_queue}
        )
        return self._read(request, partial(decode_queues.workers, queue=queue))

    def namespaces(self) -> tuple[str, ...]:
        return self._read(self._wire.read("/api/namespaces"), decode_queues.namespaces)

    def operator_metrics(self, namespace: str, node: str | None = None) -> OperatorMetrics:
        """Raises Refused (AUTH) without an admin token: no request is sent then."""
        if not self.has_admin():
            raise Refused(
                "operator metrics need the admin token, and none was given",
                why="The server answers them to no other role.",
                hint="set the variable that credentials.admin names",
                trouble=Trouble.AUTH,
            )
        request = self._wire.read(
            "/api/system/operator-metrics", namespace=namespace, node=node, admin=True
        )
        return self._read(request, decode_nodes.operator_metrics)

    def has_admin(self) -> bool:
        return self._wire.admin is not None

    def open_runs(self, namespace: str) -> OpenRuns:
        return self._open_runs.read(namespace)

    def run(self, namespace: str, workflow_id: str) -> RunStatus | None:
        request = self._wire.read(workflow_path(workflow_id), namespace=namespace)
        try:
            return self._read(request, decode_runs.status, _ONE_RUN)
        except refusals.NoSuchRun:
            return None

    def marker_attribute(self) -> str:
        return MARKER_VARIABLE

    def drain(self, cohort: CohortRef) -> None:
        """A first drain that races with another may answer 500 (Unavailable): look, send again."""
        self._command(cohort, "drain", partial(echoes.commanded, cohort, "draining"))

    def resume(self, cohort: CohortRef) -> None:
        self._command(cohort, "resume", partial(echoes.commanded, cohort, "active"))

    def promote(self, cohort: CohortRef) -> None:
        explain = partial(refusals.promotion, cohort)
        self._command(cohort, "promote", partial(echoes.promoted, cohort), explain)

    def start(self, request: StartRequest) -> None:
        """Start a run, or find that this very run was started before: both are success."""
        body: dict[str, Any] = {
            "workflow_id": request.workflow_id,
            "workflow_type": request.workflow_type,
            "task_queue": request.queue.task_queue,
            "duplicate_policy": "use-existing",
            "run_timeout_seconds": request.run_timeout_s,
        }
        if request.build_id is not None:
            body["build_id"] = request.build_id
        sent = self._wire.write(
            "/api/workflows", body, namespace=request.queue.namespace, node=request.node
        )
        check = partial(echoes.started, request)
        terms = Terms(accept=_START, explain=partial(refusals.start, request))
        try:
            self._client.write(sent, check, terms)
        except refusals.AlreadyStarted:
            return

    def terminate(self, namespace: str, workflow_id: str) -> None:
        """End a run; one that is over, or never was, is as good as ended."""
        sent = self._wire.write(
            f"{workflow_path(workflow_id)}/terminate",
            {"reason": "ended by a rollout"},
            namespace=namespace,
        )
        check = partial(echoes.terminated, workflow_id)
        try:
            self._client.write(sent, check, Terms(explain=refusals.termination))
        except refusals.NoSuchRun:
            return
        except refusals.CommandRejected:
            found = self.run(namespace, workflow_id)
            if found and not found.terminal:
                raise

    def _command(
        self,
        cohort: CohortRef,
        command: str,
        check: Callable[[Reply], None],
        explain: Explain = refusals.general,
    ) -> None:
        sent = self._wire.write(
            f"{queue_path(cohort.task_queue)}/build-ids/{command}",
            {"build_id": cohort.build_id},
            namespace=cohort.namespace,
        )
        self._client.write(sent, check, Terms(explain=explain))

    def _read(self, request: Request, decode: Callable[[Reply], T], terms: Terms = _READ) -> T:
        return self._client.read(request, decode, terms)
