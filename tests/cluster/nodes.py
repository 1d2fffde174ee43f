"""Nodes that stand for workflow servers in pods, and what reaches them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rollout_kit.transport.messages import Request, Response
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.transport.secret import Secret
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.reaching import Reaching
from tests.cluster.objects import PORT, address_of, place
from tests.toolchain.cluster import Cluster, eventually

BEARER = "Bearer a-token-of-the-workflow-server"
TOKEN = {"Authorization": Secret(BEARER)}
Serve = Callable[[str], None]
"""Start a node at this address."""


class Node(ThreadingHTTPServer):
    """Silent about clients that do not wait for their answer."""

    def handle_error(self, *_: object) -> None:
        """Not among the tests' output."""


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked; `/unready` with 503, `/slow` after a while, `/long` at length."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for an answer

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        if self.path.startswith("/slow"):
            time.sleep(1.5)
        more = "x" * 300_000 if self.path.startswith("/long") else ""
        heard = {name.lower(): value for name, value in self.headers.items()}
        said = {
            "method": self.command,
            "path": self.path,
            "body": body,
            "headers": heard,
            "more": more,
        }
        said["server"] = self.server.server_address[0]
        answer = json.dumps(said).encode()
        self.send_response(503 if self.path.startswith("/unready") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close")  # an address may be another pod's next
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Not among the tests' output."""


def serve_until(over: ExitStack) -> Serve:
    """What is started is gone when `over` is."""

    def start(address: str) -> None:
        server = Node((address, PORT), Echo)
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        over.callback(server.server_close)
        over.callback(server.shutdown)

    return start


def through(kubeconfig: Path, context: str = "") -> Reaching:
    clock = SystemClock()
    direct = NetworkExchange(monotonic_s=clock.monotonic_s)
    return Reaching(
        direct, environment=os.environ, clock=clock, kubeconfig=kubeconfig, context=context
    )


def asked(space: str, target: str, *, kind: str = "StatefulSet", **more: Any) -> Request:
    url = f"kubernetes://{space}/{kind}/api-1:{PORT}{target}"
    return Request(**{"method": "GET", "url": url, "timeout_s": 10.0} | more)


def said(answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    return found


def ready(
    cluster: Cluster, space: str, serve: Serve, kind: str = "StatefulSet", **changes: Any
) -> str:
    """Place `api-1`, whose pod is a node that answers; the node's address."""
    place(cluster, space, kind, "api-1", **changes)
    address = eventually(lambda: address_of(cluster, space, "api-1"))
    path = f"/apis/apps/v1/namespaces/{space}/{kind.lower()}s/api-1"
    assert eventually(lambda: cluster.call("GET", path)["status"].get("readyReplicas") == 1)
    serve(address)
    if kind == "StatefulSet":
        cluster.forward(space, "api-1-0", PORT, address)
    return address
