"""A body as JSON, and what to say when it is not.

The status is judged before: a broken body never hides a status (the server has been seen to answer
500 with two JSON objects in one body).
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from rollout_kit.ports.errors import Incompatible, OutsideError, Trouble, Unavailable
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, Response

EXCERPT_CHARACTERS = 60
_BOM = b"\xef\xbb\xbf"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse(request: Request, response: Response) -> Any:
    """The JSON value of a successful answer.

    Raises:
        Unavailable: to a read; what is in the way may go away (an error page, a cut connection).
        Incompatible: to a write.
    """
    text = _text(response.body)
    if text is not None:
        try:
            return _DECODER.decode(text)
        except ValueError:
            pass
    raise _broken(request, response, text)


def lenient(response: Response) -> Any:
    """The JSON value if there is one, else None: for the details of an error answer."""
    try:
        return json.loads(response.body, parse_constant=_no_constant)
    except ValueError:
        return None


def kind(response: Response) -> str:
    """What a body is, in words: `an HTML page`, `an empty body`, …"""
    text = _text(response.body)
    if text is None:
        return "bytes that are not UTF-8"
    if not text.strip():
        return "an empty body"
    start = text.lstrip()[:15].lower()
    if "html" in response.headers.get("content-type", "") or start.startswith(("<!doc", "<html")):
        return "an HTML page"
    return "JSON" if lenient(response) is not None else "text that is not JSON"


def _text(body: bytes) -> str | None:
    try:
        return body.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        return None


def _broken(request: Request, response: Response, text: str | None) -> OutsideError:
    said = kind(response)
    if said == "an HTML page":
        return _outside_contract(
            request,
            f"{request.label} answered an HTML page where JSON was due",
            "check the address: a proxy, a login page or another server answers there",
        )
    if said == "an empty body":
        return _cut(request, f"{request.label} answered HTTP {response.status} with an empty body")
    if text is not None and _is_doubled(text):
        return _outside_contract(
            request,
            f"{request.label} answered two JSON documents in one body",
            "the server failed while it answered; look at its log",
        )
    if text is not None and text.lstrip()[:1] in ("{", "[") and _is_truncated(text):
        return _cut(
            request,
            f"{request.label}: the answer stops after {len(response.body)} bytes, in mid JSON",
        )
    declared = response.headers.get("content-type", "no content type")
    excerpt = "" if text is None else f": {text.strip()[:EXCERPT_CHARACTERS]!r}"
    return _outside_contract(
        request,
        f"{request.label} answered {said} ({declared}) where JSON was due{excerpt}",
        "check the address: this is not what the workflow server answers",
    )


def _outside_contract(request: Request, message: str, hint: str) -> OutsideError:
    if request.method == "GET":
        return Unavailable(message, hint=hint, trouble=Trouble.INCOMPATIBLE)
    why = "Whether the request took effect is not known, and sending it again will not tell."
    return Incompatible(message, why=why, hint=hint, trouble=Trouble.INCOMPATIBLE)


def _cut(request: Request, message: str) -> OutsideError:
    hint = "the node or a proxy stopped in the middle"
    if request.method == "GET":
        return Transient(message, hint=hint)
    why = "Whether the request took effect is not known."
    return Unavailable(message, why=why, hint=hint, trouble=Trouble.NETWORK)


def _is_doubled(text: str) -> bool:
    try:
        _, end = json.JSONDecoder().raw_decode(text.strip())
    except ValueError:
        return False
    return text.strip()[end:].lstrip()[:1] in ("{", "[")


def _is_truncated(text: str) -> bool:
    """Whether the outermost bracket never closes, or the parser ran out of text."""
    body = text.strip()
    if not body.endswith({"{": "}", "[": "]"}[body[0]]):
        return True
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        return error.pos >= len(body)
    return False
