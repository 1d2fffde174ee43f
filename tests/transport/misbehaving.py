"""A tiny server on a real socket that answers each request with exactly the bytes it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

TLS = Path(__file__).parent / "tls"
Behaviour = Callable[[socket.socket], None]


@dataclass
class Server:
    """Its address, and the requests it has read."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


def says(
    status: str = "200 OK",
    body: bytes = b"{}",
    *,
    content_type: str = "application/json",
    headers: str = "",
    length: int | None = None,
) -> Behaviour:
    """One whole answer; `length` lies about the body's."""

    def behave(connection: socket.socket) -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body) if length is None else length}\r\n"
            f"Connection: close\r\n{headers}\r\n"
        )
        connection.sendall(head.encode() + body)

    return behave


def raw(answer: bytes) -> Behaviour:
    return lambda connection: connection.sendall(answer)


def resets(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Each request gets the next behaviour; the last one stays."""
    left = list(behaviours)
    guard = threading.Lock()

    def behave(connection: socket.socket) -> None:
        with guard:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(connection)

    return behave


def after(event: threading.Event, behaviour: Behaviour) -> Behaviour:
    """Hold the request until the event, at most 10 s."""

    def behave(connection: socket.socket) -> None:
        event.wait(10)
        behaviour(connection)

    return behave


@contextmanager
def serving(behaviour: Behaviour, *, tls: bool = False) -> Iterator[Server]:
    """Serve on a free port until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
    if context:
        context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(port=listener.getsockname()[1], scheme="https" if tls else "http")
        accepting = threading.Thread(
            target=_accept, args=(listener, behaviour, server, context), daemon=True
        )
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)


def _accept(
    listener: socket.socket,
    behaviour: Behaviour,
    server: Server,
    context: ssl.SSLContext | None,
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(
            target=_answer, args=(connection, behaviour, server, context), daemon=True
        ).start()


def _answer(
    connection: socket.socket,
    behaviour: Behaviour,
    server: Server,
    context: ssl.SSLContext | None,
) -> None:
    with suppress(OSError), connection:
        speaking = context.wrap_socket(connection, server_side=True) if context else connection
        with speaking:
            request = b""
            while b"\r\n\r\n" not in request and request[:1] != b"\x16":  # a TLS hello
                received = speaking.recv(65_536)
                if not received:
                    return
                request += received
            server.requests.append(request)
            behaviour(speaking)
