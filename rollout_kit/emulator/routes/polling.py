"""Polls of the worker plane: who may ask, and how a leased task is handed out."""

from __future__ import annotations

from collections.abc import Mapping

from rollout_kit.emulator.calls import Call, Handler, invalid
from rollout_kit.emulator.model import history, repair, tasks
from rollout_kit.emulator.model.moments import carbon
from rollout_kit.emulator.model.records import Run, Task, TaskKind, Worker
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response

_LONGEST_POLL_S = 60
_RESUME_FIELDS = [
    "workflow_wait_kind",
    "open_wait_id",
    "resume_source_kind",
    "resume_source_id",
    "workflow_update_id",
    "workflow_signal_id",
    "signal_name",
    "signal_wait_id",
    "workflow_command_id",
    "activity_execution_id",
    "activity_attempt_id",
    "activity_type",
    "child_call_id",
    "child_workflow_run_id",
    "workflow_sequence",
    "workflow_event_type",
    "timer_id",
    "condition_wait_id",
    "condition_key",
    "condition_definition_fingerprint",
]


def not_registered(worker_id: str) -> dict[str, object]:
    return {
        "error": "Worker not registered.",
        "reason": "worker_not_registered",
        "worker_id": worker_id,
    }


def _poll(kind: TaskKind) -> Handler:
    def handler(call: Call) -> Response:
        call.need_cache()
        with call.read() as rows:
            worker = _polling_worker(rows, call)
            nothing = tasks.claimable(rows, call.settings, worker, kind, call.now_us) is None
        if nothing:
            return _no_task(call)
        with call.write() as rows:
            worker = _polling_worker(rows, call)
            claimed = _claim(rows, call, worker, kind)
            if claimed is None:
                return _no_task(call)
            task, run = claimed
            shown = _workflow_task(rows, task, run) if kind is TaskKind.WORKFLOW else (
                _activity_task(task, run))  # fmt: skip
        leased = {"poll_status": "leased"} if call.settings.rules.poll_status else {}
        return Response(body={"task": shown, **leased})

    return handler


def _claim(rows: Rows, call: Call, worker: Worker, kind: TaskKind) -> tuple[Task, Run] | None:
    """The next task with its run; a run beyond its deadline ends here instead."""
    while (task := tasks.claim(rows, call.settings, worker, kind, call.now_us)) is not None:
        run = rows.get(Run, task.run_id)
        if run is None:
            return None
        if kind is TaskKind.ACTIVITY or not repair.past_deadline(run, call.now_us):
            return task, run
        repair.time_out(rows, run, call.now_us)
    return None


def _poll_queries(call: Call) -> Response:
    """Queries are answered by nobody here: the poll is valid and stays empty."""
    call.need_cache()
    with call.read() as rows:
        _polling_worker(rows, call)
    return _no_task(call)


def _no_task(call: Call) -> Response:
    newer = call.settings.rules.poll_status
    asked = call.json.get("timeout_seconds") if newer else None
    hold_s = min(asked, _LONGEST_POLL_S) if isinstance(asked, int) else call.settings.poll_timeout_s
    status = {"poll_status": "empty"} if newer else {}
    return Response(body={"task": None, **status}, hold_s=hold_s)


def _polling_worker(rows: Rows, call: Call) -> Worker:
    """The registered worker behind a poll.

    Raises Refusal 412 for an unknown worker, 409 for another queue or build id, or a drained one.
    """
    body = call.json
    worker_id, queue = body.get("worker_id"), body.get("task_queue")
    missing = [name for name in ("worker_id", "task_queue") if not body.get(name)]
    if missing:
        raise invalid({name: [f"The {name.replace('_', ' ')} field is required."]
                       for name in missing})  # fmt: skip
    worker = rows.get(Worker, call.namespace, str(worker_id))
    if worker is None:
        text = "Worker must be registered before polling. Call POST /worker/register first."
        raise Refusal(412, not_registered(str(worker_id)) | {"error": text})
    if worker.task_queue != queue:
        raise Refusal(
            409,
            {
                "error": f"Worker [{worker_id}] is registered for task queue "
                f"[{worker.task_queue}], not [{queue}].",
                "reason": "task_queue_mismatch",
                "worker_id": worker_id,
                "registered_task_queue": worker.task_queue,
                "requested_task_queue": queue,
            },
        )
    build_id = body.get("build_id")
    if isinstance(build_id, str) and build_id.strip() != (worker.build_id or ""):
        raise Refusal(
            409,
            {
                "error": f"Worker [{worker_id}] is registered with build id "
                f"[{worker.build_id}], not [{build_id}].",
                "reason": "build_id_mismatch",
                "worker_id": worker_id,
                "registered_build_id": worker.build_id,
                "requested_build_id": build_id,
            },
        )
    if worker.draining and call.settings.rules.draining_polls_refused:
        raise Refusal(409, _draining(worker))
    return worker


def _draining(worker: Worker) -> Mapping[str, object]:
    return {
        "task": None,
        "poll_status": "draining",
        "error": "Worker is draining.",
        "reason": "worker_draining",
        "worker_id": worker.worker_id,
        "task_queue": worker.task_queue,
        "registered_build_id": worker.build_id,
        "worker_status": "draining",
        "drain_intent": "draining",
    }


def _workflow_task(rows: Rows, task: Task, run: Run) -> dict[str, object]:
    events, token = history.page(rows, run.run_id, 0)
    return {
        "task_id": task.task_id,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "workflow_task_attempt": task.attempt,
        "workflow_type": run.workflow_type,
        "payload_codec": run.codec,
        "arguments": {"codec": run.codec, "blob": run.input_blob},
        "run_status": run.status,
        "last_history_sequence": run.events,
        "history_events": events,
        "task_queue": task.task_queue,
        "connection": None,
        "compatibility": task.compatibility,
        "lease_owner": task.lease_owner,
        "lease_expires_at": carbon(task.lease_expires_us),
        **dict.fromkeys(_RESUME_FIELDS),
        "total_history_events": run.events,
        "next_history_page_token": token,
    }


def _activity_task(task: Task, run: Run) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "activity_execution_id": task.activity_id,
        "activity_attempt_id": task.attempt_id,
        "attempt_number": task.attempt,
        "activity_type": task.activity_type,
        "payload_codec": (task.arguments or {}).get("codec", run.codec),
        "arguments": task.arguments,
        "task_queue": task.task_queue,
        "connection": None,
        "compatibility": task.compatibility,
        "lease_owner": task.lease_owner,
        "lease_expires_at": carbon(task.lease_expires_us),
        "retry_policy": task.retry_policy,
        "deadlines": dict(task.timeouts_s or {}) or [],
    }


HANDLERS: Mapping[str, Handler] = {
    "workflow-tasks/poll": _poll(TaskKind.WORKFLOW),
    "activity-tasks/poll": _poll(TaskKind.ACTIVITY),
    "query-tasks/poll": _poll_queries,
}
