"""Starting a workflow: what may be asked, where the run is pinned, and what refuses it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollout_kit.emulator.calls import Call, invalid
from rollout_kit.emulator.model import payloads, routing, runs, views
from rollout_kit.emulator.model.records import Bucket, Run
from rollout_kit.emulator.model.routing import QueueDraining
from rollout_kit.emulator.model.runs import NewRun
from rollout_kit.emulator.routes.nesting import answer, nested
from rollout_kit.emulator.store import new_id
from rollout_kit.emulator.wire import Response

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_FORBIDDEN = ("request_id", "idempotency_key")
_DUPLICATES = ("fail", "use-existing")


def start(call: Call) -> Response:
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
            raise nested(409, "start", workflow_id, _queue_draining(gate, queue))
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
    return answer(201, "start", workflow_id, views.started(run, "started_new"))


def _duplicate(existing: Run, body: Mapping[str, object]) -> Response:
    """An id is taken for good; only an open run is handed out again, and only when asked."""
    reuse = body.get("duplicate_policy") == "use-existing" and existing.bucket is Bucket.RUNNING
    outcome = "returned_existing_active" if reuse else "rejected_duplicate"
    shown = views.started(existing, outcome)
    return answer(200 if reuse else 409, "start", existing.workflow_id, shown)


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
        raise nested(422, "start", workflow_id, content if isinstance(content, dict) else {})


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


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, Mapping) else None


def _seconds(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value else None
