"""Workers as operators see them, and their removal by an admin."""

from __future__ import annotations

from rollout_kit.emulator.calls import ADMINS, Call, Route
from rollout_kit.emulator.model import workers
from rollout_kit.emulator.model.cohorts import effective_status
from rollout_kit.emulator.model.records import Worker
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response


def _list(call: Call) -> Response:
    query, settings = call.request.query, call.settings
    status, queue = query.get("status"), query.get("task_queue")
    with call.read() as rows:
        found = [
            worker
            for worker in rows.select(Worker, namespace=call.namespace)
            if queue in (None, worker.task_queue) and _has_status(worker, call, status)
        ]
    found.sort(key=lambda worker: -worker.last_heartbeat_us)
    listed = [workers.row(worker, settings, call.now_us, detail=False) for worker in found]
    body: dict[str, object] = {"workers": listed}
    if settings.generation is Generation.V2:
        body["stale_after_seconds"] = settings.stale_after_s
    return Response(body=body)


def _has_status(worker: Worker, call: Call, wanted: str | None) -> bool:
    """0.2.x compares the stored column; 2.x the effective one, and hides what is stale."""
    if not call.settings.rules.lists_hide_stale_workers:
        return wanted in (None, "draining" if worker.draining else "active")
    effective = effective_status(worker, call.settings, call.now_us)
    return effective == wanted if wanted else effective != "stale"


def _show(call: Call) -> Response:
    with call.read() as rows:
        worker = _find(rows, call)
    return Response(body=workers.row(worker, call.settings, call.now_us, detail=True))


def _delete(call: Call) -> Response:
    """Removes the row alone: the process lives on, and its leases stay its own."""
    with call.write() as rows:
        worker = _find(rows, call)
        rows.delete(worker)
        workers.forget_beat(rows, worker)
    return Response(body={"worker_id": worker.worker_id, "outcome": "deregistered"})


def _find(rows: Rows, call: Call) -> Worker:
    worker_id = call.names["worker"]
    worker = rows.get(Worker, call.namespace, worker_id)
    if worker is None:
        text = f"Worker [{worker_id}] not found in namespace [{call.namespace}]."
        raise Refusal(404, {"message": text, "reason": "worker_not_found"})
    return worker


ROUTES = (
    Route(method="GET", pattern="/api/workers", handler=_list),
    Route(method="GET", pattern="/api/workers/{worker}", handler=_show),
    Route(method="DELETE", pattern="/api/workers/{worker}", handler=_delete, roles=ADMINS),
)
