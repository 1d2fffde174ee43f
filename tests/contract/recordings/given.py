"""Building blocks of given states: what a node was set to, and the rows that its cluster had."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from rollout_kit.emulator.memory_store import MemoryStore
from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.moments import SECOND_US, to_us, whole_second
from rollout_kit.emulator.model.records import (
    Bucket,
    CompatibilityBeat,
    Namespace,
    Rollout,
    Run,
    Schedule,
    Task,
    TaskKind,
    TaskState,
    Worker,
)
from rollout_kit.emulator.model.settings import Generation, ServerSettings, Tokens

SDK = "durable-workflow-python/0.4.3"
NAPPER = "sha256:cb84fb7be7967cbbb3c1a258662349e0ccbfae6befc5ffee6b488d13164e415b"
OLD, NEW = "build-2026.11.1", "build-2026.11.2"

NODE = ServerSettings(
    generation=Generation.V0_2,
    server_id="server-a",
    version="0.2.9",
    poll_timeout_s=2,
    tokens=Tokens(worker="<worker token>", operator="<operator token>", admin="<admin token>"),
    backend_address="127.0.0.1:55432",
)


def moment(clock: str) -> datetime:
    """A time of the evening on which everything was recorded."""
    return datetime.fromisoformat(f"2026-11-20T{clock}").replace(tzinfo=UTC)


def us(clock: str) -> int:
    return to_us(moment(clock))


BOOTSTRAPPED = us("20:25:16")


def bootstrapped() -> MemoryStore:
    store = MemoryStore()
    with store.write() as rows:
        ledger.bootstrap(rows, "0.2.10", "default", BOOTSTRAPPED)
    return store


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A node's settings and its cluster's rows; what they leave open of the answer.

    `store` makes the schema; `at` overrides the time of the request where it decides.
    """

    rows: Sequence[object] = ()
    node: ServerSettings = NODE
    undetermined: Sequence[str] = ()
    store: Callable[[], MemoryStore] = field(default=bootstrapped)
    at: str | None = None

    def built(self) -> MemoryStore:
        store = self.store()
        with store.write() as rows:
            for row in self.rows:
                rows.put(row)
        return store

    def on(self, **changes: Any) -> Given:
        """The same cluster, seen through a node that is set differently."""
        return replace(self, node=replace(self.node, **changes))

    def but(self, *undetermined: str) -> Given:
        return replace(self, undetermined=(*self.undetermined, *undetermined))

    def plus(self, *rows: object) -> Given:
        return replace(self, rows=(*self.rows, *rows))


def worker(worker_id: str, queue: str, build: str | None = None, **changes: Any) -> Worker:
    """A registration as the 0.4.3 package makes it: `seen` is when, `beat` its last heartbeat."""
    seen = us(changes.pop("seen"))
    beat = us(changes.pop("beat")) if "beat" in changes else seen
    made = Worker(
        namespace="default",
        worker_id=worker_id,
        task_queue=queue,
        build_id=build,
        runtime="python",
        sdk_version=SDK,
        workflow_types=["napper"],
        fingerprints={},
        activity_types=["nap"],
        max_workflow_tasks=10,
        max_activity_tasks=10,
        draining=False,
        last_heartbeat_us=beat,
        registered_us=seen,
        updated_us=beat,
    )
    return replace(made, **changes)


def bare(worker_id: str, queue: str, build: str | None = None, **changes: Any) -> Worker:
    """A registration by hand, which names no types, no package and no limits."""
    least: dict[str, Any] = {
        "sdk_version": None,
        "workflow_types": [],
        "activity_types": [],
        "max_workflow_tasks": 100,
        "max_activity_tasks": 100,
    }
    return worker(worker_id, queue, build, **(least | changes))


def beat(
    worker_id: str, queue: str, build: str, recorded: str, namespace: str = "default"
) -> CompatibilityBeat:
    return CompatibilityBeat(
        worker_id=worker_id,
        namespace=namespace,
        queue=queue,
        supported=[build],
        process_id="1",
        recorded_us=us(recorded),
    )


def rollout(
    queue: str, build: str | None, drained: str | None = None, namespace: str = "default"
) -> Rollout:
    """A cohort's record: drained at that time, or taken back since."""
    return Rollout(
        namespace=namespace,
        task_queue=queue,
        cohort=build or "",
        draining=drained is not None,
        drained_us=us(drained) if drained else None,
        promoted_us=None,
        rolled_back_us=None,
        record_id=1,
    )


def run(workflow_id: str, queue: str, started: str, **changes: Any) -> Run:
    """An open run that waits for its activity, unless `changes` say otherwise."""
    began = us(started)
    progress = changes.pop("progress", None)
    made = Run(
        run_id=run_id_of(workflow_id),
        namespace="default",
        workflow_id=workflow_id,
        workflow_type="napper",
        task_queue=queue,
        compatibility=None,
        status="waiting",
        bucket=Bucket.RUNNING,
        current=True,
        run_number=1,
        codec="avro",
        input_blob="AAZbMV0C",
        started_us=began,
        progress_us=us(progress) if progress else began,
        execution_timeout_s=3600,
        run_timeout_s=600,
        execution_started_us=began,
        wait_kind="activity",
        wait_reason="Waiting for activity nap",
        events=3,
    )
    return replace(made, **changes)


def finished(workflow_id: str, queue: str, started: str, closed: str, **changes: Any) -> Run:
    done: dict[str, Any] = {
        "status": "completed",
        "bucket": Bucket.COMPLETED,
        "closed_us": us(closed),
        "closed_reason": "completed",
        "wait_kind": None,
        "wait_reason": None,
        "events": 6,
        "progress": closed,
    }
    return run(workflow_id, queue, started, **(done | changes))


def task(workflow_id: str, queue: str, created: str, **changes: Any) -> Task:
    """A ready activity of the run, unless `changes` say otherwise."""
    made = Task(
        task_id=run_id_of(f"t{workflow_id}"),
        namespace="default",
        task_queue=queue,
        kind=TaskKind.ACTIVITY,
        state=TaskState.READY,
        run_id=run_id_of(workflow_id),
        workflow_id=workflow_id,
        compatibility=None,
        created_us=us(created),
        available_us=us(created),
        activity_id=f"activity of {workflow_id}",
        activity_type="nap",
    )
    return replace(made, **changes)


def leased(made: Task, owner: str, expires: str, **changes: Any) -> Task:
    held = replace(
        made,
        state=TaskState.LEASED,
        lease_owner=owner,
        lease_expires_us=us(expires),
        started_us=us(expires) - 300 * SECOND_US,
        attempt=1,
        attempt_id=made.task_id.upper() if made.kind is TaskKind.ACTIVITY else None,
    )
    return replace(held, **changes)


def run_id_of(workflow_id: str) -> str:
    """An id of the server's own shape, different for each workflow."""
    digits = "".join(f"{ord(letter):02x}" for letter in workflow_id)
    return digits[:26].ljust(26, "z")


def namespace(name: str, created: str, **changes: Any) -> Namespace:
    made = whole_second(us(created))
    row = Namespace(
        name=name,
        description=None,
        retention_days=30,
        status="active",
        created_us=made,
        updated_us=made,
    )
    return replace(row, **changes)


def schedule(
    schedule_id: str, spec: Mapping[str, object], next_fire: str, **changes: Any
) -> Schedule:
    made = us("20:42:24")
    row = Schedule(
        namespace="default",
        schedule_id=schedule_id,
        spec=spec,
        action={"workflow_type": "napper", "task_queue": "pay"},
        overlap_policy="skip",
        paused=False,
        note=None,
        next_fire_us=us(next_fire),
        last_fire_us=None,
        fires=0,
        failures=0,
        created_us=made,
        updated_us=made,
    )
    return replace(row, **changes)
