"""Workflows: describe, list, terminate, and the little more that a rollout looks at."""

from __future__ import annotations

import base64

from rollout_kit.emulator.calls import Call, Handler, Route, invalid
from rollout_kit.emulator.model import history, outcomes, repair, runs, views
from rollout_kit.emulator.model.records import Bucket, Run
from rollout_kit.emulator.routes import starts
from rollout_kit.emulator.routes.nesting import answer, nested
from rollout_kit.emulator.store import Rows, new_id
from rollout_kit.emulator.wire import Response

_HISTORY_PAGE = 1000


def _list(call: Call) -> Response:
    query = call.request.query
    status, workflow_type = query.get("status"), query.get("workflow_type")
    if status is not None and status not in [bucket.value for bucket in Bucket]:
        raise invalid({"status": ["The selected status is invalid."]})
    size = query.get("page_size") or "50"
    if not size.isdigit() or not 1 <= int(size) <= 200:
        raise invalid({"page_size": ["The page size field must be between 1 and 200."]})
    offset = _offset_of(query.get("next_page_token"))
    with call.read() as rows:
        found = (
            rows.select(Run, namespace=call.namespace, bucket=Bucket(status))
            if status
            else rows.select(Run, namespace=call.namespace)
        )
    matching = [run for run in found if workflow_type in (None, run.workflow_type)]
    matching.sort(key=lambda run: (run.started_us, run.run_id), reverse=True)
    page = matching[offset : offset + int(size)]
    more = offset + len(page) < len(matching)
    token = base64.b64encode(str(offset + len(page)).encode()).decode() if more else None
    body: dict[str, object] = {
        "workflows": [views.listed(run, call.settings.generation) for run in page],
        "workflow_count": len(page),
        "next_page_token": token,
    }
    return answer(200, "list", None, body)


def _offset_of(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError as error:
        raise invalid({"next_page_token": ["The next page token is invalid."]}) from error


def _describe(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.read() as rows:
        run = _find(rows, call, "describe")
        count = len(runs.runs_of(rows, call.namespace, workflow_id))
    return answer(200, "describe", workflow_id, views.describe(run, count))


def _runs(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.read() as rows:
        _find(rows, call, "list_runs")
        found = runs.runs_of(rows, call.namespace, workflow_id)
    shown = [views.describe(run, len(found)) for run in found]
    body: dict[str, object] = {"workflow_id": workflow_id, "run_count": len(found), "runs": shown}
    return answer(200, "list_runs", workflow_id, body)


def _history(call: Call) -> Response:
    """What clients read a result from: the events themselves, page by page."""
    query = call.request.query
    after, size = query.get("next_page_token") or "0", query.get("page_size") or ""
    limit = int(size) if size.isdigit() else history.PAGE_SIZE
    with call.read() as rows:
        run = _find(rows, call, "history")
        start = int(after) if after.isdigit() else 0
        events, token = history.page(rows, run.run_id, start, max(1, min(limit, _HISTORY_PAGE)))
    facts = {"workflow_id": run.workflow_id, "run_id": run.run_id}
    return Response(body=facts | {"events": events, "next_page_token": token})


def _export(call: Call) -> Response:
    with call.read() as rows:
        run = _find(rows, call, "history")
        return Response(body=views.export(rows, run, call.now_us))


def _terminate(operation: str, status: str) -> Handler:
    def handler(call: Call) -> Response:
        workflow_id = call.names["workflow"]
        with call.write() as rows:
            run = _find(rows, call, operation)
            if run.bucket is not Bucket.RUNNING:
                refused = _command(rows, call, run, "rejected", f"rejected_{operation}_closed")
                raise nested(409, operation, workflow_id, refused | {"reason": "run_closed"})
            shown = _command(rows, call, run, "accepted", status)
            reason = _text(call.json.get("reason"))
            event_type = f"Workflow{status.title()}"
            run = history.append(rows, run, event_type, {"reason": reason}, call.now_us)
            closed = runs.close(rows, run, status, call.now_us)
            outcomes.child_closed(rows, closed, call.now_us)
        return answer(200, operation, workflow_id, shown | {"reason": reason})

    return handler


def _signal(call: Call) -> Response:
    """No workflow of this emulator declares signals, so each is unknown; the run is looked at."""
    workflow_id, name = call.names["workflow"], call.names["signal"]
    with call.write() as rows:
        run = _find(rows, call, "signal")
        body = _command(rows, call, run, "rejected", "rejected_unknown_signal")
        repair.project_blocked(rows, call.settings, call.now_us, only=run)
    body |= {"reason": "unknown_signal", "rejection_reason": "unknown_signal", "signal_name": name}
    nested = views.control_plane("signal", workflow_id, body, name=name)
    return Response(status=404, body=body | {"control_plane": nested})


def _repair(call: Call) -> Response:
    workflow_id = call.names["workflow"]
    with call.write() as rows:
        run = _find(rows, call, "repair")
        body = _command(rows, call, run, "accepted", "repair_not_needed")
        repair.project_blocked(rows, call.settings, call.now_us, only=run)
    return answer(200, "repair", workflow_id, body)


def _command(rows: Rows, call: Call, run: Run, status: str, outcome: str) -> dict[str, object]:
    return {
        "outcome": outcome,
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "requested_run_id": None,
        "resolved_run_id": run.run_id,
        "command_id": new_id(rows, call.now_us),
        "command_sequence": run.commands + 1,
        "target_scope": "instance",
        "workflow_type": run.workflow_type,
        "command_status": status,
        "command_source": "control_plane",
        "reason": None,
        "rejection_reason": None,
        "validation_errors": [],
    }


def _find(rows: Rows, call: Call, operation: str) -> Run:
    workflow_id, run_id = call.names["workflow"], call.names.get("run")
    for run in reversed(runs.runs_of(rows, call.namespace, workflow_id)):
        if run_id in (None, run.run_id):
            return run
    reason = "run_not_found" if run_id else "instance_not_found"
    text = "Workflow run not found." if run_id else "Workflow not found."
    body = {"message": text, "reason": reason, "workflow_id": workflow_id}
    raise nested(404, operation, workflow_id, body)


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method=method, pattern=f"/api/workflows{path}", handler=handler, blockable=True)


ROUTES = (
    _route("POST", "", starts.start),
    _route("GET", "", _list),
    _route("GET", "/{workflow}", _describe),
    _route("GET", "/{workflow}/runs", _runs),
    _route("GET", "/{workflow}/runs/{run}", _describe),
    _route("GET", "/{workflow}/runs/{run}/history", _history),
    _route("GET", "/{workflow}/runs/{run}/history/export", _export),
    _route("POST", "/{workflow}/terminate", _terminate("terminate", "terminated")),
    _route("POST", "/{workflow}/cancel", _terminate("cancel", "cancelled")),
    _route("POST", "/{workflow}/repair", _repair),
    _route("POST", "/{workflow}/signal/{signal}", _signal),
)
