"""Deployments: the newer generation's view of a cohort, and what stands in a promotion's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rollout_kit.emulator.model import cohorts
from rollout_kit.emulator.model.moments import offset, whole_second
from rollout_kit.emulator.model.records import Rollout, Worker
from rollout_kit.emulator.model.settings import ServerSettings
from rollout_kit.emulator.store import Rows

_RESOLUTIONS = {
    "unknown_deployment": "Register a worker with this build id first.",
    "no_compatible_workers": "Start a worker with this build id and wait for its heartbeat.",
    "fleet_is_draining": "Resume the build id before it is promoted.",
    "incompatible_policy": "Ship a new build id; this one was rolled back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blockage:
    """Why a command on a deployment is refused."""

    reason: str
    message: str
    namespace: str
    task_queue: str
    build_id: str | None
    state: str | None

    @property
    def shown(self) -> dict[str, object]:
        return {
            "reason": self.reason,
            "message": self.message,
            "scope": {
                "namespace": self.namespace,
                "task_queue": self.task_queue,
                "build_id": self.build_id,
                "state": self.state,
            },
            "expected_resolution": _RESOLUTIONS[self.reason],
        }


def deployment_of(
    rows: Rows, settings: ServerSettings, namespace: str, task_queue: str, build_id: str | None
) -> Rollout | None:
    """The record behind a deployment; None when neither a worker nor an operator named it."""
    del settings
    known = rows.get(Rollout, namespace, task_queue, build_id or "")
    if known is not None:
        return known
    if not _workers(rows, namespace, task_queue, build_id):
        return None
    return Rollout(
        namespace=namespace,
        task_queue=task_queue,
        cohort=build_id or "",
        draining=False,
        drained_us=None,
        promoted_us=None,
        rolled_back_us=None,
        record_id=0,
    )


def state_of(rows: Rows, settings: ServerSettings, rollout: Rollout, now_us: int) -> str:
    if rollout.rolled_back_us is not None:
        return "rolled_back"
    workers = _workers(rows, rollout.namespace, rollout.task_queue, rollout.build_id)
    live = [worker for worker in workers if not cohorts.is_stale(worker, settings, now_us)]
    if rollout.draining:
        return "draining" if live else "drained"
    if rollout.promoted_us is not None:
        return "promoted"
    return "active" if live else "pending"


def blockage(
    rows: Rows,
    settings: ServerSettings,
    namespace: str,
    task_queue: str,
    build_id: str | None,
    now_us: int,
) -> Blockage | None:
    """What forbids to promote the cohort now, or None."""
    known = deployment_of(rows, settings, namespace, task_queue, build_id)

    def refused(reason: str, message: str, state: str | None) -> Blockage:
        return Blockage(
            reason=reason,
            message=message,
            namespace=namespace,
            task_queue=task_queue,
            build_id=build_id,
            state=state,
        )

    if known is None:
        return refused("unknown_deployment", f"Nobody registered build id [{build_id}].", None)
    state = state_of(rows, settings, known, now_us)
    if state in {"drained", "rolled_back"}:
        return refused("incompatible_policy", f"The deployment is {state}.", state)
    if state == "draining":
        return refused("fleet_is_draining", "The deployment is draining.", state)
    if build_id is not None and not _beating(
        rows, settings, namespace, task_queue, build_id, now_us
    ):
        text = f"No live worker heartbeat advertises build id [{build_id}]."
        return refused("no_compatible_workers", text, state)
    return None


def rejection(blocked: Blockage, deployment: Mapping[str, object] | None) -> dict[str, object]:
    """The body of a refused `build-ids/promote`."""
    outcome = f"rejected_{blocked.reason}"
    return {
        "message": blocked.message,
        "reason": blocked.reason,
        "rejection_reason": blocked.reason,
        "expected_resolution": _RESOLUTIONS[blocked.reason],
        "outcome": outcome,
        "control_plane_outcome": outcome,
        "command_status": "rejected",
        "command_source": "control_plane",
        "namespace": blocked.namespace,
        "task_queue": blocked.task_queue,
        "build_id": blocked.build_id,
        "deployment": deployment,
        "blockages": [blocked.shown],
    }


def condemned(
    rows: Rows, settings: ServerSettings, rollout: Rollout, now_us: int
) -> Blockage | None:
    """A deployment that was rolled back refuses every further command, for ever."""
    if rollout.rolled_back_us is None:
        return None
    return Blockage(
        reason="incompatible_policy",
        message="The deployment was rolled back.",
        namespace=rollout.namespace,
        task_queue=rollout.task_queue,
        build_id=rollout.build_id,
        state=state_of(rows, settings, rollout, now_us),
    )


def roll_back(rows: Rows, settings: ServerSettings, rollout: Rollout, now_us: int) -> Rollout:
    """Condemn the build id on this queue and drain it; no call ever clears the mark."""
    drained = cohorts.drain(rows, settings, rollout, now_us)
    marked = replace(drained, rolled_back_us=whole_second(now_us))
    rows.put(marked)
    return marked


def shown(rows: Rows, settings: ServerSettings, rollout: Rollout, now_us: int) -> dict[str, object]:
    """A deployment as its own routes and a promotion answer it."""
    state = state_of(rows, settings, rollout, now_us)
    workers = _workers(rows, rollout.namespace, rollout.task_queue, rollout.build_id)
    types = sorted({name for worker in workers for name in worker.workflow_types})
    name = f"{rollout.namespace}/{rollout.task_queue}@{rollout.build_id or 'unversioned'}"
    return {
        "name": name,
        "namespace": rollout.namespace,
        "task_queue": rollout.task_queue,
        "build_id": rollout.build_id,
        "state": state,
        "accepts_new_work": state in {"active", "promoted"},
        "compatibility_policy": "pinned" if rollout.build_id else "auto_upgrade",
        "required_compatibility": rollout.build_id,
        "recorded_fingerprint": None,
        "workflow_types": types,
        "promoted_at": offset(rollout.promoted_us),
        "drained_at": offset(rollout.drained_us),
        "rolled_back_at": offset(rollout.rolled_back_us),
    }


def _workers(rows: Rows, namespace: str, task_queue: str, build_id: str | None) -> Sequence[Worker]:
    found = rows.select(Worker, namespace=namespace, task_queue=task_queue)
    return [worker for worker in found if worker.build_id == build_id]


def _beating(
    rows: Rows,
    settings: ServerSettings,
    namespace: str,
    task_queue: str,
    build_id: str,
    now_us: int,
) -> bool:
    return any(
        beat.namespace == namespace
        and beat.queue == task_queue
        and cohorts.supports(beat, build_id)
        for beat in cohorts.live_beats(rows, settings, now_us)
    )
