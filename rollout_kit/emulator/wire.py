"""Requests and responses as the routes see them, and the WSGI shell around them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_REASONS = {
    200: "OK",
    201: "Created",
    207: "Multi-Status",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_COMPRESS_ABOVE = 1024
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


@dataclass(slots=True, kw_only=True)  # not frozen: a third of the time for each of thousands
class Request:
    """One request; header names are lower case, the path is decoded, `raw_path` is as sent."""

    method: str
    path: str
    raw_path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return self.headers.get(name.lower())

    @property
    def wants_json(self) -> bool:
        """The framework's rule: the first media type accepted is a JSON one."""
        first = (self.header("accept") or "").split(",")[0].split(";")[0].strip()
        return first.endswith(("/json", "+json"))


@dataclass(slots=True, kw_only=True)  # not frozen, as above
class Response:
    """A JSON body unless `text` is given.

    `hold_s` says that a poll found nothing yet, and for how many seconds it wants to be asked again.
    `constant` are further members of the body, encoded already: what never changes is encoded once.
    """

    status: int = 200
    body: object = None
    constant: str = ""
    text: str | None = None
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()
    hold_s: float | None = None

    @property
    def payload(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        body = _ENCODER.encode(self.body)
        if self.constant:
            body = f"{body[:-1]}{',' if self.body else ''}{self.constant}}}"
        return body.encode()

    def framed(
        self,
        *,
        first: Sequence[tuple[str, str]] = (),
        last: Sequence[tuple[str, str]] = (),
        constant: str = "",
    ) -> Response:
        """The same answer with headers before and after its own, and constant members of its body."""
        return Response(
            status=self.status,
            body=self.body,
            constant=constant or self.constant,
            text=self.text,
            content_type=self.content_type,
            headers=(*first, *self.headers, *last),
            hold_s=self.hold_s,
        )


class Refusal(Exception):
    """Ends a request with an answer that is not a success; what was written stays undone."""

    def __init__(
        self, status: int, body: Mapping[str, object], headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(status, body)
        self.response = Response(status=status, body=dict(body), headers=headers)


class ServerError(Exception):
    """What the server did not expect: it answers 500 and does not say why."""


Handle = Callable[[Request], Response]


def wsgi(handle: Handle) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The WSGI callable around a function from request to response."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = read(environ)
        response = handle(request)
        payload, headers = encoded(request, response)
        status = f"{response.status} {_REASONS.get(response.status, 'Unknown')}"
        start_response(status, headers)
        return [payload]

    return application


def read(environ: WSGIEnvironment) -> Request:
    """The request that a WSGI environment describes."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        raw_path=str(environ.get("REQUEST_URI") or path).split("?")[0],
        query={name: values[-1] for name, values in query.items()},
        headers=headers,
        body=environ["wsgi.input"].read(length) if length else b"",
    )


def encoded(request: Request, response: Response) -> tuple[bytes, list[tuple[str, str]]]:
    """Body and headers as they go out: compressed when asked and worth it, no body for HEAD."""
    payload = response.payload
    headers = [
        ("Cache-Control", "no-cache, private"),
        ("Content-Type", response.content_type),
        *response.headers,
    ]
    accepted = request.header("accept-encoding") or ""
    if len(payload) > _COMPRESS_ABOVE and response.content_type == "application/json":
        if "gzip" in accepted:
            payload = gzip.compress(payload, compresslevel=1, mtime=0)
            headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        elif "deflate" in accepted:
            payload = zlib.compress(payload, level=1)
            headers += [("Content-Encoding", "deflate"), ("Vary", "Accept-Encoding")]
    if request.method == "HEAD":
        payload = b""
    else:
        headers.append(("Content-Length", str(len(payload))))
    return payload, headers
