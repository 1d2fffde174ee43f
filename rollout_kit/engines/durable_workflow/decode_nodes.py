"""What one node says of itself: readiness, cluster info, operator metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rollout_kit.engines.durable_workflow.fields import Fields, moment_s
from rollout_kit.ports.engine import (
    ClusterInfo,
    FleetMember,
    OperatorMetrics,
    Readiness,
    Topology,
)
from rollout_kit.ports.errors import Incompatible, Trouble, Unavailable
from rollout_kit.transport.client import Reply

PASSING = ("ok", "warning")
SAID_CHARACTERS = 160


def rust_server() -> Incompatible:
    """The unfinished rewrite answers health and workflows, and nothing that a rollout relies on."""
    return Incompatible(
        "this is the Rust preview of the Durable Workflow server",
        why="It has no build ids, no drain and no operator metrics: a rollout could not be judged.",
        hint="use the released server",
        trouble=Trouble.INCOMPATIBLE,
    )


def readiness(reply: Reply) -> Readiness:
    """HTTP 200 or 503 with the same body; what is neither ready nor diagnosed is no answer."""
    body = Fields.of(reply.body)
    if body.body.get("development") is True:
        raise rust_server()
    if reply.status == 503 and not body.has("checks"):
        said = body.body.get("message") or body.body.get("reason") or "no reason given"
        raise Unavailable(
            f"readiness answered HTTP 503 without its checks: {said}", trouble=Trouble.SERVER
        )
    checks = body.object("checks")
    failing = {
        name: said for name in checks.body if (said := _failing(checks.object(name))) is not None
    }
    ready = reply.status == 200 and body.text("status") == "ready"
    return Readiness(ready=ready, http_status=reply.status, failing=failing)


def _failing(check: Fields) -> str | None:
    status = check.text("status")
    if status in PASSING:
        return None
    parts = [status]
    for key in ("missing_tables", "pending_migrations", "blocked_by"):
        if isinstance(check.body.get(key), list) and check.body[key]:
            parts.append(", ".join(str(item) for item in check.body[key]))
    for key in ("message", "remediation"):
        if isinstance(check.body.get(key), str):
            parts.append(check.body[key].split("\n")[0][:SAID_CHARACTERS])
    return "; ".join(parts)


def cluster_info(reply: Reply) -> ClusterInfo:
    """Optional blocks that this server does not show are None."""
    body = Fields.of(reply.body)
    protocol = body.object("worker_protocol")
    able = _optional(protocol, "server_capabilities")
    worker = _optional(able, "worker_status") if able else None
    shape = _topology(body.object("topology")) if body.has("topology") else None
    return ClusterInfo(
        server_id=body.text("server_id"),
        version=body.version("version"),
        control_plane=body.object("control_plane").version("version"),
        worker_protocol=protocol.version("version"),
        accepts_lower_minors=shape is not None or _negotiates(body),
        topology=shape,
        provenance=_provenance(body),
        poll_timeout_s=_seconds(able, "long_poll_timeout"),
        heartbeat_interval_s=_seconds(worker, "heartbeat_interval_seconds"),
        stale_after_s=_seconds(worker, "stale_after_seconds"),
    )


def _negotiates(body: Fields) -> bool:
    """Whether the server publishes the rule "same major, minor at most ours"."""
    surface = _optional(body, "surface_stability_contract")
    protocol = _optional(surface, "worker_protocol") if surface else None
    return protocol is not None and protocol.has("negotiation")


def _topology(body: Fields) -> Topology:
    role = _optional(body, "matching_role")
    return Topology(
        shape=body.text("current_shape"),
        process_class=body.text("current_process_class"),
        roles=body.texts("current_roles"),
        matching=dict(_scalars(role.body)) if role else {},
    )


def _scalars(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _scalars(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            yield f"{prefix}{key}", ",".join(str(part) for part in item)
        else:
            yield f"{prefix}{key}", item


def _provenance(body: Fields) -> str | None:
    found = _optional(body, "package_provenance")
    if found is None:
        return None
    return f"{found.text('source')}@{found.text('ref')}#{found.text('commit')}"


def _optional(body: Fields, key: str) -> Fields | None:
    return body.object(key) if body.body.get(key) else None


def _seconds(body: Fields | None, key: str) -> float | None:
    return body.seconds(key) if body and body.body.get(key) is not None else None


def operator_metrics(reply: Reply) -> OperatorMetrics:
    """Leaves by dotted path: numbers as they are, true as 1, times as seconds since 1970."""
    metrics = Fields.of(reply.body).object("operator_metrics")
    workers = metrics.object("workers")
    fleet = tuple(
        FleetMember(worker_id=member.text("worker_id"), supported=member.texts("supported"))
        for member in workers.objects("fleet")
    )
    return OperatorMetrics(
        values=_numbers(metrics.body, "", {}),
        required_marker=workers.text_or_null("required_compatibility"),
        fleet=fleet,
    )


def _numbers(
    value: dict[str, Any], prefix: str, found: dict[str, float | None]
) -> dict[str, float | None]:
    """Every figure below `value` by its dotted path, times as seconds; told by type, for speed."""
    for key, item in value.items():
        kind = type(item)
        if kind is int or kind is float or kind is bool:
            found[prefix + key] = float(item)
        elif item is None:
            found[prefix + key] = None
        elif kind is dict:
            _numbers(item, f"{prefix}{key}.", found)
        elif kind is str and (moment := moment_s(item)) is not None:
            found[prefix + key] = moment
    return found
