"""What the server's own error answers mean; everything else is the general table's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout_kit.engines.durable_workflow.decode_nodes import rust_server
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.engine import StartRequest
from rollout_kit.ports.errors import Conflict, Incompatible, NotYet, OutsideError, Refused, Trouble

_NOT_YET = ("no_compatible_workers", "missing_worker_heartbeat")


class NoSuchRun(Refused):
    """No workflow has this id."""


class AlreadyStarted(Refused):
    """A run of this id and type was started before, and is over."""


class CommandRejected(Refused):
    """A command to a run that does not take it; most often because the run is over."""


def general(status: int, body: Mapping[str, Any]) -> OutsideError | None:
    """Of any call."""
    if status == 501 and body.get("reason") == "rust_capability_not_implemented":
        return rust_server()
    if status == 404 and body.get("reason") == "instance_not_found":
        return NoSuchRun(
            f"there is no workflow {body.get('workflow_id')!r}", trouble=Trouble.NOT_FOUND
        )
    return None


def promotion(cohort: CohortRef, status: int, body: Mapping[str, Any]) -> OutsideError | None:
    """Of `promote`: not yet, for good, or because somebody drained it."""
    reason = str(body.get("rejection_reason") or body.get("reason") or "")
    if status in (404, 405) and reason in ("", "not_found", "method_not_allowed"):
        return Incompatible(
            "this server has no promote: it gives new starts to the marker of its API nodes",
            why=f"{cohort.label} cannot be selected here.",
            hint="plan the step for marker routing, or upgrade the server first",
            trouble=Trouble.INCOMPATIBLE,
        )
    if status != 409:
        return general(status, body)
    message = f"{cohort.label} was not promoted: {_blockages(body, reason)}"
    if reason in _NOT_YET:
        return NotYet(message, why="Its first heartbeat has not arrived yet.")
    if reason == "fleet_is_draining":
        return Conflict(
            message,
            why="Somebody drained it in the meantime.",
            hint="find out who, then resume the rollout",
        )
    return Refused(message, hint=str(body.get("expected_resolution") or ""))


def _blockages(body: Mapping[str, Any], reason: str) -> str:
    """Every blockage in the server's words, with the state it names."""
    found = body.get("blockages")
    parts = []
    for item in found if isinstance(found, list) else []:
        if not isinstance(item, Mapping):
            continue
        scope = item.get("scope")
        state = scope.get("state") if isinstance(scope, Mapping) else None
        shown = f" (state {state})" if state else ""
        parts.append(f"{item.get('reason')}: {item.get('message')}{shown}")
    return "; ".join(parts) or f"{reason}: {body.get('message') or 'no reason given'}"


def start(request: StartRequest, status: int, body: Mapping[str, Any]) -> OutsideError | None:
    """Of a start: the id is taken, or nobody takes new work."""
    if status == 409 and body.get("outcome") == "rejected_duplicate":
        if body.get("workflow_type") == request.workflow_type:
            return AlreadyStarted(f"{request.workflow_id!r} was started before, and is over")
        return Conflict(
            f"the workflow id {request.workflow_id!r} belongs to a run of "
            f"{body.get('workflow_type')!r}, not of {request.workflow_type!r}",
            why="Somebody else uses the ids of this rollout.",
            hint="find out who started it",
        )
    if status == 409 and body.get("reason") == "task_queue_draining":
        builds = body.get("draining_build_ids")
        named = ", ".join(map(str, builds)) if isinstance(builds, list) else "not named"
        return Refused(
            f"the queue {request.queue.task_queue!r} takes no new runs: it has "
            f"{body.get('active_worker_count')} active and {body.get('draining_worker_count')} "
            f"draining workers (draining builds: {named})",
            hint="resume one of the builds, or start workers of a build that is not draining",
        )
    return general(status, body)


def termination(status: int, body: Mapping[str, Any]) -> OutsideError | None:
    """Of a terminate: whether the run is over is for a look to say."""
    if status != 409:
        return general(status, body)
    reason = body.get("reason") or body.get("outcome") or "no reason given"
    return CommandRejected(
        f"the run {body.get('workflow_id')!r} was not terminated: {reason}",
        hint="look at the run, and terminate it by hand",
    )
