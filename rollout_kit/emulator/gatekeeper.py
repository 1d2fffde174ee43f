"""Who may call what, and with which headers: everything that is judged before a handler runs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from functools import lru_cache

from rollout_kit.emulator.calls import Plane, Role, Route
from rollout_kit.emulator.model.settings import Condition, Generation, ServerSettings
from rollout_kit.emulator.wire import Refusal, Request

CONTROL_HEADER = "X-Durable-Workflow-Control-Plane-Version"
WORKER_HEADER = "X-Durable-Workflow-Protocol-Version"
CONTROL_VERSION = "2"
MAX_PAYLOAD_BYTES = 2_097_152

_DRIVERS = ("none", "token", "signature")


class BrokenProvider(Exception):
    """The configured auth provider cannot be made; the server trips over its own error page."""


def authenticate(request: Request, settings: ServerSettings) -> Role | None:
    """The caller's role; None when authentication is switched off.

    Raises Refusal 401 for an unknown caller, 500 for a driver without what it needs.
    """
    if settings.auth_provider is not None:
        raise BrokenProvider
    if settings.auth_driver == "none":
        return None
    if settings.auth_driver not in _DRIVERS:
        raise Refusal(500, _server_error(f"Unknown auth driver: {settings.auth_driver}"))
    tokens = settings.credentials
    if not tokens.any_role and not tokens.legacy:
        text = (
            f'Auth driver is set to "{settings.auth_driver}" but DW_AUTH_TOKEN is not configured.'
        )
        raise Refusal(500, _server_error(text))
    vouches = _signs if settings.auth_driver == "signature" else _bears
    for role, secret in (
        (Role.WORKER, tokens.worker),
        (Role.OPERATOR, tokens.operator),
        (Role.ADMIN, tokens.admin),
    ):
        if secret and vouches(request, secret):
            return role
    if tokens.legacy and settings.auth_backward_compatible and vouches(request, tokens.legacy):
        return Role.ADMIN if tokens.any_role else None
    text = "Invalid or missing authentication token."
    raise Refusal(401, {"reason": "unauthorized", "message": text})


def _bears(request: Request, token: str) -> bool:
    return _carries(request.header("authorization") or "", token)


@lru_cache(maxsize=64)
def _carries(authorization: str, token: str) -> bool:
    scheme, _, presented = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), presented.encode())


def _signs(request: Request, key: str) -> bool:
    """`X-Signature` is the HMAC-SHA256 of the raw body, in hex."""
    expected = hmac.new(key.encode(), request.body, "sha256").hexdigest()
    return hmac.compare_digest(expected, (request.header("x-signature") or "").lower())


def authorise(role: Role | None, route: Route) -> None:
    """Raises Refusal 403 when the role may not call this route; None may call everything."""
    if role is None or role in route.roles:
        return
    raise Refusal(
        403,
        {
            "reason": "forbidden",
            "message": "Authenticated role is not allowed to access this endpoint.",
            "role": role.value,
            "allowed_roles": [allowed.value for allowed in route.roles],
        },
    )


def check_version(request: Request, route: Route, settings: ServerSettings) -> None:
    """Raises Refusal 400 when the protocol header is missing or speaks of another version."""
    if route.plane is Plane.CONTROL:
        _check_control(request.header(CONTROL_HEADER))
    elif route.plane is Plane.WORKER:
        _check_worker(request.header(WORKER_HEADER), settings)
    elif route.plane is Plane.INFO and settings.generation is Generation.V2:
        sent = request.header(CONTROL_HEADER)
        if sent is not None:
            _check_control(sent)


def check_body(request: Request) -> None:
    """Raises Refusal 413, 415 or 400 for a body that no handler should see."""
    if len(request.body) > MAX_PAYLOAD_BYTES:
        raise Refusal(
            413,
            {
                "message": "Request payload exceeds the maximum allowed size of "
                f"{MAX_PAYLOAD_BYTES} bytes.",
                "reason": "payload_too_large",
                "limit": MAX_PAYLOAD_BYTES,
            },
        )
    if not request.body:
        return
    media = (request.header("content-type") or "").split(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise Refusal(
            415,
            {
                "message": "Request bodies must use a JSON media type.",
                "reason": "unsupported_media_type",
                "accepted_content_types": ["application/json", "application/*+json"],
            },
        )
    try:
        json.loads(request.body)
    except ValueError as error:
        text = "Request bodies must contain valid JSON."
        body = {"message": text, "reason": "malformed_json", "json_error": "Syntax error"}
        raise Refusal(400, body) from error


def namespace_of(request: Request, settings: ServerSettings) -> str:
    """The namespace that a request names, in lower case; without one, the default."""
    named = request.header("x-namespace") or request.query.get("namespace")
    return (named or settings.default_namespace).lower()


def frozen(settings: ServerSettings) -> bool:
    return settings.meets(Condition.DATABASE_FROZEN)


def _check_control(sent: str | None) -> None:
    if sent == CONTROL_VERSION:
        return
    if sent is None:
        text = "Missing control-plane version header."
        reason = "missing_control_plane_version"
        remedy = f"Send the {CONTROL_HEADER}: {CONTROL_VERSION} header on control-plane requests."
    else:
        text = "Unsupported control-plane version."
        reason = "unsupported_control_plane_version"
        remedy = (
            f"Client requested control-plane version {sent}; this server only supports "
            f"{CONTROL_VERSION}. Upgrade the client to a release that targets control-plane "
            f"{CONTROL_VERSION}, or connect to a server that supports {sent}."
        )
    versions = {"supported_version": CONTROL_VERSION, "requested_version": sent}
    raise Refusal(400, {"message": text, "reason": reason, **versions, "remediation": remedy})


def _check_worker(sent: str | None, settings: ServerSettings) -> None:
    supported = settings.protocol
    if sent is not None and accepts_protocol(supported, sent, settings):
        return
    if sent is None:
        text, reason = "Missing worker protocol version header.", "missing_protocol_version"
        remedy = f"Send the {WORKER_HEADER}: {supported} header on worker protocol requests."
    else:
        text, reason = "Unsupported worker protocol version.", "unsupported_protocol_version"
        remedy = (
            f"Worker requested protocol version {sent}; this server supports {supported}. "
            "Use a worker that speaks it, or connect to another server."
        )
    versions = {"supported_version": supported, "requested_version": sent}
    raise Refusal(400, {"error": text, "reason": reason, **versions, "remediation": remedy})


def accepts_protocol(supported: str, sent: str, settings: ServerSettings) -> bool:
    """0.2.x asks for the very string; 2.x takes the same major and any minor up to its own."""
    if supported == sent:
        return True
    if settings.rules.exact_worker_protocol:
        return False
    mine, theirs = supported.split("."), sent.split(".")
    if len(mine) != 2 or len(theirs) != 2 or not all(part.isdigit() for part in mine + theirs):
        return False
    return mine[0] == theirs[0] and int(theirs[1]) <= int(mine[1])


def _server_error(text: str) -> Mapping[str, object]:
    return {"reason": "server_error", "message": text}
