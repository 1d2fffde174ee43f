"""The server: from a request through its gates to a handler, and every error on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import cache, lru_cache

from rollout_kit.emulator import gatekeeper, manifests
from rollout_kit.emulator.calls import Call, Match, NoRoute, Plane, Role, Route, Router
from rollout_kit.emulator.gatekeeper import CONTROL_HEADER, CONTROL_VERSION, WORKER_HEADER
from rollout_kit.emulator.model import ledger, topology
from rollout_kit.emulator.model.moments import from_us, to_us, whole_second
from rollout_kit.emulator.model.records import Migration, Namespace, Write
from rollout_kit.emulator.model.settings import Condition, Generation, ServerSettings
from rollout_kit.emulator.routes import (
    cohorts,
    deployments,
    namespaces,
    nodes,
    schedules,
    system,
    task_queues,
    worker_plane,
    workers,
    workflows,
)
from rollout_kit.emulator.store import Store, StoreUnavailable, next_number
from rollout_kit.emulator.wire import Handle, Refusal, Request, Response, ServerError

_AREAS = (
    nodes,
    cohorts,
    deployments,
    task_queues,
    workers,
    worker_plane,
    workflows,
    schedules,
    namespaces,
    system,
)
_READING = ("GET", "HEAD", "OPTIONS")
_HTML = "text/html; charset=utf-8"
_CORS = (("Access-Control-Allow-Origin", "*"),)
_ERROR_PAGE = (
    '<!DOCTYPE html>\n<html lang="en">\n    <head>\n        <meta charset="utf-8">\n'
    "        <title>{title}</title>\n    </head>\n    <body>{title}</body>\n</html>\n"
)


class NoAnswer(Exception):
    """The database is frozen: a real node would hold this request for ever."""


def build(settings: ServerSettings, store: Store, now: Callable[[], datetime]) -> Handle:
    """One node as a function from request to response; polls are answered at once.

    Raises NoAnswer where a real node would not answer at all.
    """
    router = _router(settings.generation, ledger.release(settings.image_version))

    def handle(request: Request) -> Response:
        now_us = to_us(now())
        response = _answer(request, router, settings, store, now_us)
        date = (("Date", _date(whole_second(now_us))),)
        return response.framed(first=date, last=_CORS if request.path.startswith("/api") else ())

    return handle


@cache
def _router(generation: Generation, release: tuple[int, ...]) -> Router:
    """Nodes of the same release share it: what it has found stays found."""
    return Router([route for area in _AREAS for route in area.ROUTES], generation, release)


@lru_cache(maxsize=16)
def _date(second_us: int) -> str:
    return format_datetime(from_us(second_us), usegmt=True)


def _answer(
    request: Request, router: Router, settings: ServerSettings, store: Store, now_us: int
) -> Response:
    if request.path == "/up":
        page = _ERROR_PAGE.format(title="Application up")
        return Response(text=page, content_type=_HTML)
    found = router.find(request.method, request.path)
    if isinstance(found, NoRoute):
        return _unrouted(request, found)
    if gatekeeper.frozen(settings):
        raise NoAnswer
    try:
        response = _routed(request, found, settings, store, now_us)
    except Refusal as refusal:
        response = _decorated(refusal.response, found.route, settings)
    except ServerError:
        response = _unexpected(request)
    except gatekeeper.BrokenProvider:
        text = '{\n    "message": "Server Error"\n}'
        response = Response(status=500, text=text * 2)
    return response


def _routed(
    request: Request, found: Match, settings: ServerSettings, store: Store, now_us: int
) -> Response:
    route = found.route
    if route.plane is Plane.PUBLIC:
        return route.handler(_call(request, found, settings, store, now_us, None))
    role = gatekeeper.authenticate(request, settings)
    gatekeeper.authorise(role, route)
    gatekeeper.check_version(request, route, settings)
    gatekeeper.check_body(request)
    call = _call(request, found, settings, store, now_us, role)
    _check_place(call, route)
    try:
        response = _decorated(route.handler(call), route, settings)
    except Refusal as refusal:
        _log_write(call, route, refusal.response.status)
        raise
    except ServerError:
        _log_write(call, route, 500)
        raise
    _log_write(call, route, response.status)
    return response


def _call(
    request: Request,
    found: Match,
    settings: ServerSettings,
    store: Store,
    now_us: int,
    role: Role | None,
) -> Call:
    return Call(
        request=request,
        settings=settings,
        store=store,
        now_us=now_us,
        namespace=gatekeeper.namespace_of(request, settings),
        role=role,
        names=found.names,
    )


def _check_place(call: Call, route: Route) -> None:
    """Is this node made for the call, is its schema, does the namespace exist: in that order."""
    settings = call.settings
    missing = topology.missing_roles(settings) if route.plane is not Plane.INFO else []
    if missing and settings.generation is Generation.V2:
        raise Refusal(503, _role_unavailable(settings, missing))
    with call.read() as rows:
        if rows.count(Migration) == 0:
            raise ServerError
        gated = route.blockable and settings.rules.pending_migrations_gate_ready
        if gated and ledger.pending(rows, settings.image_version):
            raise Refusal(503, _schema_blocked())
        if _under_pressure(call, route):
            raise Refusal(503, _storage_pressure(), (("Retry-After", "5"),))
        if route.namespaced and rows.get(Namespace, call.namespace) is None:
            raise Refusal(404, _unknown_namespace(call.namespace))


def _role_unavailable(settings: ServerSettings, missing: list[str]) -> Mapping[str, object]:
    return {
        "message": "This node does not carry the roles that the request needs.",
        "reason": "topology_role_unavailable",
        "current_shape": topology.shape_of(settings),
        "current_process_class": topology.process_class_of(settings),
        "current_roles": topology.roles_of(settings),
        "required_roles": ["api_ingress", "control_plane"],
        "missing_roles": missing,
    }


def _schema_blocked() -> Mapping[str, object]:
    return {
        "message": "Workflow operations are blocked until the server is bootstrapped.",
        "reason": "workflow_v2_blocked",
        "blocked_by": ["migrations"],
        "remediation": "Run server-bootstrap before routing workers or SDKs to this server.",
    }


def _under_pressure(call: Call, route: Route) -> bool:
    """Whether storage pressure keeps out what this call would add; workers go on with what they have."""
    adds = route.blockable and route.plane is Plane.CONTROL and call.request.method not in _READING
    newer = call.settings.generation is Generation.V2
    return newer and adds and call.settings.meets(Condition.STORAGE_PRESSURE)


def _storage_pressure() -> Mapping[str, object]:
    return {
        "message": "The server admits no new work while its storage is under pressure.",
        "reason": "storage_pressure",
        "request_admitted": False,
    }


def _unknown_namespace(name: str) -> Mapping[str, object]:
    return {
        "message": f"Namespace '{name}' does not exist.",
        "reason": "namespace_not_found",
        "namespace": name,
        "remediation": "Register the namespace via POST /api/namespaces, or send an X-Namespace "
        "header naming an existing namespace.",
    }


def _decorated(response: Response, route: Route, settings: ServerSettings) -> Response:
    """The version header, and on the worker plane what every body carries."""
    if route.plane is Plane.WORKER:
        constant = manifests.worker_plane_members(settings)
        return response.framed(last=((WORKER_HEADER, settings.protocol),), constant=constant)
    if route.plane is Plane.CONTROL or (route.plane is Plane.INFO and response.status >= 400):
        return response.framed(last=((CONTROL_HEADER, CONTROL_VERSION),))
    return response


def _log_write(call: Call, route: Route, status: int) -> None:
    if route.plane is not Plane.CONTROL or call.request.method in _READING:
        return
    try:
        with call.store.write() as rows:
            rows.put(
                Write(
                    number=next_number(rows, "writes"),
                    method=call.request.method,
                    path=call.request.path,
                    role=call.role.value if call.role else "any",
                    server_id=call.settings.server_id,
                    at_us=call.now_us,
                    status=status,
                )
            )
    except StoreUnavailable:
        return


def _unrouted(request: Request, found: NoRoute) -> Response:
    """404, 405 and OPTIONS come before any credential is looked at."""
    path = request.raw_path or request.path
    shown = path.strip("/") or "/"
    if found.allowed and request.method == "OPTIONS":
        headers = (
            ("Allow", ",".join(found.allowed)),
            ("Vary", "Access-Control-Request-Method"),
        )
        return Response(text="", content_type=_HTML, headers=headers)
    if found.allowed:
        methods = ", ".join(found.allowed)
        text = (
            f"The {request.method} method is not supported for route {shown}. "
            f"Supported methods: {methods}."
        )
        return _framework_error(request, 405, text, "method_not_allowed", allow=methods)
    text = f"The route {shown} could not be found."
    return _framework_error(request, 404, text, "not_found")


def _framework_error(
    request: Request, status: int, text: str, reason: str, *, allow: str | None = None
) -> Response:
    """Without the control-plane header the framework answers by itself: no reason, or a page."""
    headers = (("Allow", allow),) if allow else ()
    if not request.wants_json:
        page = _ERROR_PAGE.format(title="Not Found" if status == 404 else "Method Not Allowed")
        return Response(status=status, text=page, content_type=_HTML, headers=headers)
    if request.header(CONTROL_HEADER) is None:
        return Response(status=status, body={"message": text}, headers=headers)
    echo = ((CONTROL_HEADER, CONTROL_VERSION),)
    return Response(status=status, body={"message": text, "reason": reason}, headers=echo)


def _unexpected(request: Request) -> Response:
    if not request.wants_json:
        page = _ERROR_PAGE.format(title="Server Error")
        return Response(status=500, text=page, content_type=_HTML)
    return Response(status=500, body={"message": "Server Error"})
