"""Runs as operators see them: described, listed, exported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from rollout_kit.emulator.model import history
from rollout_kit.emulator.model.moments import carbon, offset
from rollout_kit.emulator.model.payloads import opened
from rollout_kit.emulator.model.records import Bucket, Event, Run
from rollout_kit.emulator.model.repair import deadline_us
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows

_CONTRACT = {
    "schema": "durable-workflow.v2.control-plane-response.contract",
    "version": 1,
    "legacy_field_policy": "reject_non_canonical",
    "legacy_fields": {
        "query": "query_name",
        "signal": "signal_name",
        "update": "update_name",
        "wait_policy": "wait_for",
    },
}
_REQUIRED: Mapping[str, list[str]] = {
    "list": [],
    "start": [],
    "describe": ["workflow_id"],
    "terminate": ["workflow_id"],
    "cancel": ["workflow_id"],
    "repair": ["workflow_id"],
    "signal": ["workflow_id", "operation_name", "operation_name_field"],
}
_SUCCESS: Mapping[str, list[str]] = {
    "list": [],
    "start": ["workflow_id", "outcome"],
    "describe": [],
}
_PROJECTED = [
    "run_id",
    "workflow_type",
    "namespace",
    "business_key",
    "status",
    "status_bucket",
    "is_terminal",
    "task_queue",
    "run_number",
    "run_count",
    "workflow_count",
    "is_current_run",
    "compatibility",
    "started_at",
    "closed_at",
    "last_progress_at",
    "wait_kind",
    "wait_reason",
    "command_id",
    "command_status",
    "command_source",
    "target_scope",
    "outcome",
    "reason",
    "rejection_reason",
    "validation_errors",
    "message",
    "next_page_token",
]


def control_plane(
    operation: str, workflow_id: str | None, body: Mapping[str, object], *, name: str | None = None
) -> dict[str, object]:
    """The object that workflow operations nest in their answers."""
    contract = _CONTRACT | {
        "required_fields": _REQUIRED.get(operation, ["workflow_id"]),
        "success_fields": _SUCCESS.get(operation, ["outcome"]),
    }
    nested: dict[str, object] = {
        "schema": "durable-workflow.v2.control-plane-response",
        "version": 1,
        "operation": operation,
        "workflow_id": workflow_id,
        "contract": contract,
    }
    if name is not None:
        nested |= {"operation_name": name, "operation_name_field": f"{operation}_name"}
    return nested | {field: body[field] for field in _PROJECTED if field in body}


def describe(run: Run, run_count: int) -> dict[str, object]:
    """The body of `GET /api/workflows/{id}`, without its `control_plane`."""
    output = run.output or {}
    blob = output.get("blob")
    codec = str(output.get("codec") or run.codec)
    return {
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "namespace": run.namespace,
        "workflow_type": run.workflow_type,
        "business_key": run.business_key,
        "status": run.status,
        "status_bucket": run.bucket,
        "is_terminal": run.bucket is not Bucket.RUNNING,
        "closed_reason": run.closed_reason,
        "task_queue": run.task_queue,
        "run_number": run.run_number,
        "run_count": run_count,
        "is_current_run": run.current,
        "compatibility": run.compatibility,
        "payload_codec": run.codec,
        "execution_timeout_seconds": run.execution_timeout_s,
        "run_timeout_seconds": run.run_timeout_s,
        "execution_deadline_at": offset(
            deadline_us(run.execution_started_us, run.execution_timeout_s)
        ),
        "run_deadline_at": offset(deadline_us(run.started_us, run.run_timeout_s)),
        "input": opened(run.codec, run.input_blob),
        "output": opened(codec, str(blob)) if blob else None,
        "input_envelope": {"codec": run.codec, "blob": run.input_blob},
        "output_envelope": {"codec": codec, "blob": blob} if blob else None,
        "started_at": carbon(run.started_us),
        "closed_at": carbon(run.closed_us),
        "last_progress_at": offset(run.progress_us),
        "wait_kind": run.wait_kind,
        "wait_reason": run.wait_reason,
        "memo": dict(run.memo or {}) or [],
        "search_attributes": dict(run.search_attributes or {}) or [],
        "actions": _actions(run),
    }


def listed(run: Run, generation: Generation) -> dict[str, object]:
    """A row of the list; only the newer generation shows the pin there."""
    row: dict[str, object] = {
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "workflow_type": run.workflow_type,
        "business_key": run.business_key,
        "status": run.status,
        "status_bucket": run.bucket,
        "task_queue": run.task_queue,
        "is_terminal": run.bucket is not Bucket.RUNNING,
        "started_at": carbon(run.started_us),
        "closed_at": carbon(run.closed_us),
        "search_attributes": dict(run.search_attributes or {}) or [],
    }
    if generation is Generation.V2:
        row["compatibility"] = run.compatibility
    return row


def started(run: Run, outcome: str) -> dict[str, object]:
    """The body of an answer to a start, without its `control_plane`."""
    return {
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "workflow_type": run.workflow_type,
        "namespace": run.namespace,
        "status": run.status,
        "business_key": run.business_key,
        "payload_codec": run.codec,
        "outcome": outcome,
    }


def export(rows: Rows, run: Run, now_us: int) -> dict[str, object]:
    """A run's history as a bundle, with a checksum over its canonical JSON."""
    events = [history.wire(event) for event in rows.select(Event, run_id=run.run_id)]
    bundle: dict[str, object] = {
        "schema": "durable-workflow.v2.history-export",
        "schema_version": 1,
        "exported_at": carbon(now_us),
        "history_complete": run.bucket is not Bucket.RUNNING,
        "workflow": {
            "instance_id": run.workflow_id,
            "run_id": run.run_id,
            "run_number": run.run_number,
            "workflow_type": run.workflow_type,
            "status": run.status,
            "compatibility": run.compatibility,
        },
        "payloads": {
            "codec": run.codec,
            "arguments": {"available": True, "data": run.input_blob},
        },
        "history_events": events,
    }
    canonical = json.dumps(bundle, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    integrity = {
        "canonicalization": "json-recursive-ksort-v1",
        "checksum_algorithm": "sha256",
        "checksum": digest,
        "signature_algorithm": None,
        "signature": None,
        "key_id": None,
    }
    return bundle | {"integrity": integrity}


def _actions(run: Run) -> dict[str, object]:
    is_open = run.bucket is Bucket.RUNNING
    return {
        "can_signal": is_open,
        "can_query": False,
        "can_update": False,
        "can_cancel": is_open,
        "can_terminate": is_open,
        "can_repair": is_open,
        "can_archive": not is_open,
    }
