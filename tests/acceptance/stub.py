"""A server that answers everything in one way, most often a wrong one."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

Say: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


def answer(
    status: int,
    body: str,
    *,
    kind: str = "application/json",
    promised: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Say:
    """This answer to everything. `promised`: a length other than the body's."""

    def say(call: BaseHTTPRequestHandler) -> None:
        data = body.encode()
        call.send_response(status)
        call.send_header("Content-Type", kind)
        call.send_header("Content-Length", str(len(data) if promised is None else promised))
        for name, value in (headers or {}).items():
            call.send_header(name, value)
        call.end_headers()
        call.wfile.write(data)

    return say


def reset(call: BaseHTTPRequestHandler) -> None:
    """Hang up in the middle, as a node that is killed."""
    linger = struct.pack("ii", 1, 0)
    call.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    call.connection.close()


def never(call: BaseHTTPRequestHandler) -> None:
    """Later than anybody waits."""
    time.sleep(20)


class _Handler(BaseHTTPRequestHandler):
    say: Say

    def do_GET(self) -> None:
        self.close_connection = True
        try:
            type(self).say(self)
        except OSError:  # who asked has gone, or we have hung up ourselves
            self.wfile = open("/dev/null", "wb")  # noqa: SIM115, PTH123 - what is flushed at the end

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


@contextmanager
def stub(say: Say) -> Iterator[str]:
    """Its address, while it serves."""
    handler = type("Handler", (_Handler,), {"say": staticmethod(say)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.socket.close()
