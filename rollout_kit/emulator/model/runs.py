"""Workflow runs: starting them, waking them with a task, and closing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rollout_kit.emulator.model import history
from rollout_kit.emulator.model.moments import carbon
from rollout_kit.emulator.model.records import (
    Bucket,
    Run,
    Task,
    TaskKind,
    TaskState,
    Timer,
)
from rollout_kit.emulator.store import Rows, new_id

_CLOSED = {
    "completed": Bucket.COMPLETED,
    "failed": Bucket.FAILED,
    "terminated": Bucket.FAILED,
    "cancelled": Bucket.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a start, a child, a retry or a continuation asks for."""

    namespace: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    compatibility: str | None
    codec: str
    input_blob: str
    caller: str = "control_plane"
    business_key: str | None = None
    memo: Mapping[str, object] | None = None
    search_attributes: Mapping[str, object] | None = None
    execution_timeout_s: int | None = None
    run_timeout_s: int | None = None
    execution_started_us: int | None = None
    parent_run_id: str | None = None
    parent_sequence: int | None = None
    retry_policy: Mapping[str, object] | None = None
    retry_attempt: int = 1
    delay_us: int = 0


def runs_of(rows: Rows, namespace: str, workflow_id: str) -> list[Run]:
    """All runs of an instance, oldest first."""
    found = rows.select(Run, namespace=namespace, workflow_id=workflow_id)
    return sorted(found, key=lambda run: run.run_number)


def current_run(rows: Rows, namespace: str, workflow_id: str) -> Run | None:
    runs = runs_of(rows, namespace, workflow_id)
    return runs[-1] if runs else None


def start(rows: Rows, wanted: NewRun, now_us: int) -> Run:
    """Create the run, its first two events and its first workflow task."""
    earlier = runs_of(rows, wanted.namespace, wanted.workflow_id)
    for run in earlier:
        if run.current:
            rows.put(replace(run, current=False))
    run_id = new_id(rows, now_us)
    run = Run(
        run_id=run_id,
        namespace=wanted.namespace,
        workflow_id=wanted.workflow_id,
        workflow_type=wanted.workflow_type,
        task_queue=wanted.task_queue,
        compatibility=wanted.compatibility,
        status="pending",
        bucket=Bucket.RUNNING,
        current=True,
        run_number=len(earlier) + 1,
        codec=wanted.codec,
        input_blob=wanted.input_blob,
        started_us=now_us,
        progress_us=now_us,
        business_key=wanted.business_key,
        memo=wanted.memo,
        search_attributes=wanted.search_attributes,
        execution_timeout_s=wanted.execution_timeout_s,
        run_timeout_s=wanted.run_timeout_s,
        execution_started_us=wanted.execution_started_us or now_us,
        parent_run_id=wanted.parent_run_id,
        parent_sequence=wanted.parent_sequence,
        retry_policy=wanted.retry_policy,
        retry_attempt=wanted.retry_attempt,
    )
    run = _record_start(rows, run, wanted.caller, now_us)
    return wake(rows, run, now_us, delay_us=wanted.delay_us)


def _record_start(rows: Rows, run: Run, caller: str, now_us: int) -> Run:
    command_id = new_id(rows, now_us)
    command = {
        "id": command_id,
        "sequence": 1,
        "type": "start",
        "target_scope": "instance",
        "resolved_run_id": run.run_id,
        "payload_codec": run.codec,
        "payload": run.input_blob,
        "source": caller,
        "caller_label": "Standalone Server",
        "auth_status": "authorized",
        "auth_method": "token",
        "request_method": "POST",
        "request_path": "/api/workflows",
        "request_route_name": "generated::start",
        "request_fingerprint": f"sha256:{run.run_id}",
        "status": "accepted",
        "outcome": "started_new",
        "accepted_at": carbon(now_us),
        "applied_at": carbon(now_us),
    }
    names: dict[str, object] = {
        "workflow_class": run.workflow_type,
        "workflow_type": run.workflow_type,
        "workflow_instance_id": run.workflow_id,
        "workflow_run_id": run.run_id,
        "workflow_command_id": command_id,
        "memo": dict(run.memo or {}) or [],
        "command": command,
    }
    accepted = names | {
        "business_key": run.business_key,
        "visibility_labels": None,
        "search_attributes": dict(run.search_attributes) if run.search_attributes else None,
        "outcome": "started_new",
    }
    run = history.append(rows, run, "StartAccepted", accepted, now_us, command_id=command_id)
    run = history.append(rows, run, "WorkflowStarted", names, now_us, command_id=command_id)
    rows.put(run)
    return run


def wake(rows: Rows, run: Run, now_us: int, *, delay_us: int = 0) -> Run:
    """Make sure that a worker looks at the run again: one workflow task at a time per run."""
    if run.bucket is not Bucket.RUNNING:
        return run
    open_states = {
        task.state
        for task in rows.select(Task, run_id=run.run_id)
        if task.kind is TaskKind.WORKFLOW
    } - {TaskState.DONE}
    if TaskState.LEASED in open_states:
        run = replace(run, wake_pending=True)
    elif not open_states:
        rows.put(
            Task(
                task_id=new_id(rows, now_us),
                namespace=run.namespace,
                task_queue=run.task_queue,
                kind=TaskKind.WORKFLOW,
                state=TaskState.READY,
                run_id=run.run_id,
                workflow_id=run.workflow_id,
                compatibility=run.compatibility,
                created_us=now_us,
                available_us=now_us + delay_us,
            )
        )
        run = replace(run, wait_kind="workflow-task", wait_reason="Workflow task ready")
    rows.put(run)
    return run


def close(rows: Rows, run: Run, status: str, now_us: int, *, reason: str | None = None) -> Run:
    """End the run: nothing of it is handed to a worker any more."""
    closed = replace(
        run,
        status=status,
        bucket=_CLOSED[status],
        closed_us=now_us,
        closed_reason=reason or status,
        progress_us=now_us,
        wait_kind=None,
        wait_reason=None,
        blocked=False,
    )
    rows.put(closed)
    for task in rows.select(Task, run_id=run.run_id):
        if task.state is not TaskState.DONE:
            rows.put(replace(task, state=TaskState.DONE, lease_owner=None, lease_expires_us=None))
    for timer in rows.select(Timer, run_id=run.run_id):
        if not timer.fired:
            rows.delete(timer)
    return closed
