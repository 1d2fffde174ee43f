"""HTTP for the sandbox's own programs: one request, one connection, plain JSON."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CONTROL_PLANE = {"X-Durable-Workflow-Control-Plane-Version": "2"}


class NoAnswer(Exception):
    """Nothing usable came back: what was asked for may have happened or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and a JSON object (empty where the body was none)."""

    status: int
    body: Mapping[str, object]

    @property
    def reason(self) -> str:
        return str(self.body.get("reason") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Where the server is and who we are."""

    url: str
    token: str
    namespace: str
    headers: Mapping[str, str]
    timeout_s: float = 10.0

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """Raises NoAnswer: connection refused, cut or too slow, or an answer that is no JSON."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=self.timeout_s
        )
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self.token}",
            "X-Namespace": self.namespace,
            "Connection": "close",
            **self.headers,
        }
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
            decoded = json.loads(text) if text else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"{method} {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        return Answer(status=response.status, body=decoded if isinstance(decoded, dict) else {})
