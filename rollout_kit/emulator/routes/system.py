"""The admin's view of the whole: operator metrics, health, repair, timeouts, retention."""

from __future__ import annotations

from rollout_kit.emulator import manifests
from rollout_kit.emulator.calls import ADMINS, Call, Handler, Route
from rollout_kit.emulator.model import fleet, metrics, passes, repair
from rollout_kit.emulator.model.ledger import OPERATOR_METRICS_SINCE
from rollout_kit.emulator.model.moments import SECOND_US, offset
from rollout_kit.emulator.model.records import Namespace
from rollout_kit.emulator.model.settings import Condition, Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.emulator.wire import Response

_DAY_US = 86_400 * SECOND_US
MULTI_STATUS = 207
"""Done, with failures: a client that only looks for 400 and above takes it for success."""


def _operator_metrics(call: Call) -> Response:
    call.need_cache()
    with call.read() as rows:
        leaves = _snapshot(rows, call)
    return Response(body={"namespace": call.namespace, "operator_metrics": leaves})


def _snapshot(rows: Rows, call: Call) -> dict[str, object]:
    statics = manifests.operator_metrics_statics()
    return metrics.snapshot(rows, call.settings, call.namespace, call.now_us, statics)


def _health(call: Call) -> Response:
    with call.read() as rows:
        namespace = rows.get(Namespace, call.namespace)
        health = fleet.health(rows, call.settings, call.now_us) | {
            "operator_metrics": _snapshot(rows, call),
            "structural_limits": manifests.operator_metrics_statics()["structural_limits"],
            "routing_drains": fleet.routing_drains(
                rows, call.settings, call.namespace, call.now_us
            ),
        }
    body = {
        "namespace": call.namespace,
        "retention_mode": "days",
        "retention_days": namespace.retention_days if namespace else None,
        "health": health,
    }
    return Response(status=200 if health["healthy"] else 503, body=body)


def _metrics(call: Call) -> Response:
    with call.read() as rows:
        return Response(body=passes.task_metrics(rows, call.namespace, call.now_us))


def _repair_status(call: Call) -> Response:
    policy = manifests.operator_metrics_statics()["repair_policy"]
    with call.read() as rows:
        candidates = repair.candidates(rows, call.now_us)
    return Response(body={"policy": policy, "candidates": candidates})


def _repair_pass(call: Call) -> Response:
    run_ids = call.json.get("run_ids")
    with call.write() as rows:
        report = repair.repair_pass(
            rows,
            call.settings,
            call.now_us,
            run_ids=[str(item) for item in run_ids] if isinstance(run_ids, list) else (),
        )
    failures = [found for name, found in report.items() if name.endswith("_failures") and found]
    return Response(status=MULTI_STATUS if failures else 200, body=report)


def _timeouts(call: Call) -> Response:
    with call.read() as rows:
        overdue = passes.overdue_activities(rows, call.now_us)
    return Response(
        body={
            "expired_count": len(overdue),
            "expired_execution_ids": [task.activity_id for task in overdue],
            "scan_limit": passes.SCAN_LIMIT,
            "scan_pressure": False,
        }
    )


def _timeouts_pass(call: Call) -> Response:
    if call.settings.meets(Condition.PASSES_FAIL):
        with call.read() as rows:
            overdue = passes.overdue_activities(rows, call.now_us)
        return _all_failed("enforced", [task.task_id for task in overdue])
    with call.write() as rows:
        enforced = passes.enforce_timeouts(rows, call.now_us)
    counts = {"processed": enforced, "enforced": enforced, "skipped": 0, "failed": 0}
    return Response(body=counts | {"results": []})


def _all_failed(done: str, ids: list[str]) -> Response:
    """A pass that could do nothing of what it selected."""
    counts = {"processed": len(ids), done: 0, "skipped": 0, "failed": len(ids)}
    results = [{"id": one, "outcome": "failed"} for one in ids]
    return Response(status=MULTI_STATUS if ids else 200, body=counts | {"results": results})


def _retention(call: Call) -> Response:
    with call.read() as rows:
        days = _retention_days(rows, call)
        expired = passes.expired_runs(rows, call.namespace, call.now_us - days * _DAY_US)
    return Response(
        body={
            "namespace": call.namespace,
            "retention_days": days,
            "cutoff": offset(call.now_us - days * _DAY_US),
            "expired_run_count": len(expired),
            "expired_run_ids": [run.run_id for run in expired],
            "scan_limit": passes.SCAN_LIMIT,
            "scan_pressure": False,
        }
    )


def _retention_pass(call: Call) -> Response:
    with call.write() as rows:
        cutoff_us = call.now_us - _retention_days(rows, call) * _DAY_US
        if call.settings.meets(Condition.PASSES_FAIL):
            expired = passes.expired_runs(rows, call.namespace, cutoff_us)
            return _all_failed("pruned", [run.run_id for run in expired])
        pruned = passes.prune(rows, call.namespace, cutoff_us)
    counts = {"processed": pruned, "pruned": pruned, "skipped": 0, "failed": 0}
    return Response(body=counts | {"results": []})


def _retention_days(rows: Rows, call: Call) -> int:
    namespace = rows.get(Namespace, call.namespace)
    return namespace.retention_days if namespace else 0


def _route(
    method: str,
    path: str,
    handler: Handler,
    *,
    newer: bool = False,
    since: tuple[int, ...] = (),
) -> Route:
    return Route(
        method=method,
        pattern=f"/api/system/{path}",
        handler=handler,
        roles=ADMINS,
        generations=(Generation.V2,) if newer else tuple(Generation),
        since=since,
    )


ROUTES = (
    _route("GET", "operator-metrics", _operator_metrics, since=OPERATOR_METRICS_SINCE),
    _route("GET", "health", _health, newer=True),
    _route("GET", "metrics", _metrics),
    _route("POST", "metrics", _metrics, newer=True),
    _route("GET", "repair", _repair_status),
    _route("POST", "repair/pass", _repair_pass),
    _route("GET", "activity-timeouts", _timeouts),
    _route("POST", "activity-timeouts/pass", _timeouts_pass),
    _route("GET", "retention", _retention),
    _route("POST", "retention/pass", _retention_pass),
)
