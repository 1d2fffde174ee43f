"""Real exchanges with a 0.2.x server, as an exchange that answers them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollout_kit.transport.messages import Request, Response
from tests.recordings import FOLDER, demand

_OTHER_SERVERS = ("pulumi",)


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


def _files() -> list[Path]:
    found = sorted(FOLDER.glob("*/*.json"))
    return [path for path in found if path.parent.name not in _OTHER_SERVERS]


def load(name: str) -> dict[str, Any]:
    """A file of the recordings as it is (timelines have no request)."""
    demand()
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def recording(name: str) -> Recording:
    loaded = load(name)
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
    found = [f"{path.parent.name}/{path.stem}" for path in _files()]
    single = [name for name in found if "request" in load(name)] if found else []
    return single or ["ready/redis-down"]
