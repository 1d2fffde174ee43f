"""Tasks of the worker plane: polls, completions, failures and heartbeats of what is leased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout_kit.emulator.model import commands, history, outcomes, tasks
from rollout_kit.emulator.model.commands import UnknownCommand
from rollout_kit.emulator.model.moments import SECOND_US, carbon
from rollout_kit.emulator.model.records import (
    Bucket,
    Event,
    Run,
    Task,
    TaskKind,
    TaskState,
    Worker,
)
from rollout_kit.emulator.routing import Call, invalid
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response

Handler = Callable[[Call], Response]

_RETRY_TASK_AFTER_US = SECOND_US
_RESUME_FIELDS = (
    "workflow_wait_kind open_wait_id resume_source_kind resume_source_id workflow_update_id "
    "workflow_signal_id signal_name signal_wait_id workflow_command_id activity_execution_id "
    "activity_attempt_id activity_type child_call_id child_workflow_run_id workflow_sequence "
    "workflow_event_type timer_id condition_wait_id condition_key "
    "condition_definition_fingerprint"
).split()


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
            task = tasks.claim(rows, call.settings, worker, kind, call.now_us)
            if task is None:
                return _no_task(call)
            run = rows.get(Run, task.run_id)
            if run is None:
                return _no_task(call)
            shown = _workflow_task(rows, task, run) if kind is TaskKind.WORKFLOW else (
                _activity_task(task, run))  # fmt: skip
        leased = {"poll_status": "leased"} if call.settings.rules.poll_status else {}
        return Response(body={"task": shown, **leased})

    return handler


def _poll_queries(call: Call) -> Response:
    """Queries are answered by nobody here: the poll is valid and stays empty."""
    call.need_cache()
    with call.read() as rows:
        _polling_worker(rows, call)
    return _no_task(call)


def _no_task(call: Call) -> Response:
    status = {"poll_status": "empty"} if call.settings.rules.poll_status else {}
    return Response(body={"task": None, **status}, retry=True)


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


def _workflow_history(call: Call) -> Response:
    with call.read() as rows:
        task = _held(rows, call, TaskKind.WORKFLOW)
        after = str(call.json.get("next_history_page_token") or "0")
        events, token = history.page(rows, task.run_id, int(after) if after.isdigit() else 0)
        total = rows.count(Event, run_id=task.run_id)
    shown = {"task_id": task.task_id, "history_events": events, "total_history_events": total}
    return Response(body=shown | {"next_history_page_token": token})


def _complete_workflow_task(call: Call) -> Response:
    asked = call.json.get("commands")
    if not isinstance(asked, list) or not all(isinstance(item, dict) for item in asked):
        raise invalid({"commands": ["The commands field must be an array."]})
    with call.write() as rows:
        task = _held(rows, call, TaskKind.WORKFLOW)
        run = _open_run(rows, task)
        try:
            applied = commands.apply_commands(rows, task, run, asked, call.now_us)
        except UnknownCommand as unknown:
            raise invalid({"commands": [f"Unknown command type [{unknown}]."]}) from unknown
    return Response(
        body={
            "task_id": task.task_id,
            "workflow_task_attempt": task.attempt,
            "outcome": "completed",
            "recorded": True,
            "run_id": run.run_id,
            "run_status": applied.run.status,
            "created_task_ids": list(applied.created_task_ids),
            "reason": None,
        }
    )


def _fail_workflow_task(call: Call) -> Response:
    """The task, not the run, failed: it is handed out again after a moment."""
    with call.write() as rows:
        task = _held(rows, call, TaskKind.WORKFLOW)
        run = _open_run(rows, task)
        rows.put(
            replace(
                task,
                state=TaskState.READY,
                lease_owner=None,
                lease_expires_us=None,
                available_us=call.now_us + _RETRY_TASK_AFTER_US,
                failed_attempts=task.failed_attempts + 1,
            )
        )
        rows.put(replace(run, task_failures=run.task_failures + 1))
    facts = {"task_id": task.task_id, "workflow_task_attempt": task.attempt}
    return Response(body=facts | {"outcome": "failed", "recorded": True, "reason": None})


def _complete_activity(call: Call) -> Response:
    result = call.json.get("result")
    with call.write() as rows:
        task = _held(rows, call, TaskKind.ACTIVITY)
        outcomes.activity_completed(
            rows, task, result if isinstance(result, dict) else None, call.now_us
        )
    return Response(body=_activity_answer(task, "completed"))


def _fail_activity(call: Call) -> Response:
    failure = call.json.get("failure")
    with call.write() as rows:
        task = _held(rows, call, TaskKind.ACTIVITY)
        retried = outcomes.activity_failed(
            rows, task, failure if isinstance(failure, dict) else {}, call.now_us
        )
    return Response(body=_activity_answer(task, "retry_scheduled" if retried else "failed"))


def _activity_answer(task: Task, outcome: str) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "activity_attempt_id": task.attempt_id,
        "outcome": outcome,
        "recorded": True,
        "reason": None,
    }


def _heartbeat_activity(call: Call) -> Response:
    """Notes progress and renews the lease."""
    with call.write() as rows:
        task = _held(rows, call, TaskKind.ACTIVITY)
        expires_us = call.now_us + round(call.settings.activity_lease_length_s * SECOND_US)
        rows.put(replace(task, lease_expires_us=expires_us, heartbeat_us=call.now_us))
    return Response(
        body={
            "task_id": task.task_id,
            "activity_attempt_id": task.attempt_id,
            "heartbeat_recorded": True,
            "cancel_requested": False,
            "lease_expires_at": carbon(expires_us),
        }
    )


def _held(rows: Rows, call: Call, kind: TaskKind) -> Task:
    body = call.json
    name = "workflow_task_attempt" if kind is TaskKind.WORKFLOW else "activity_attempt_id"
    attempt = body.get(name)
    found = tasks.held(
        rows,
        call.names["task"],
        kind,
        str(body.get("lease_owner")),
        attempt if isinstance(attempt, str | int) else None,
    )
    if isinstance(found, Task):
        if found.namespace == call.namespace:
            return found
        found = tasks.LeaseLost(status=404, reason="task_not_found")
    facts = {"task_id": call.names["task"], "recorded": False, "reason": found.reason}
    raise Refusal(found.status, {"error": "The task is not leased to this worker.", **facts})


def _open_run(rows: Rows, task: Task) -> Run:
    run = rows.get(Run, task.run_id)
    if run is None or run.bucket is not Bucket.RUNNING:
        facts = {"task_id": task.task_id, "recorded": False, "reason": "run_closed"}
        raise Refusal(409, {"error": "The run is closed.", **facts})
    return run


HANDLERS: Mapping[str, Handler] = {
    "workflow-tasks/poll": _poll(TaskKind.WORKFLOW),
    "activity-tasks/poll": _poll(TaskKind.ACTIVITY),
    "query-tasks/poll": _poll_queries,
    "workflow-tasks/{task}/history": _workflow_history,
    "workflow-tasks/{task}/complete": _complete_workflow_task,
    "workflow-tasks/{task}/fail": _fail_workflow_task,
    "activity-tasks/{task}/complete": _complete_activity,
    "activity-tasks/{task}/fail": _fail_activity,
    "activity-tasks/{task}/heartbeat": _heartbeat_activity,
}
