"""An HTTP status that is not the one hoped for, as an error of the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from rollout_kit.ports.errors import (
    Conflict,
    Incompatible,
    OutsideError,
    Refused,
    Trouble,
    Unavailable,
)
from rollout_kit.transport import json_body
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, Response, origin

SAID_CHARACTERS = 300


def failure(request: Request, response: Response) -> OutsideError:
    """The error that this answer is, with what its body says."""
    body = json_body.lenient(response)
    details: Mapping[str, Any] = body if isinstance(body, dict) else {}
    said = _said(details, response)
    answered = f"{request.label} answered HTTP {response.status}"
    match response.status:
        case 401:
            return _unauthorized(request, said)
        case 403:
            return _forbidden(request, details, said)
        case 404 | 405 | 410:
            return _not_found(request, answered, details, said)
        case 408 | 504:
            return Transient(
                f"{answered}{said}",
                why=_why(request),
                hint="a proxy in between gave up first; look whether the node behind it is busy",
                trouble=Trouble.TIMEOUT,
            )
        case 400 if "version" in str(details.get("reason", "")):
            return _wrong_version(answered, details, said)
        case 409:
            return Refused(
                f"{answered}{said}",
                hint=_remedy(details) or "see what it collides with, then preview again",
                trouble=Trouble.OTHER,
            )
        case 412 | 423:
            return Conflict(
                f"{answered}{said}",
                why="Somebody else holds it, or changed it in the meantime.",
                hint=_remedy(details) or "look at the fleet before going on",
            )
        case 422:
            return _invalid(answered, details, said)
        case 429 | 503:
            return _busy(request, response, f"{answered}{said}", details)
        case 501:
            return Incompatible(
                f"{answered}{said}",
                why="This server does not implement what the rollout needs.",
                hint=_remedy(details) or "use a server release that does",
                trouble=Trouble.INCOMPATIBLE,
            )
        case status if 300 <= status < 400:
            return _redirected(request, response)
        case status if 200 <= status < 300:
            return _unexpected_success(request, answered)
        case status if status >= 500:
            return Transient(
                f"{answered}{said}",
                why=_why(request),
                hint=_remedy(details) or "look at the log of the node that answered",
                trouble=Trouble.SERVER,
            )
        case _:
            return Refused(f"{answered}{said}", hint=_remedy(details))


def _said(details: Mapping[str, Any], response: Response) -> str:
    """`: message (reason)`, or what kind of body came instead."""
    message = details.get("message") or details.get("error")
    if isinstance(message, str) and message:
        reason = details.get("reason")
        named = f" ({reason})" if isinstance(reason, str) and reason not in message else ""
        return f": {message[:SAID_CHARACTERS].rstrip('.')}{named}"
    return "" if details else f" with {json_body.kind(response)}"


def _remedy(details: Mapping[str, Any]) -> str:
    for key in ("remediation", "expected_resolution"):
        if isinstance(details.get(key), str):
            return str(details[key])
    return ""


def _why(request: Request) -> str:
    return "" if request.method == "GET" else "Whether the request took effect is not known."


def _unauthorized(request: Request, said: str) -> OutsideError:
    token = f"the {request.credential} token" if request.credential else "a request without a token"
    return Refused(
        f"{origin(request.url)} does not accept {token}{said}",
        why="HTTP 401: it is missing, mistyped, expired, or belongs to another server.",
        hint=f"check the value of credentials.{request.credential or 'operator'}",
        trouble=Trouble.AUTH,
    )


def _forbidden(request: Request, details: Mapping[str, Any], said: str) -> OutsideError:
    role = details.get("role")
    allowed = details.get("allowed_roles")
    if isinstance(role, str) and isinstance(allowed, list) and allowed:
        roles = " or ".join(str(item) for item in allowed)
        message = f"{request.label} needs the role {roles}; the token given has the role {role}"
    else:
        message = f"{request.label} is forbidden to this token{said}"
    return Refused(
        message,
        why="HTTP 403: the token is valid but may not do this.",
        hint=f"put a token with the right role into credentials.{request.credential or 'operator'}",
        trouble=Trouble.AUTH,
    )


def _not_found(
    request: Request, answered: str, details: Mapping[str, Any], said: str
) -> OutsideError:
    if details.get("reason") == "namespace_not_found":
        name = details.get("namespace") or request.header("X-Namespace")
        return Refused(
            f"{origin(request.url)} has no namespace {name!r}",
            why="Everything that the rollout would look at belongs to a namespace.",
            hint="correct target.namespace, or create the namespace first",
            trouble=Trouble.NOT_FOUND,
        )
    return Refused(
        f"{answered}{said}",
        hint="check the address; a server that is too old does not have this route",
        trouble=Trouble.NOT_FOUND,
    )


def _wrong_version(answered: str, details: Mapping[str, Any], said: str) -> OutsideError:
    supported = details.get("supported_version", "not said")
    requested = details.get("requested_version", "not said")
    return Incompatible(
        f"{answered}{said}; supported {supported}, requested {requested}",
        why="Server and tool do not speak the same protocol.",
        hint="use a release of this tool that speaks the server's version",
        trouble=Trouble.INCOMPATIBLE,
    )


def _invalid(answered: str, details: Mapping[str, Any], said: str) -> OutsideError:
    errors = details.get("errors") or details.get("validation_errors")
    fields = ""
    if isinstance(errors, dict):
        fields = "; ".join(f"{name}: {_first(value)}" for name, value in sorted(errors.items()))
    return Refused(
        f"{answered}: {fields}" if fields else f"{answered}{said}",
        why="The server judged the values themselves; sending them again changes nothing.",
        hint="correct the named values in the plan",
    )


def _first(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value)


def _busy(
    request: Request, response: Response, message: str, details: Mapping[str, Any]
) -> OutsideError:
    wait_s = retry_after_s(response)
    patience = f"; it asks to wait {wait_s:g} s" if wait_s else ""
    missing = details.get("missing_roles")
    roles = f"; missing roles: {', '.join(map(str, missing))}" if isinstance(missing, list) else ""
    if response.status == 429:
        why, hint = "The request was not admitted.", "ask again later, or raise the server's limit"
    else:
        why, hint = _why(request), "see what the server waits for: its /api/ready, then its log"
    return Transient(
        f"{message}{roles}{patience}",
        why=why,
        hint=_remedy(details) or hint,
        trouble=Trouble.SERVER,
        retry_after_s=wait_s,
    )


def retry_after_s(response: Response) -> float:
    """Retry-After in seconds, from either spelling; a date counts from the answer's own Date."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _redirected(request: Request, response: Response) -> OutsideError:
    place = response.headers.get("location", "")
    to = origin(place) if "://" in place else place.partition("?")[0] or "nowhere"
    return Incompatible(
        f"{request.label} answered HTTP {response.status}, a redirect to {to}",
        why="A redirect is not followed: the token would go to another address.",
        hint="put the final address into the plan, or look for a login page in between",
        trouble=Trouble.INCOMPATIBLE,
    )


def _unexpected_success(request: Request, answered: str) -> OutsideError:
    message = f"{answered}, which the contract does not know for it"
    if request.method == "GET":
        return Unavailable(message, trouble=Trouble.INCOMPATIBLE)
    return Incompatible(
        message,
        why="Whether the request took effect cannot be told from that.",
        hint="check the address: another server may answer there",
        trouble=Trouble.INCOMPATIBLE,
    )
