"""What a worker's finished workflow task does to its run, command by command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rollout_kit.emulator.model import history, runs
from rollout_kit.emulator.model.moments import SECOND_US, carbon
from rollout_kit.emulator.model.outcomes import child_closed, retry_delay_us
from rollout_kit.emulator.model.records import Run, Task, TaskKind, TaskState, Timer
from rollout_kit.emulator.model.runs import NewRun
from rollout_kit.emulator.model.tasks import finish
from rollout_kit.emulator.store import Rows, new_id

Command = Mapping[str, object]

TIMEOUTS = (
    "start_to_close_timeout",
    "schedule_to_start_timeout",
    "schedule_to_close_timeout",
    "heartbeat_timeout",
)


class UnknownCommand(Exception):
    """A command type that this server does not know; nothing of the task was applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    run: Run
    created_task_ids: Sequence[str]


def apply_commands(
    rows: Rows, task: Task, run: Run, commands: Sequence[Command], now_us: int
) -> Applied:
    """Finish the workflow task and do what it commands, in its order.

    Raises UnknownCommand before anything changed when one of the commands is not known.
    """
    for command in commands:
        if command.get("type") not in _APPLY:
            raise UnknownCommand(str(command.get("type")))
    finish(rows, task)
    woken = run.wake_pending
    run = replace(
        run,
        wake_pending=False,
        task_failures=0,
        status="waiting",
        wait_kind=None,
        wait_reason=None,
        progress_us=now_us,
    )
    rows.put(run)
    created: list[str] = []
    for command in commands:
        run = _APPLY[str(command["type"])](rows, run, command, now_us, created)
        rows.put(run)
        if run.closed_us is not None:
            return Applied(run=run, created_task_ids=created)
    if woken:
        run = runs.wake(rows, run, now_us)
    return Applied(run=run, created_task_ids=created)


def _schedule_activity(
    rows: Rows, run: Run, command: Command, now_us: int, created: list[str]
) -> Run:
    sequence = run.sequences + 1
    activity_id = new_id(rows, now_us)
    activity_type = str(command["activity_type"])
    timeouts_s = {
        name: float(str(command[name])) for name in TIMEOUTS if command.get(name) is not None
    }
    task = Task(
        task_id=new_id(rows, now_us),
        namespace=run.namespace,
        task_queue=str(command.get("queue") or run.task_queue),
        kind=TaskKind.ACTIVITY,
        state=TaskState.READY,
        run_id=run.run_id,
        workflow_id=run.workflow_id,
        compatibility=run.compatibility,
        created_us=now_us,
        available_us=now_us,
        activity_id=activity_id,
        activity_type=activity_type,
        sequence=sequence,
        arguments=_mapping(command.get("arguments")),
        retry_policy=_mapping(command.get("retry_policy")),
        timeouts_s=timeouts_s,
        scheduled_us=now_us,
    )
    rows.put(task)
    created.append(task.task_id)
    payload = {
        "sequence": sequence,
        "activity_execution_id": activity_id,
        "activity_type": activity_type,
        "task_queue": task.task_queue,
        "arguments": command.get("arguments"),
    }
    run = history.append(rows, run, "ActivityScheduled", payload, now_us)
    return replace(
        run,
        sequences=sequence,
        wait_kind="activity",
        wait_reason=f"Waiting for activity {activity_type}",
    )


def _start_timer(rows: Rows, run: Run, command: Command, now_us: int, created: list[str]) -> Run:
    del created
    sequence = run.sequences + 1
    delay_s = float(str(command.get("delay_seconds", 0)))
    timer = Timer(
        timer_id=new_id(rows, now_us),
        run_id=run.run_id,
        namespace=run.namespace,
        sequence=sequence,
        delay_s=delay_s,
        due_us=now_us + round(delay_s * SECOND_US),
        fired=False,
    )
    rows.put(timer)
    payload = {
        "sequence": sequence,
        "timer_id": timer.timer_id,
        "delay_seconds": command.get("delay_seconds", 0),
        "fire_at": carbon(timer.due_us),
    }
    run = history.append(rows, run, "TimerScheduled", payload, now_us)
    return replace(
        run,
        sequences=sequence,
        timers=run.timers + 1,
        wait_kind="timer",
        wait_reason="Waiting for timer",
    )


def _start_child(rows: Rows, run: Run, command: Command, now_us: int, created: list[str]) -> Run:
    del created
    sequence = run.sequences + 1
    workflow_type = str(command["workflow_type"])
    arguments = _mapping(command.get("arguments")) or {}
    child_id = str(command.get("workflow_id") or new_id(rows, now_us))
    payload: dict[str, object] = {
        "sequence": sequence,
        "child_workflow_instance_id": child_id,
        "child_workflow_type": workflow_type,
    }
    run = history.append(rows, run, "ChildWorkflowScheduled", payload, now_us)
    rows.put(run)
    child = runs.start(
        rows,
        NewRun(
            namespace=run.namespace,
            workflow_id=child_id,
            workflow_type=workflow_type,
            task_queue=str(command.get("queue") or run.task_queue),
            compatibility=run.compatibility,
            codec=str(arguments.get("codec") or run.codec),
            input_blob=str(arguments.get("blob") or ""),
            caller="workflow",
            execution_timeout_s=_seconds(command.get("execution_timeout_seconds")),
            run_timeout_s=_seconds(command.get("run_timeout_seconds")),
            parent_run_id=run.run_id,
            parent_sequence=sequence,
            retry_policy=_mapping(command.get("retry_policy")),
        ),
        now_us,
    )
    payload = payload | {"child_workflow_run_id": child.run_id}
    run = history.append(rows, run, "ChildRunStarted", payload, now_us)
    reason = f"Waiting for child workflow {workflow_type}"
    return replace(run, sequences=sequence, wait_kind="child", wait_reason=reason)


def _complete(rows: Rows, run: Run, command: Command, now_us: int, created: list[str]) -> Run:
    del created
    result = _mapping(command.get("result"))
    payload = {"output": result, "result": result, "payload_codec": _codec(result, run)}
    run = history.append(rows, run, "WorkflowCompleted", payload, now_us)
    run = runs.close(rows, replace(run, output=result), "completed", now_us)
    child_closed(rows, run, now_us)
    return run


def _fail(rows: Rows, run: Run, command: Command, now_us: int, created: list[str]) -> Run:
    del created
    message = str(command.get("message", "workflow failed"))
    payload = {
        "message": message,
        "exception_type": command.get("exception_type"),
        "exception_class": command.get("exception_class") or command.get("exception_type"),
    }
    run = history.append(rows, run, "WorkflowFailed", payload, now_us)
    delay_us = None
    if not command.get("non_retryable"):
        delay_us = retry_delay_us(run.retry_policy, run.retry_attempt)
    run = runs.close(rows, replace(run, failure=message), "failed", now_us)
    if delay_us is None:
        child_closed(rows, run, now_us)
    else:
        successor = _successor(run, attempt=run.retry_attempt + 1, delay_us=delay_us)
        runs.start(rows, successor, now_us)
    return replace(run, current=delay_us is None)


def _continue_as_new(
    rows: Rows, run: Run, command: Command, now_us: int, created: list[str]
) -> Run:
    del created
    arguments = _mapping(command.get("arguments")) or {}
    run = history.append(rows, run, "WorkflowContinuedAsNew", {"arguments": arguments}, now_us)
    run = runs.close(rows, run, "completed", now_us, reason="continued")
    successor = replace(
        _successor(run, attempt=1, delay_us=0),
        workflow_type=str(command.get("workflow_type") or run.workflow_type),
        task_queue=str(command.get("queue") or run.task_queue),
        codec=str(arguments.get("codec") or run.codec),
        input_blob=str(arguments.get("blob") or ""),
    )
    runs.start(rows, successor, now_us)
    return replace(run, current=False)


def _successor(run: Run, *, attempt: int, delay_us: int) -> NewRun:
    """The next run of the instance: it keeps the pin, whatever is selected now."""
    return NewRun(
        namespace=run.namespace,
        workflow_id=run.workflow_id,
        workflow_type=run.workflow_type,
        task_queue=run.task_queue,
        compatibility=run.compatibility,
        codec=run.codec,
        input_blob=run.input_blob,
        caller="workflow",
        business_key=run.business_key,
        memo=run.memo,
        search_attributes=run.search_attributes,
        execution_timeout_s=run.execution_timeout_s,
        run_timeout_s=run.run_timeout_s,
        execution_started_us=run.execution_started_us,
        parent_run_id=run.parent_run_id,
        parent_sequence=run.parent_sequence,
        retry_policy=run.retry_policy,
        retry_attempt=attempt,
        delay_us=delay_us,
    )


def _recorded(event_type: str, *fields: str) -> Callable[..., Run]:
    """A command that history answers at once."""

    def apply(rows: Rows, run: Run, command: Command, now_us: int, created: list[str]) -> Run:
        del created
        sequence = run.sequences + 1
        payload = {"sequence": sequence, "payload_codec": run.codec}
        run = history.append(
            rows, run, event_type, payload | {name: command.get(name) for name in fields}, now_us
        )
        return replace(run, sequences=sequence)

    return apply


_APPLY: Mapping[str, Callable[..., Run]] = {
    "schedule_activity": _schedule_activity,
    "start_timer": _start_timer,
    "start_child_workflow": _start_child,
    "complete_workflow": _complete,
    "fail_workflow": _fail,
    "continue_as_new": _continue_as_new,
    "record_side_effect": _recorded("SideEffectRecorded", "result"),
    "record_version_marker": _recorded(
        "VersionMarkerRecorded", "change_id", "version", "min_supported", "max_supported"
    ),
    "upsert_search_attributes": _recorded("SearchAttributesUpserted", "attributes"),
    "complete_update": _recorded("UpdateCompleted", "update_id", "result"),
    "fail_update": _recorded("UpdateFailed", "update_id", "message"),
}


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, Mapping) else None


def _seconds(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _codec(result: Mapping[str, object] | None, run: Run) -> object:
    return result["codec"] if result and "codec" in result else run.codec
