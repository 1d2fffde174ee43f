"""Objects as an API server shows them, for tests of what is made of them."""

from __future__ import annotations

from typing import Any

from rollout_kit.transport.workloads import Object, Workload, WorkloadRef

NAME = "api-1"


def pod(
    name: str = "api-1-0",
    *,
    phase: str = "Running",
    container: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    status = {"name": "server", "image": "server:2", "ready": True, "restartCount": 0}
    return {
        "metadata": {
            "name": name,
            "uid": f"00000000-0000-0000-0000-{name}",
            "labels": labels or {},
        },
        "spec": {"containers": [{"name": "server", "image": "server:2"}]},
        "status": {
            "phase": phase,
            "containerStatuses": [status | (container or {})],
            **more,
        },
    }


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The status of a container that waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"ready": False, "state": state, **more}


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def workload(
    *pods: Object,
    kind: str = "StatefulSet",
    conditions: tuple[dict[str, Any], ...] = (),
    events: tuple[Object, ...] = (),
    spec: dict[str, Any] | None = None,
) -> Workload:
    ref = WorkloadRef(namespace="orders", kind=kind, name=NAME)
    found = {"metadata": {"name": NAME}, "spec": spec or {}, "status": {"conditions": conditions}}
    found["status"]["conditions"] = list(conditions)
    return Workload(ref=ref, object=found, pods=pods, current=pods, events=events)
