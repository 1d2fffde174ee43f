"""What workers say of tasks they hold: done, failed, still at it, more history please."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout_kit.emulator.calls import Call, Handler, invalid
from rollout_kit.emulator.model import commands, history, outcomes, tasks
from rollout_kit.emulator.model.commands import UnknownCommand
from rollout_kit.emulator.model.moments import SECOND_US, carbon
from rollout_kit.emulator.model.records import Bucket, Event, Run, Task, TaskKind, TaskState
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Refusal, Response

_RETRY_TASK_AFTER_US = SECOND_US


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
    "workflow-tasks/{task}/history": _workflow_history,
    "workflow-tasks/{task}/complete": _complete_workflow_task,
    "workflow-tasks/{task}/fail": _fail_workflow_task,
    "activity-tasks/{task}/complete": _complete_activity,
    "activity-tasks/{task}/fail": _fail_activity,
    "activity-tasks/{task}/heartbeat": _heartbeat_activity,
}
