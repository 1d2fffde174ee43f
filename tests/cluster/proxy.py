"""A proxy that leads every CONNECT to one place, whatever name was asked for."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.cluster.front import pipe


class ConnectProxy:
    """Listens on loopback while it is entered. `asked`: the `host:port` of each CONNECT.

    `login`: `name:password`, where it asks for them.
    """

    def __init__(self, target_url: str, login: str = "") -> None:
        target = urlsplit(target_url)
        self._target = (target.hostname, target.port)
        self._credentials = base64.b64encode(login.encode()).decode()
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> ConnectProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (more := client.recv(1)):
                    return
                head += more
            self.asked.append(head.split()[1].decode())
            if self._credentials and f"Basic {self._credentials}".encode() not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
            with socket.create_connection(self._target, 5) as server:
                server.settimeout(None)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pipe, args=[server, client], daemon=True)
                back.start()
                pipe(client, server)
                back.join()
