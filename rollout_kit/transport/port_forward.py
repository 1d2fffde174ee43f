"""A port of a pod as a connection, through the API server: HTTP goes over it unseen and unchanged.

It speaks the channels of a port-forward over a websocket that the Kubernetes library has opened:
of each message the first byte is the channel, 0 the data, 1 what went wrong; the first message of
each names the port. The library's own wrapper needs a thread for every connection and prints what
fails in it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, ClassVar

from rollout_kit.ports.errors import Incompatible, Trouble
from rollout_kit.transport import faults
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from websocket import WebSocket

_DATA, _TROUBLE = 0, 1
_CHUNK_BYTES = 65536


class PodUnreachableError(OSError):
    """The node's side could not connect to the port, or lost it. The text is the node's."""


class Tunnel(io.RawIOBase):
    """The connection, to be read as a file. Not for several threads.

    Args:
        until_s: by `monotonic_s`; reading or writing after that raises TimeoutError.
    """

    PROTOCOL: ClassVar[str] = "v4.channel.k8s.io"

    def __init__(
        self, websocket: WebSocket, *, until_s: float, monotonic_s: Callable[[], float]
    ) -> None:
        super().__init__()
        self._websocket = websocket
        self._until_s = until_s
        self._monotonic_s = monotonic_s
        self._named = [False, False]
        self._data = b""
        self._over = False

    def readable(self) -> bool:
        return True

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK_BYTES):
            self._grant()
            self._websocket.send_binary(bytes([_DATA]) + data[start : start + _CHUNK_BYTES])

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # whatever BufferedReader hands in
        while not self._data and not self._over:
            self._take()
        count = min(len(view), len(self._data))
        view[:count] = self._data[:count]
        self._data = self._data[count:]
        return count

    def close(self) -> None:
        """Both ends at once: the library's own close waits three seconds for a farewell."""
        if not self.closed:
            with suppress(Exception):
                self._websocket.send_close()
            with suppress(Exception):
                self._websocket.shutdown()
        super().close()

    def _take(self) -> None:
        from websocket import ABNF, WebSocketConnectionClosedException

        self._grant()
        try:
            kind, frame = self._websocket.recv_data_frame(True)
        except WebSocketConnectionClosedException:
            self._over = True
            return
        if kind == ABNF.OPCODE_CLOSE:
            self._over = True
        if kind != ABNF.OPCODE_BINARY or not frame.data:
            return
        channel, rest = frame.data[0], frame.data[1:]
        if channel not in (_DATA, _TROUBLE):
            raise PodUnreachableError(f"an unknown channel {channel}")
        if not self._named[channel]:
            self._named[channel] = True
        elif channel == _TROUBLE:
            raise PodUnreachableError(rest.decode(errors="replace").strip())
        else:
            self._data = rest

    def _grant(self) -> None:
        left_s = self._until_s - self._monotonic_s()
        if left_s <= 0:
            raise TimeoutError
        self._websocket.settimeout(left_s)


class _Socket:
    """What `http.client` takes for one. It closes it before it has read the answer."""

    __slots__ = ("_tunnel", "sendall")

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self.sendall = tunnel.sendall

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self._tunnel)

    def close(self) -> None:
        """Whoever opened the tunnel closes it."""


def send(
    tunnel: Tunnel, host: str, target: str, headers: dict[str, str], request: Request
) -> Response:
    """One request over the tunnel, which is closed then. `target`: path and query.

    Raises:
        OutsideError: there is no answer.
    """
    from websocket import WebSocketException, WebSocketTimeoutException

    connection = HTTPConnection(host)
    connection.sock = _Socket(tunnel)
    try:
        connection.request(request.method, target, request.body or None, headers)
        with connection.getresponse() as answer:
            return _read(answer, request)
    except (TimeoutError, WebSocketTimeoutException):
        failure = faults.timed_out(request)
    except PodUnreachableError as error:
        failure = unreachable(request, str(error))
    except (OSError, HTTPException, WebSocketException):
        failure = Transient(
            f"{request.label}: the connection broke off before the answer was there",
            why="" if request.method == "GET" else "Whether the request took effect is not known.",
            hint="the pod was stopped or restarted in the middle",
        )
    finally:
        tunnel.close()
    raise failure


def unreachable(request: Request, said: str) -> Transient:
    """The pod is there and its port is not."""
    return Transient(
        f"{request.label}: nothing answers in the pod: {said}",
        why="Nothing was sent." if request.method != "GET" else "",
        hint="is this the port that the container listens on, and has it started?",
        trouble=Trouble.NETWORK,
    )


def _read(answer: HTTPResponse, request: Request) -> Response:
    body = bytearray()
    while chunk := answer.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise Incompatible(
                f"{request.label}: the answer is larger than {BODY_LIMIT_BYTES // 2**20} MiB",
                hint="check that the address is that of the workflow server",
                trouble=Trouble.INCOMPATIBLE,
            )
    if answer.length:  # cut off, which `read1` does not say
        raise HTTPException
    return Response(
        status=answer.status,
        headers={name.lower(): value for name, value in answer.getheaders()},
        body=bytes(body),
    )
