"""Liveness and readiness: may this node get traffic, and if not, why."""

from __future__ import annotations

from rollout_kit.emulator.model import ledger
from rollout_kit.emulator.model.cohorts import live_beats, supports
from rollout_kit.emulator.model.moments import carbon
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.model.settings import (
    Condition,
    FleetValidation,
    Generation,
    ServerSettings,
)
from rollout_kit.emulator.store import Rows

Check = dict[str, object]

_PASSING = {Generation.V0_2: ("ok",), Generation.V2: ("ok", "warning")}
_DRIVERS = ("none", "token", "signature")


def passed(settings: ServerSettings, checks: dict[str, Check]) -> bool:
    """Whether every check is in a state that this generation calls ready."""
    return all(check["status"] in _PASSING[settings.generation] for check in checks.values())


def unreachable(settings: ServerSettings, text: str) -> dict[str, Check]:
    """The checks of a node whose database does not answer; `text` is the driver's complaint."""
    return {
        "database": {"status": "unavailable", "message": text},
        "migrations": {"status": "unavailable", "message": _query(settings, text, "migrations")},
        "default_namespace": {
            "status": "unavailable",
            "message": _query(settings, text, "workflow_namespaces"),
        },
        **_node_checks(settings),
    }


def checks_of(rows: Rows, settings: ServerSettings, now_us: int) -> dict[str, Check]:
    """Every check of a node whose database answers."""
    missing = ledger.missing_tables(rows)
    checks: dict[str, Check] = {
        "database": {"status": "ok"},
        "migrations": _migrations(rows, settings, missing),
        "default_namespace": _default_namespace(rows, settings, missing),
        **_node_checks(settings),
    }
    if settings.generation is Generation.V2:
        if settings.meets(Condition.STORAGE_PRESSURE):  # the contract names no key for it
            checks["storage"] = {"status": "unavailable", "message": "Storage is under pressure."}
        checks["queue"] = {"status": "ok", "connection": "redis", "driver": "redis"}
        checks["workflow_v2"] = _workflow_v2(rows, settings, now_us)
    return checks


def _migrations(rows: Rows, settings: ServerSettings, missing: list[str]) -> Check:
    remedy = "Run server-bootstrap before routing workers or SDKs to this server."
    if settings.generation is Generation.V0_2:
        if not missing:
            return {"status": "ok"}
        return {"status": "missing", "missing_tables": missing, "remediation": remedy}
    waiting = [step.name for step in ledger.pending(rows, settings.image_version)]
    status = "missing" if missing else "pending" if waiting else "ok"
    return {
        "status": status,
        "repository_exists": "migrations" not in missing,
        "pending_migrations": waiting,
        "adoptable_migrations": [],
        "blocking_migrations": waiting,
        "missing_tables": missing,
        "operator_surface": {
            "authority": "operator_metrics",
            "readiness_key": "v2_operator_surface_available",
            "available": not missing,
            "required_tables": list(ledger.REQUIRED_TABLES),
            "issues": [],
        },
        "readiness_contract": {"version": 1, "release_state": "v2_final_contract"},
        "remediation": None if status == "ok" else remedy,
    }


def _default_namespace(rows: Rows, settings: ServerSettings, missing: list[str]) -> Check:
    name = settings.default_namespace
    if rows.get(Namespace, name) is not None:
        return {"status": "ok", "namespace": name}
    remedy = (
        "Run server-bootstrap to migrate and seed the default namespace."
        if missing
        else "Run server-bootstrap to seed the default namespace."
    )
    return {"status": "missing", "namespace": name, "remediation": remedy}


def _node_checks(settings: ServerSettings) -> dict[str, Check]:
    return {"cache": _cache(settings), "auth": _auth(settings)}


def _cache(settings: ServerSettings) -> Check:
    store = "file" if settings.meets(Condition.DATABASE_FILE_MISSING) else "redis"
    if not settings.meets(Condition.CACHE_DOWN):
        return {"status": "ok", "store": store}
    if settings.rules.cache_gates_ready:
        return {"status": "unavailable", "store": store, "message": "Connection refused"}
    return {
        "status": "warning",
        "store": store,
        "message": "Connection refused",
        "correctness_substrate": "database",
        "degraded_capability": "long_poll_wake_acceleration",
    }


def _auth(settings: ServerSettings) -> Check:
    if settings.auth_provider is not None:
        return {
            "status": "invalid",
            "driver": "custom",
            "provider": settings.auth_provider,
            "message": f"Target class [{settings.auth_provider}] does not exist.",
            "remediation": "Set DW_AUTH_PROVIDER to a Laravel-resolvable class implementing "
            "App\\Contracts\\AuthProvider.",
        }
    driver = settings.auth_driver
    if driver not in _DRIVERS:
        remedy = "Set DW_AUTH_DRIVER to none, token, or signature."
        return {"status": "invalid", "driver": driver, "remediation": remedy}
    if driver != "none" and not settings.credentials.any_role and not settings.credentials.legacy:
        remedy = "Configure at least one credential for the selected auth driver."
        return {"status": "missing", "driver": driver, "remediation": remedy}
    return {"status": "ok", "driver": driver}


def fleet_error(rows: Rows, settings: ServerSettings, now_us: int) -> str | None:
    """Why this node's own marker makes it not ready, or None.

    Only with fleet validation `fail` and a marker that no live compatibility heartbeat supports.
    """
    if settings.fleet_validation is not FleetValidation.FAIL or settings.marker is None:
        return None
    if any(supports(beat, settings.marker) for beat in live_beats(rows, settings, now_us)):
        return None
    return f"No live worker heartbeat supports compatibility [{settings.marker}]."


def _workflow_v2(rows: Rows, settings: ServerSettings, now_us: int) -> Check:
    fleet = fleet_error(rows, settings, now_us)
    blocked_by = ["migrations"] if ledger.pending(rows, settings.image_version) else []
    errors = ["worker_compatibility"] if fleet else []
    status = "error" if errors else "blocked" if blocked_by else "ok"
    return {
        "status": status,
        "generated_at": carbon(now_us),
        "http_status": 200 if status == "ok" else 503,
        "categories": {"correctness": "error" if errors else "ok", "acceleration": "ok"},
        "warning_checks": [],
        "error_checks": errors,
        "checks": [
            health_check("backend_capabilities"),
            health_check("worker_compatibility", error=fleet),
        ],
        "blocked_by": blocked_by,
        "message": fleet,
        "remediation": "Start a worker that serves this marker." if fleet else None,
    }


def health_check(name: str, *, error: str | None = None) -> dict[str, object]:
    return {
        "name": name,
        "status": "error" if error else "ok",
        "category": "acceleration" if name == "long_poll_wake_acceleration" else "correctness",
        "message": error,
    }


def _query(settings: ServerSettings, text: str, table: str) -> str:
    """The driver appends where it was connected and what it asked."""
    host, _, port = settings.backend_address.partition(":")
    return (
        f"{text} (Connection: pgsql, Host: {host}, Port: {port}, Database: durable_workflow, "
        f"SQL: select exists (select 1 from pg_class where relname = '{table}'))"
    )
