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


class SlowDoor:
    """A door before a server: while it is `slow`, who says `word` first is let in 40 s later."""

    def __init__(self, port: int, word: bytes = b"") -> None:
        self._inside = port
        self._word = word
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.slow = False
        self.waiting: list[float] = []
        """When each of those came that were not let in at once."""
        self._quick = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def quick(self) -> None:
        """Let everybody in, those who wait too."""
        self.slow = False
        self._quick.set()

    def close(self) -> None:
        self.quick()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                outside, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._let_in, args=(outside,), daemon=True).start()

    def _let_in(self, outside: socket.socket) -> None:
        first = outside.recv(65_536)
        if self.slow and self._word in first:
            self.waiting.append(time.monotonic())
            self._quick.wait(40)
        try:
            inside = socket.create_connection(("127.0.0.1", self._inside))
        except OSError:
            outside.close()
            return
        inside.sendall(first)
        threading.Thread(target=carry, args=(outside, inside), daemon=True).start()
        carry(inside, outside)


def carry(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of the two has gone
        source.close()
        sink.close()
