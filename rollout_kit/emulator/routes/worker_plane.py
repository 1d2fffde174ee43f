"""The worker plane: registration, heartbeats and leaving; its tasks are in `polling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollout_kit.emulator.calls import WORKERS, Call, Handler, Plane, Route, invalid
from rollout_kit.emulator.model import ledger, workers
from rollout_kit.emulator.model.records import Worker
from rollout_kit.emulator.model.settings import Condition, Generation
from rollout_kit.emulator.model.workers import DefinitionChanged, Registration
from rollout_kit.emulator.routes import completions, polling
from rollout_kit.emulator.routes.cohorts import need_rollout_table
from rollout_kit.emulator.wire import Refusal, Response, ServerError

_PRUNED_NOTHING = {"processed": 0, "pruned": 0, "skipped": 0, "failed": 0}


def _register(call: Call) -> Response:
    wanted = _registration(call)
    try:
        with call.write() as rows:
            need_rollout_table(call, rows)
            worker = workers.register(rows, call.settings, wanted, call.now_us)
    except DefinitionChanged as changed:
        body = {
            "error": "Worker attempted to re-register a changed workflow definition.",
            "reason": "workflow_definition_changed",
            "workflow_type": changed.workflow_type,
            "remediation": "Restart the worker with a new worker_id before registering a changed "
            "workflow class definition.",
        }
        raise Refusal(409, body) from changed
    shown: dict[str, object] = {"worker_id": worker.worker_id, "registered": True}
    if call.settings.generation is Generation.V2:
        shown |= {
            "namespace": worker.namespace,
            "task_queue": worker.task_queue,
            "runtime": worker.runtime,
            "build_id": worker.build_id,
            "capabilities": list(worker.capabilities),
            "capability_manifest": [],
            "status": "draining" if worker.draining else "active",
            "heartbeat_interval_seconds": call.settings.heartbeat_interval_s,
            "registration_token": worker.token,
        }
    return Response(status=201, body=shown)


def _registration(call: Call) -> Registration:
    body = call.json
    errors: dict[str, list[str]] = {}
    for name in ("task_queue", "runtime"):
        if body.get(name) in (None, ""):
            errors[name] = [f"The {name.replace('_', ' ')} field is required."]
    for name in ("worker_id", "task_queue", "build_id", "sdk_version"):
        if not isinstance(body.get(name), str | None):
            errors[name] = [f"The {name.replace('_', ' ')} field must be a string."]
    if "runtime" not in errors and body.get("runtime") not in call.settings.rules.runtimes:
        errors["runtime"] = ["The selected runtime is invalid."]
    if errors:
        raise invalid(errors)
    return Registration(
        namespace=call.namespace,
        worker_id=_text(body.get("worker_id")),
        task_queue=str(body["task_queue"]),
        runtime=str(body["runtime"]),
        build_id=_text(body.get("build_id")),
        sdk_version=_text(body.get("sdk_version")),
        workflow_types=_texts(body.get("supported_workflow_types")),
        fingerprints={
            str(name): str(value)
            for name, value in (
                _mapping(body.get("workflow_definition_fingerprints")) or {}
            ).items()
        },
        activity_types=_texts(body.get("supported_activity_types")),
        max_workflow_tasks=_number(body.get("max_concurrent_workflow_tasks"), 100),
        max_activity_tasks=_number(body.get("max_concurrent_activity_tasks"), 100),
        serves=_texts(body.get("supported_compatibilities")),
        capabilities=_texts(body.get("capabilities")),
        heartbeat_interval_s=_number(body.get("heartbeat_interval_seconds"), 0) or None,
        task_slots=_slots(body.get("task_slots")),
    )


def _heartbeat(call: Call) -> Response:
    body = call.json
    worker_id = body.get("worker_id")
    if not worker_id:
        raise invalid({"worker_id": ["The worker id field is required."]})
    with call.write() as rows:
        worker = rows.get(Worker, call.namespace, str(worker_id))
        _refuse_superseded(call, worker)
        if worker is not None:
            slots = _slots(body.get("task_slots"))
            workers.heartbeat(rows, call.settings, worker, call.now_us, task_slots=slots)
        throttled = not workers.retention_due(rows, call.now_us)
        if call.settings.meets(Condition.ROLLOUT_TABLE_MISSING):
            raise ServerError
        if not ledger.rollout_table_ready(rows, call.settings.image_version):
            raise ServerError
    if worker is None:
        raise Refusal(404, polling.not_registered(str(worker_id)))
    call.need_cache()
    shown: dict[str, object] = {
        "worker_id": worker.worker_id,
        "acknowledged": True,
        "retention": {"throttled": throttled, **_PRUNED_NOTHING},
    }
    if call.settings.generation is Generation.V2:
        shown |= {
            "heartbeat_interval_seconds": call.settings.heartbeat_interval_s,
            "stale_after_seconds": call.settings.stale_after_s,
        }
    return Response(body=shown)


def _refuse_superseded(call: Call, worker: Worker | None) -> None:
    """2.x: another process has registered this worker id since; the token tells them apart.

    Raises Refusal 409 for a heartbeat with an earlier registration's token.
    """
    token = _text(call.json.get("registration_token"))
    if worker is None or call.settings.generation is not Generation.V2:
        return
    if token is not None and token != worker.token:
        text = "Another registration of this worker id has taken over."
        facts = {"reason": "worker_registration_superseded", "worker_id": worker.worker_id}
        raise Refusal(409, {"error": text, **facts})


def _leave(call: Call) -> Response:
    """A worker says good-bye itself; with a token it must be that of its last registration."""
    worker_id = call.names["worker"]
    token = _text(call.json.get("registration_token"))
    with call.write() as rows:
        worker = rows.get(Worker, call.namespace, worker_id)
        if worker is None:
            reason = "worker_registration_token_not_found" if token else "worker_not_registered"
            raise Refusal(404, polling.not_registered(worker_id) | {"reason": reason})
        if token is not None and token != worker.token:
            text = "Another registration of this worker id has taken over."
            raise Refusal(409, {"error": text, "reason": "worker_registration_lost_authority"})
        released = workers.deregister(rows, worker, call.now_us)
    return Response(
        body={
            "worker_id": worker_id,
            "registration_token": worker.token,
            "outcome": "deregistered",
            "recovered_workflow_task_count": released,
        }
    )


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _texts(value: object) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, Mapping) else None


def _slots(value: object) -> Mapping[str, int] | None:
    slots = _mapping(value)
    return None if slots is None else {name: _number(count, 0) for name, count in slots.items()}


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _route(method: str, path: str, handler: Handler, *, newer: bool = False) -> Route:
    return Route(
        method=method,
        pattern=f"/api/worker/{path}",
        handler=handler,
        plane=Plane.WORKER,
        roles=WORKERS,
        generations=(Generation.V2,) if newer else tuple(Generation),
        blockable=True,
    )


ROUTES = (
    _route("POST", "register", _register),
    _route("POST", "heartbeat", _heartbeat),
    _route("DELETE", "registrations/{worker}", _leave, newer=True),
    _route("POST", "registrations/{worker}/deregister", _leave, newer=True),
    *(
        _route("POST", path, handler)
        for path, handler in (*polling.HANDLERS.items(), *completions.HANDLERS.items())
    ),
)
