"""Workflows: start, describe, list, terminate, and the little more that a rollout looks at."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from rollout_kit.emulator.calls import Call, Handler, Route, invalid
from rollout_kit.emulator.model import outcomes, payloads, repair, routing, runs, views
from rollout_kit.emulator.model.records import Bucket, Run
from rollout_kit.emulator.model.routing import QueueDraining
from rollout_kit.emulator.model.runs import NewRun
from rollout_kit.emulator.store import Rows, new_id
from rollout_kit.emulator.wire import Refusal, Response

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_FORBIDDEN = ("request_id", "idempotency_key")
_DUPLICATES = ("fail", "use-existing")


def _start(call: Call) -> Response:
    call.need_cache()
    body = call.json
    _validate(body)
    workflow_type = str(body["workflow_type"])
    queue = str(body.get("task_queue") or "default")
    with call.write() as rows:
        workflow_id = str(body.get("workflow_id") or new_id(rows, call.now_us))
        existing = runs.current_run(rows, call.namespace, workflow_id)
        if existing is not None:
            return _duplicate(existing, body)
        gate = routing.start_gate(rows, call.settings, call.namespace, queue, call.now_us)
        if gate is not None:
            raise _nested(409, "start", workflow_id, _queue_draining(gate, queue))
        pin = routing.pin_for_start(
            rows,
            call.settings,
            namespace=call.namespace,
            task_queue=queue,
            workflow_type=workflow_type,
            explicit=_text(body.get("build_id")) or _text(body.get("compatibility")),
            now_us=call.now_us,
        )
        codec, blob = _input(body.get("input"), call)
        run = runs.start(
            rows,
            NewRun(
                namespace=call.namespace,
                workflow_id=workflow_id,
                workflow_type=workflow_type,
                task_queue=queue,
                compatibility=pin,
                codec=codec,
                input_blob=blob,
                business_key=_text(body.get("business_key")),
                memo=_mapping(body.get("memo")),
                search_attributes=_mapping(body.get("search_attributes")),
                execution_timeout_s=_seconds(body.get("execution_timeout_seconds")),
                run_timeout_s=_seconds(body.get("run_timeout_seconds")),
            ),
            call.now_us,
        )
    return _answer(201, "start", workflow_id, views.started(run, "started_new"))


def _duplicate(existing: Run, body: Mapping[str, object]) -> Response:
    """An id is taken for good; only an open run is handed out again, and only when asked."""
    reuse = body.get("duplicate_policy") == "use-existing" and existing.bucket is Bucket.RUNNING
    outcome = "returned_existing_active" if reuse else "rejected_duplicate"
    shown = views.started(existing, outcome)
    return _answer(200 if reuse else 409, "start", existing.workflow_id, shown)


def _validate(body: Mapping[str, object]) -> None:
    errors: dict[str, list[str]] = {}
    if not body.get("workflow_type"):
        errors["workflow_type"] = ["The workflow type field is required."]
    for name in ("workflow_type", "task_queue", "workflow_id", "build_id", "compatibility"):
        if not isinstance(body.get(name), str | None):
            errors[name] = [f"The {name.replace('_', ' ')} field must be a string."]
    named = body.get("workflow_id")
    if isinstance(named, str) and not _ID.fullmatch(named):
        errors["workflow_id"] = ["The workflow id field format is invalid."]
    if body.get("duplicate_policy", "fail") not in _DUPLICATES:
        errors["duplicate_policy"] = ["The selected duplicate policy is invalid."]
    for name in _FORBIDDEN:
        if name in body:
            errors[name] = [f"The {name.replace('_', ' ')} field is prohibited."]
    if errors:
        refusal = invalid(errors)
        content = refusal.response.body
        workflow_id = named if isinstance(named, str) else None
        raise _nested(422, "start", workflow_id, content if isinstance(content, dict) else {})


def _input(value: object, call: Call) -> tuple[str, str]:
    """Codec and blob of the arguments, whether they come as an envelope or as a plain list."""
    if isinstance(value, dict) and "blob" in value:
        return str(value.get("codec") or payloads.CODEC), str(value["blob"])
    made = payloads.envelope(value if value is not None else [], call.settings.generation)
    return str(made["codec"]), str(made["blob"])


def _queue_draining(gate: QueueDraining, queue: str) -> dict[str, object]:
    return {
        "message": f"Task queue [{queue}] is draining and takes no new workflows.",
        "reason": "task_queue_draining",
        "outcome": "rejected_task_queue_draining",
        "command_status": "rejected",
        "command_source": "control_plane",
        "rejection_reason": "task_queue_draining",
        "task_queue": queue,
        "routing_status": "draining",
        "drain_intent": "draining",
        "active_worker_count": gate.active,
        "draining_worker_count": gate.draining,
        "stale_worker_count": gate.stale,
        "draining_build_ids": list(gate.draining_build_ids),
    }


def _list(call: Call) -> Response:
    query = call.request.query
    status, workflow_type = query.get("status"), query.get("workflow_type")
    if status is not None and status not in [bucket.value for bucket in Bucket]:
        raise invalid({"status": ["The selected status is invalid."]})
    size = query.get("page_size") or "50"
    if not size.isdigit() or not 1 <= int(size) <= 200:
        raise invalid({"page_size": ["The page size field must be between 1 and 200."]})
    offset = _offset_of(query.get("next_page_token"))
    with call.read() as rows:
        found = (
            rows.select(Run, namespace=call.namespace, bucket=Bucket(status))
            if status
            else rows.select(Run, namespace=call.namespace)
        )
    matching = [run for run in found if workflow_type in (None, run.workflow_type)]
    matching.sort(key=lambda run: (run.started_us, run.run_id), reverse=True)
    page = matching[offset : offset + int(size)]
    more = offset + len(page) < len(matching)
    token = base64.b64encode(str(offset + len(page)).encode()).decode() if more else None
    body: dict[str, object] = {
        "workflows": [views.listed(run, call.settings.generation) for run in page],
        "workflow_count": len(page),
        "next_page_token": token,
    }
    return _answer(200, "list", None, body)


def _offset_of(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError as error:
        raise invalid({"next_page_token": ["The next page token is invalid."]}) from error


def _describe(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.read() as rows:
        run = _find(rows, call, "describe")
        count = len(runs.runs_of(rows, call.namespace, workflow_id))
    return _answer(200, "describe", workflow_id, views.describe(run, count))


def _runs(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.read() as rows:
        _find(rows, call, "list_runs")
        found = runs.runs_of(rows, call.namespace, workflow_id)
    shown = [views.describe(run, len(found)) for run in found]
    body: dict[str, object] = {"workflow_id": workflow_id, "run_count": len(found), "runs": shown}
    return _answer(200, "list_runs", workflow_id, body)


def _history(call: Call) -> Response:
    with call.read() as rows:
        run = _find(rows, call, "history")
        return Response(body=views.export(rows, run, call.now_us))


def _terminate(operation: str, status: str) -> Handler:
    def handler(call: Call) -> Response:
        workflow_id = call.names["workflow"]
        with call.write() as rows:
            run = _find(rows, call, operation)
            if run.bucket is not Bucket.RUNNING:
                refused = _command(rows, call, run, "rejected", f"rejected_{operation}_closed")
                raise _nested(409, operation, workflow_id, refused | {"reason": "run_closed"})
            shown = _command(rows, call, run, "accepted", status)
            closed = runs.close(rows, run, status, call.now_us)
            outcomes.child_closed(rows, closed, call.now_us)
        reason = _text(call.json.get("reason"))
        return _answer(200, operation, workflow_id, shown | {"reason": reason})

    return handler


def _signal(call: Call) -> Response:
    """No workflow of this emulator declares signals, so each is unknown; the run is looked at."""
    workflow_id, name = call.names["workflow"], call.names["signal"]
    with call.write() as rows:
        run = _find(rows, call, "signal")
        body = _command(rows, call, run, "rejected", "rejected_unknown_signal")
        repair.project_blocked(rows, call.settings, call.now_us, only=run)
    body |= {"reason": "unknown_signal", "rejection_reason": "unknown_signal", "signal_name": name}
    nested = views.control_plane("signal", workflow_id, body, name=name)
    return Response(status=404, body=body | {"control_plane": nested})


def _repair(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.write() as rows:
        run = _find(rows, call, "repair")
        body = _command(rows, call, run, "accepted", "repair_not_needed")
        repair.project_blocked(rows, call.settings, call.now_us, only=run)
    return _answer(200, "repair", workflow_id, body)


def _command(rows: Rows, call: Call, run: Run, status: str, outcome: str) -> dict[str, object]:
    return {
        "outcome": outcome,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "requested_run_id": None,
        "resolved_run_id": run.run_id,
        "command_id": new_id(rows, call.now_us),
        "command_sequence": run.commands + 1,
        "target_scope": "instance",
        "workflow_type": run.workflow_type,
        "command_status": status,
        "command_source": "control_plane",
        "reason": None,
        "rejection_reason": None,
        "validation_errors": [],
    }


def _find(rows: Rows, call: Call, operation: str) -> Run:
    workflow_id, run_id = call.names["workflow"], call.names.get("run")
    for run in reversed(runs.runs_of(rows, call.namespace, workflow_id)):
        if run_id in (None, run.run_id):
            return run
    reason = "run_not_found" if run_id else "instance_not_found"
    text = "Workflow run not found." if run_id else "Workflow not found."
    body = {"message": text, "reason": reason, "workflow_id": workflow_id}
    raise _nested(404, operation, workflow_id, body)


def _answer(
    status: int, operation: str, workflow_id: str | None, body: dict[str, object]
) -> Response:
    nested = views.control_plane(operation, workflow_id, body)
    return Response(status=status, body=body | {"control_plane": nested})


def _nested(
    status: int, operation: str, workflow_id: str | None, body: Mapping[str, object]
) -> Refusal:
    nested = views.control_plane(operation, workflow_id, body)
    return Refusal(status, {**body, "control_plane": nested})


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, Mapping) else None


def _seconds(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value else None


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method=method, pattern=f"/api/workflows{path}", handler=handler, blockable=True)


ROUTES = (
    _route("POST", "", _start),
    _route("GET", "", _list),
    _route("GET", "/{workflow}", _describe),
    _route("GET", "/{workflow}/runs", _runs),
    _route("GET", "/{workflow}/runs/{run}", _describe),
    _route("GET", "/{workflow}/runs/{run}/history", _history),
    _route("GET", "/{workflow}/runs/{run}/history/export", _history),
    _route("POST", "/{workflow}/terminate", _terminate("terminate", "terminated")),
    _route("POST", "/{workflow}/cancel", _terminate("cancel", "cancelled")),
    _route("POST", "/{workflow}/repair", _repair),
    _route("POST", "/{workflow}/signal/{signal}", _signal),
)
