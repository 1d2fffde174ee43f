"""Leases: claiming a task, losing it, giving it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rollout_kit.emulator.model.moments import SECOND_US
from rollout_kit.emulator.model.records import Bucket, Run, Task, TaskKind, TaskState, Worker
from rollout_kit.emulator.model.routing import ANY_PIN, claimable_pins
from rollout_kit.emulator.model.settings import ServerSettings
from rollout_kit.emulator.store import Rows, new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLost:
    """The task is not this worker's any more; `reason` is the server's word for why."""

    status: int
    reason: str


def claimable(
    rows: Rows, settings: ServerSettings, worker: Worker, kind: TaskKind, now_us: int
) -> Task | None:
    """The task this worker would get now: what is ready first, then what another one lost."""
    for state in (TaskState.READY, TaskState.LEASED):
        oldest = [
            task
            for found in _offers(rows, settings, worker, kind, state)
            if (task := next((task for task in found if _free(task, now_us)), None)) is not None
        ]
        if oldest:
            return min(oldest, key=lambda task: (task.available_us, task.task_id))
    return None


def _offers(
    rows: Rows, settings: ServerSettings, worker: Worker, kind: TaskKind, state: TaskState
) -> Sequence[Iterator[Task]]:
    """Tasks in this state that the worker may have: one series for each pin, oldest first."""
    place = {"namespace": worker.namespace, "task_queue": worker.task_queue, "state": state}
    pins = claimable_pins(worker, kind, settings)
    if ANY_PIN in pins:
        return [(task for task in rows.each(Task, **place) if _offered(task, kind, pins))]
    return [rows.each(Task, **place, kind=kind, compatibility=pin) for pin in pins]


def _offered(task: Task, kind: TaskKind, pins: Sequence[str | None]) -> bool:
    return task.kind is kind and (task.compatibility is not None or None in pins)


def _free(task: Task, now_us: int) -> bool:
    if task.state is TaskState.READY:
        return task.available_us <= now_us
    return lease_expired(task, now_us)


def lease_expired(task: Task, now_us: int) -> bool:
    return task.lease_expires_us is not None and task.lease_expires_us <= now_us


def claim(
    rows: Rows, settings: ServerSettings, worker: Worker, kind: TaskKind, now_us: int
) -> Task | None:
    """Lease the next task to the worker, if there is one."""
    task = claimable(rows, settings, worker, kind, now_us)
    if task is None:
        return None
    length_s = (
        settings.workflow_lease_length_s
        if kind is TaskKind.WORKFLOW
        else settings.activity_lease_length_s
    )
    leased = replace(
        task,
        state=TaskState.LEASED,
        lease_owner=worker.worker_id,
        lease_expires_us=now_us + round(length_s * SECOND_US),
        dispatched_us=now_us,
        attempt=task.attempt + 1,
        attempt_id=new_id(rows, now_us).upper() if kind is TaskKind.ACTIVITY else None,
        started_us=now_us,
        heartbeat_us=None,
    )
    rows.put(leased)
    _note_claimed(rows, leased)
    return leased


def held(
    rows: Rows, task_id: str, kind: TaskKind, owner: str, attempt: str | int | None
) -> Task | LeaseLost:
    """The task, if this worker's attempt still holds it: ownership is by lease, not by status."""
    task = rows.get(Task, task_id)
    if task is None or task.kind is not kind:
        return LeaseLost(status=404, reason="task_not_found")
    if task.state is not TaskState.LEASED:
        return LeaseLost(status=409, reason="task_not_leased")
    if task.lease_owner != owner:
        return LeaseLost(status=409, reason="lease_owner_mismatch")
    mine = task.attempt if kind is TaskKind.WORKFLOW else task.attempt_id
    if mine != attempt:
        return LeaseLost(status=409, reason=f"{kind}_attempt_mismatch")
    return task


def finish(rows: Rows, task: Task) -> Task:
    done = replace(task, state=TaskState.DONE, lease_owner=None, lease_expires_us=None)
    rows.put(done)
    return done


def release_expired(rows: Rows, tasks: Sequence[Task], now_us: int) -> int:
    """Make ready what nobody holds any more; how many is returned."""
    expired = [
        task for task in tasks if task.state is TaskState.LEASED and lease_expired(task, now_us)
    ]
    for task in expired:
        rows.put(
            replace(
                task,
                state=TaskState.READY,
                lease_owner=None,
                lease_expires_us=None,
                available_us=now_us,
                repair_count=task.repair_count + 1,
            )
        )
    return len(expired)


def _note_claimed(rows: Rows, task: Task) -> None:
    run = rows.get(Run, task.run_id)
    if run is None or run.bucket is not Bucket.RUNNING:
        return
    if task.kind is TaskKind.WORKFLOW:
        rows.put(replace(run, wake_pending=False))
    else:
        reason = f"Waiting for activity {task.activity_type}"
        rows.put(replace(run, wait_kind="activity", wait_reason=reason))
