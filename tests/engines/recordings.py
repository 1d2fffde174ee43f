"""Real exchanges with a 0.2.x server, as an exchange that answers them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rollout_kit.transport.messages import Request, Response
from tests.contract.recordings import folder


@dataclass(frozen=True)
class Recording:
    """One exchange: what was asked, what came back."""

    name: str
    method: str
    path: str
    headers: dict[str, str]
    sent: Any
    status: int
    body: Any  # as recorded: JSON, or the text of a body that was none
    response: Response

    def exchange(self, request: Request) -> Response:
        assert request.method == self.method
        return self.response


def recording(name: str) -> Recording:
    loaded = folder.load(name)
    asked, answered = loaded["request"], loaded["response"]
    is_json = answered["body_kind"] == "json"
    body = json.dumps(answered["body"]) if is_json else str(answered["body"] or "")
    headers = {key.lower(): value for key, value in answered["headers"]}
    return Recording(
        name=name,
        method=asked["method"],
        path=asked["path"],
        headers=asked["headers"],
        sent=asked["body"],
        status=answered["status"],
        body=answered["body"],
        response=Response(status=answered["status"], headers=headers, body=body.encode()),
    )


def names() -> list[str]:
    """Every single exchange; one that stands for all where the recordings are absent."""
    single = [name for name in folder.names() if "request" in folder.load(name)]
    return single or ["ready/redis-down"]
