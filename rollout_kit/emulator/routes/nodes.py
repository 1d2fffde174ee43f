"""Health, readiness and cluster info: what one node says of itself."""

from __future__ import annotations

from dataclasses import asdict

from rollout_kit.emulator import manifests
from rollout_kit.emulator.calls import ANYBODY, Call, Plane, Role, Route
from rollout_kit.emulator.model import fleet, readiness, repair, topology
from rollout_kit.emulator.model.moments import offset
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.model.settings import Condition, Generation
from rollout_kit.emulator.store import StoreUnavailable
from rollout_kit.emulator.wire import Response


def _health(call: Call) -> Response:
    reachable = _database_error(call) is None
    body: dict[str, object] = {
        "status": "serving" if reachable else "degraded",
        "timestamp": offset(call.now_us),
        "checks": {"database": "ok" if reachable else "unavailable"},
    }
    if call.settings.generation is Generation.V2:
        body["topology"] = topology.summary(call.settings)
    return Response(status=200 if reachable else 503, body=body)


def _ready(call: Call) -> Response:
    settings = call.settings
    error = _database_error(call)
    if error is None:
        with call.store.read() as rows:
            checks = readiness.checks_of(rows, settings, call.now_us)
    else:
        checks = readiness.unreachable(settings, error)
    ready = readiness.passed(settings, checks)
    body: dict[str, object] = {
        "status": "ready" if ready else "not_ready",
        "timestamp": offset(call.now_us),
        "checks": checks,
    }
    if settings.generation is Generation.V2:
        body["topology"] = topology.summary(settings)
    return Response(status=200 if ready else 503, body=body)


def _database_error(call: Call) -> str | None:
    """The driver's complaint when the database does not answer."""
    host, _, port = call.settings.backend_address.partition(":")
    if call.settings.meets(Condition.DATABASE_DOWN):
        return (
            f'SQLSTATE[08006] [7] connection to server at "{host}", port {port} failed: '
            "Connection refused\n\tIs the server running on that host and accepting TCP/IP "
            "connections?"
        )
    if call.settings.meets(Condition.DATABASE_FILE_MISSING):
        return (
            "Database file at path [/database.sqlite] does not exist. "
            "Ensure this is an absolute path to the database."
        )
    try:
        with call.store.read() as rows:
            rows.get(Namespace, call.settings.default_namespace)
    except StoreUnavailable as unavailable:
        return str(unavailable)
    return None


def _cluster_info(call: Call) -> Response:
    call.need_cache()
    settings = call.settings
    body: dict[str, object] = {
        "server_id": settings.server_id,
        "version": settings.shown_version,
        "default_namespace": settings.default_namespace,
    }
    if settings.provenance is not None and call.role in (Role.ADMIN, None):
        body["package_provenance"] = asdict(settings.provenance)
    with call.read() as rows:
        diagnostics = call.request.query.get("include") == "diagnostics"
        if settings.generation is Generation.V0_2 or diagnostics:
            body["worker_fleet"] = fleet.summary(rows, settings, call.namespace, call.now_us)
            body["task_repair"] = {
                "policy": manifests.operator_metrics_statics()["repair_policy"],
                "candidates": repair.candidates(rows, call.now_us),
            }
        if settings.generation is Generation.V2:
            body["topology"] = topology.full(settings)
            body["namespace"] = _namespace(rows.get(Namespace, call.namespace), call.namespace)
            body["discovery"] = {
                "mode": "diagnostics" if diagnostics else "compatibility",
                "operator_metrics": "/api/system/operator-metrics",
                "repair": "/api/system/repair",
            }
            if diagnostics:
                body["coordination_health"] = fleet.coordination_health(rows, settings, call.now_us)
    return Response(body=body, constant=manifests.cluster_info_members(settings))


def _namespace(namespace: Namespace | None, name: str) -> dict[str, object]:
    return {
        "name": name,
        "exists": namespace is not None,
        "status": namespace.status if namespace else None,
        "retention_mode": "days" if namespace else None,
        "retention_days": namespace.retention_days if namespace else None,
        "external_payload_storage": None,
    }


ROUTES = (
    Route(method="GET", pattern="/api/health", handler=_health, plane=Plane.PUBLIC),
    Route(method="GET", pattern="/api/ready", handler=_ready, plane=Plane.PUBLIC),
    Route(
        method="GET",
        pattern="/api/cluster/info",
        handler=_cluster_info,
        plane=Plane.INFO,
        roles=ANYBODY,
        namespaced=False,
    ),
)
