"""What the server says of task queues, their cohorts and their workers."""

from __future__ import annotations

from rollout_kit.engines.durable_workflow.fields import Fields
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.engine import (
    CohortRow,
    CohortTable,
    Lease,
    Poller,
    QueueDetail,
    WorkerRow,
)
from rollout_kit.transport.client import Reply
from rollout_kit.transport.errors import Malformed

LEASES_SHOWN_AT_MOST = 50
_SLOTS = ("workflow", "activity", "session")


def cohorts(reply: Reply, queue: QueueRef) -> CohortTable:
    """The build ids of a queue; an unknown queue has none."""
    body = Fields.of(reply.body)
    if body.text("task_queue") != queue.task_queue:
        raise Malformed("task_queue", repr(queue.task_queue), repr(body.text("task_queue")))
    rows = list(body.objects("build_ids"))
    shown = {row.has("new_start_selected") for row in rows}
    if len(shown) > 1:
        raise Malformed("build_ids", "new_start_selected in every row or in none", "a mixture")
    return CohortTable(
        queue=queue,
        stale_after_s=body.seconds("stale_after_seconds"),
        rows=tuple(_cohort(row, queue) for row in rows),
        shows_selection=shown == {True},
    )


def _cohort(row: Fields, queue: QueueRef) -> CohortRow:
    return CohortRow(
        cohort=CohortRef(
            namespace=queue.namespace,
            task_queue=queue.task_queue,
            build_id=row.text_or_null("build_id") or None,
        ),
        drain_intent=row.text("drain_intent") if row.has("drain_intent") else "active",
        active=row.count("active_worker_count"),
        draining=row.count("draining_worker_count"),
        stale=row.count("stale_worker_count"),
        total=row.count("total_worker_count"),
        selected=row.flag("new_start_selected") if row.has("new_start_selected") else None,
        rolled_back=row.body.get("rolled_back_at") is not None,
        fingerprint_conflicts=_conflicts(row),
    )


def _conflicts(row: Fields) -> tuple[str, ...]:
    key = "workflow_definition_fingerprint_conflicts"
    return tuple(item.text("workflow_type") for item in row.objects(key)) if row.has(key) else ()


def queue_names(reply: Reply) -> tuple[str, ...]:
    return tuple(row.text("name") for row in Fields.of(reply.body).objects("task_queues"))


def namespaces(reply: Reply) -> tuple[str, ...]:
    return tuple(row.text("name") for row in Fields.of(reply.body).objects("namespaces"))


def queue_detail(reply: Reply, queue: QueueRef) -> QueueDetail:
    """One queue. Its list of leases is cut off at fifty, and whenever more are counted than listed."""
    body = Fields.of(reply.body)
    stats = body.object("stats")
    workflow, activity = stats.object("workflow_tasks"), stats.object("activity_tasks")
    leased = workflow.count("leased_count") + activity.count("leased_count")
    leases = tuple(_lease(row) for row in body.objects("current_leases"))
    return QueueDetail(
        queue=queue,
        ready_workflow_tasks=workflow.count("ready_count"),
        ready_activity_tasks=activity.count("ready_count"),
        leased_tasks=leased,
        leases=leases,
        leases_cut_off=len(leases) >= LEASES_SHOWN_AT_MOST or leased > len(leases),
        pollers=tuple(_poller(row) for row in body.objects("pollers")),
    )


def _lease(row: Fields) -> Lease:
    return Lease(
        task_id=row.text("task_id"),
        task_type=row.text("task_type"),
        workflow_id=row.text("workflow_id"),
        worker_id=row.text("lease_owner"),
        expired=row.flag("is_expired"),
    )


def _poller(row: Fields) -> Poller:
    return Poller(
        worker_id=row.text("worker_id"),
        build_id=row.text_or_null("build_id") or None,
        status=row.text("status"),
        stale=row.flag("is_stale"),
    )


def workers(reply: Reply, queue: QueueRef) -> tuple[WorkerRow, ...]:
    """The registrations on this queue; the server's own filter is not relied on."""
    rows = Fields.of(reply.body).objects("workers")
    return tuple(_worker(row) for row in rows if row.text("task_queue") == queue.task_queue)


def _worker(row: Fields) -> WorkerRow:
    return WorkerRow(
        worker_id=row.text("worker_id"),
        build_id=(row.text_or_null("build_id") if row.has("build_id") else None) or None,
        task_queue=row.text("task_queue"),
        status=row.text("status"),
        sdk_version=row.text_or_null("sdk_version") if row.has("sdk_version") else None,
        free_slots=_free_slots(row),
    )


def _free_slots(row: Fields) -> bool | None:
    """Whether every kind of slot that is shown is free; None where a kind cannot be judged."""
    slots = row.object("task_slots") if row.body.get("task_slots") else None
    if slots is None:
        return None
    kinds = [kind for kind in _SLOTS if slots.body.get(f"{kind}_available") is not None]
    capacities = [slots.body.get(f"{kind}_capacity") for kind in kinds]
    if not {"workflow", "activity"} <= set(kinds) or None in capacities:
        return None
    return all(
        slots.count(f"{kind}_available") >= slots.count(f"{kind}_capacity") for kind in kinds
    )
