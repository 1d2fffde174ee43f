"""The one address before all nodes: each connection to the next address that takes it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress


class Front:
    """Listens on loopback. `addresses` is asked at each connection."""

    def __init__(self, addresses: Callable[[], list[str]], port: int) -> None:
        self._addresses = addresses
        self._port = port
        self._turn = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Front:
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
        with closing(client):
            addresses = self._addresses()
            self._turn += 1
            for step in range(len(addresses)):
                address = addresses[(self._turn + step) % len(addresses)]
                with suppress(OSError), socket.create_connection((address, self._port), 5) as node:
                    back = threading.Thread(target=pipe, args=[node, client], daemon=True)
                    back.start()
                    pipe(client, node)
                    back.join()
                    return


def pipe(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
