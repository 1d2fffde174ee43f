"""A recorded request, sent to a node of the emulator in its given state."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from rollout_kit.emulator.app import build
from rollout_kit.emulator.model.settings import ServerSettings
from rollout_kit.emulator.store import Store
from rollout_kit.emulator.wire import Handle, Request, encoded
from tests.contract.recordings.compare import differences

_OF_THE_TRANSPORT = ("host", "connection", "date", "content-length")
_NOT_KEPT = ("[truncated by the recorder", "<gzip bytes>")
_OVERSIZE = b'{"build_id": "' + b"x" * 2_097_161 + b'"}'


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    payload: bytes

    @property
    def text(self) -> str:
        match self.headers.get("content-encoding"):
            case "gzip":
                return gzip.decompress(self.payload).decode()
            case "deflate":
                return zlib.decompress(self.payload).decode()
            case _:
                return self.payload.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def node(settings: ServerSettings, store: Store, now: Callable[[], datetime]) -> Handle:
    return build(settings, store, now)


def send(handle: Handle, request: dict[str, Any]) -> Answer:
    """The request as recorded; placeholders of tokens are the very tokens of the given state."""
    url = urlsplit(request["path"])
    asked = Request(
        method=request["method"],
        path=unquote(url.path),
        raw_path=url.path,
        query={name: values[-1] for name, values in parse_qs(url.query).items()},
        headers={name.lower(): value for name, value in request["headers"].items()},
        body=_body(request["body"]),
    )
    payload, headers = encoded(asked, response := handle(asked))
    return Answer(response.status, {name.lower(): text for name, text in headers}, payload)


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, dict) and set(body) == {"_raw"}:
        raw = str(body["_raw"])
        return _OVERSIZE if raw.startswith("<2097178 bytes") else raw.encode()
    return json.dumps(body).encode()


def when(recording: dict[str, Any]) -> datetime:
    """When the request was sent: the recorder notes the time of the answer."""
    answered = datetime.fromisoformat(recording["recorded_at"])
    return answered - timedelta(milliseconds=recording["elapsed_ms"])


def mismatches(
    response: dict[str, Any], answer: Answer, undetermined: Sequence[str] = ()
) -> list[str]:
    """Where the answer is not the recorded response: status, headers, body."""
    found = []
    if response["status"] != answer.status:
        found.append(f"status: recorded {response['status']}, answered {answer.status}")
    recorded = _kept({name.lower(): value for name, value in response["headers"]})
    found += differences(recorded, _kept(answer.headers), (), "headers")
    if response["body_kind"] == "json":
        return found + list(differences(response["body"], answer.json, undetermined))
    text = str(response["body"])
    if not any(mark in text for mark in _NOT_KEPT):
        found += differences(text, answer.text, (), "text")
    elif text.startswith("<!DOCTYPE html>") and not answer.text.startswith("<!DOCTYPE html>"):
        found.append(f"text: an HTML page was recorded, answered {answer.text[:60]!r}")
    return found


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OF_THE_TRANSPORT}
