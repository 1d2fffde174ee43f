"""What comes back to a run: activity results, fired timers, closed children."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout_kit.emulator.model import history, runs
from rollout_kit.emulator.model.moments import SECOND_US
from rollout_kit.emulator.model.records import Bucket, Run, Task, TaskState, Timer
from rollout_kit.emulator.model.tasks import finish
from rollout_kit.emulator.store import Rows


def activity_completed(
    rows: Rows, task: Task, result: Mapping[str, object] | None, now_us: int
) -> None:
    """Hand the result to the run and let a worker look at it."""
    finish(rows, task)
    codec = result.get("codec") if result else None
    _tell(rows, task, "ActivityCompleted", {"result": result, "payload_codec": codec}, now_us)


def activity_failed(rows: Rows, task: Task, failure: Mapping[str, object], now_us: int) -> bool:
    """Try again as the retry policy says, else tell the run; whether it is tried again."""
    delay_us = None
    if not failure.get("non_retryable"):
        delay_us = retry_delay_us(task.retry_policy, task.failed_attempts + 1)
    if delay_us is None:
        finish(rows, replace(task, failed_attempts=task.failed_attempts + 1))
        payload = {"message": failure.get("message"), "exception_type": failure.get("type")}
        _tell(rows, task, "ActivityFailed", payload, now_us)
        return False
    rows.put(
        replace(
            task,
            state=TaskState.READY,
            lease_owner=None,
            lease_expires_us=None,
            available_us=now_us + delay_us,
            failed_attempts=task.failed_attempts + 1,
            started_us=None,
        )
    )
    return True


def timer_fired(rows: Rows, timer: Timer, now_us: int) -> None:
    rows.put(replace(timer, fired=True))
    run = rows.get(Run, timer.run_id)
    if run is None or run.bucket is not Bucket.RUNNING:
        return
    payload = {"sequence": timer.sequence, "timer_id": timer.timer_id}
    runs.wake(rows, history.append(rows, run, "TimerFired", payload, now_us), now_us)


def child_closed(rows: Rows, child: Run, now_us: int) -> None:
    """Tell the parent, if there is one that still runs."""
    parent = rows.get(Run, child.parent_run_id) if child.parent_run_id else None
    if parent is None or parent.bucket is not Bucket.RUNNING:
        return
    payload: dict[str, object] = {
        "sequence": child.parent_sequence,
        "child_workflow_instance_id": child.workflow_id,
        "child_workflow_run_id": child.run_id,
        "child_workflow_type": child.workflow_type,
        "payload_codec": child.codec,
    }
    if child.status == "completed":
        event_type = "ChildRunCompleted"
        payload["result"] = child.output
    else:
        event_type = "ChildRunFailed"
        payload["message"] = child.failure or f"child workflow {child.status}"
    runs.wake(rows, history.append(rows, parent, event_type, payload, now_us), now_us)


def retry_delay_us(policy: Mapping[str, object] | None, failed_attempts: int) -> int | None:
    """How long to wait before the next attempt, or None when there is none."""
    limit = (policy or {}).get("max_attempts", 1)
    if isinstance(limit, int) and failed_attempts >= limit:
        return None
    steps = (policy or {}).get("backoff_seconds")
    if isinstance(steps, list) and steps:
        return round(float(steps[min(failed_attempts, len(steps)) - 1]) * SECOND_US)
    return SECOND_US


def _tell(
    rows: Rows, task: Task, event_type: str, payload: Mapping[str, object], now_us: int
) -> None:
    run = rows.get(Run, task.run_id)
    if run is None or run.bucket is not Bucket.RUNNING:
        return
    facts: dict[str, object] = {
        "sequence": task.sequence,
        "activity_execution_id": task.activity_id,
        "activity_type": task.activity_type,
        "activity_attempt_id": task.attempt_id,
        "attempt_number": task.attempt,
    }
    run = history.append(rows, run, event_type, {**facts, **payload}, now_us, task_id=task.task_id)
    runs.wake(rows, run, now_us)
