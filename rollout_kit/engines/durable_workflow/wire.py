"""Where the server's calls are and what they carry: addresses, paths, headers, tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport.messages import READ_TIMEOUT_S, Request
from rollout_kit.transport.secret import Secret

CONTROL_PLANE_HEADER = "X-Durable-Workflow-Control-Plane-Version"
CONTROL_PLANE_VERSION = "2"
WRITE_TIMEOUT_S = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Builds requests. `nodes` maps a node's name to its own address, looked up at each request."""

    url: str
    nodes: Mapping[str, str]
    operator: Secret = field(repr=False)
    admin: Secret | None = field(default=None, repr=False)

    def probe(self, node: str | None, path: str) -> Request:
        """A read that needs no token: health and readiness."""
        return Request(
            method="GET", url=self._address(node) + path, headers={"Accept": "application/json"}
        )

    def read(
        self,
        path: str,
        *,
        namespace: str = "",
        node: str | None = None,
        admin: bool = False,
        query: Mapping[str, str] | None = None,
    ) -> Request:
        """A read with a token: the operator's, or (`admin`) the admin's where one was given."""
        asked = f"?{urlencode(query)}" if query else ""
        return Request(
            method="GET",
            url=self._address(node) + path + asked,
            headers=self._headers(namespace, admin=admin),
            credential="admin" if admin and self.admin else "operator",
            timeout_s=READ_TIMEOUT_S,
        )

    def write(
        self, path: str, body: Mapping[str, Any], *, namespace: str, node: str | None = None
    ) -> Request:
        """A write with the operator's token."""
        return Request(
            method="POST",
            url=self._address(node) + path,
            headers={
                **self._headers(namespace, admin=False),
                "Content-Type": "application/json",
            },
            body=json.dumps(body, separators=(",", ":")).encode(),
            credential="operator",
            timeout_s=WRITE_TIMEOUT_S,
        )

    def _headers(self, namespace: str, *, admin: bool) -> dict[str, str | Secret]:
        token = self.admin if admin and self.admin else self.operator
        headers: dict[str, str | Secret] = {
            "Accept": "application/json",
            CONTROL_PLANE_HEADER: CONTROL_PLANE_VERSION,
        }
        if token.reveal():
            headers["Authorization"] = Secret(f"Bearer {token.reveal()}")
        if namespace:
            headers["X-Namespace"] = namespace
        return headers

    def _address(self, node: str | None) -> str:
        if node is None:
            return self.url.rstrip("/")
        if node not in self.nodes:
            known = ", ".join(sorted(self.nodes)) or "none"
            raise Refused(
                f"there is no address of a node named {node!r}; known are {known}",
                hint="name the node under target.nodes",
                trouble=Trouble.NOT_FOUND,
            )
        return self.nodes[node].rstrip("/")


def queue_path(task_queue: str) -> str:
    """`/api/task-queues/<name>`, percent-encoded.

    Raises:
        Refused: the name holds a `/`; the server registers such a queue and never finds it again.
    """
    if "/" in task_queue or not task_queue:
        raise Refused(
            f"the task queue name {task_queue!r} cannot be put into an address",
            why="The server lets workers register on a queue with a '/' in its name, but can "
            "neither show nor drain it.",
            hint="rename the queue, or declare it under release.independent_queues",
            trouble=Trouble.NOT_FOUND,
        )
    if task_queue in (".", ".."):
        return f"/api/task-queues/{task_queue.replace('.', '%2E')}"
    return f"/api/task-queues/{quote(task_queue, safe='')}"


def workflow_path(workflow_id: str) -> str:
    return f"/api/workflows/{quote(workflow_id, safe='')}"
