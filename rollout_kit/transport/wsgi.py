"""The exchange without a network: WSGI applications called directly, each under its address."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from rollout_kit.ports.errors import Trouble, Unavailable
from rollout_kit.transport.messages import Request, Response, origin
from rollout_kit.transport.secret import Secret

WsgiApplication: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiExchange:
    """An `Exchange`. `applications` maps `http://host:port` to what answers there.

    The mapping is looked up at each request: taking an entry away is a node that went down.
    """

    def __init__(self, applications: Mapping[str, WsgiApplication]) -> None:
        self._applications = applications

    def __call__(self, request: Request) -> Response:
        application = self._applications.get(origin(request.url))
        if application is None:
            raise Unavailable(
                f"{origin(request.url)} refused the connection",
                why="Nothing listens there; nothing was sent.",
                hint="is the process running, and is this its port?",
                trouble=Trouble.NETWORK,
            )
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            started[:] = [(status, headers)]

        chunks = application(_environ(request), start_response)
        try:
            body = b"".join(chunks)
        finally:
            if callable(close := getattr(chunks, "close", None)):
                close()
        status, headers = started[0]
        return Response(
            status=int(status.split(" ", 1)[0]),
            headers={name.lower(): value for name, value in headers},
            body=body,
        )


def _environ(request: Request) -> dict[str, Any]:
    parts = urlsplit(request.url)
    path = unquote_to_bytes(parts.path).decode("latin-1")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "REQUEST_URI": parts.path + (f"?{parts.query}" if parts.query else ""),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        text = value.reveal() if isinstance(value, Secret) else value
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = text
    return environ
