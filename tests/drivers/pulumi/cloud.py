"""A stand-in for Pulumi Cloud: the part of its wire that the CLI uses for one stack after the other.

Written after the public client (`httpstate` and `apitype` of the CLI), not after the service itself.
It announces no capabilities and no journal, so that checkpoints come whole. One update of a stack
holds a lease at a time; a second one gets 409. A lease that is not renewed ends its update.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.drivers.pulumi.cloud_stacks import Answer, CloudStack, Stacks

TOKEN = "pul-a-token-of-the-tests"
USER = "ann"
ORGANIZATION = "acme"


class Cloud:
    """The service: where it is, what it holds, and what it was asked."""

    def __init__(self, url: str, stacks: Stacks) -> None:
        self.url = url
        self.stacks = stacks

    def stack(self, name: str = f"{ORGANIZATION}/proj/dev") -> CloudStack:
        return self.stacks.named[name]

    def made(self, name: str) -> CloudStack:
        """A stack that nobody has updated yet."""
        organization, project, stack = name.split("/")
        self.stacks.create({"org": organization, "project": project}, {"stackName": stack})
        return self.stack(name)


@contextmanager
def cloud(*, lease_s: float = 300.0) -> Iterator[Cloud]:
    """A service on a port of its own, gone at the end. `lease_s`: how long a silent update holds on."""
    stacks = Stacks(lease_s=lease_s)

    class Handler(_Handler):
        service = stacks

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Cloud(f"http://127.0.0.1:{server.server_port}", stacks)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Stacks

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent: a test that fails asks `Stacks.asked`."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        parts = urlsplit(self.path)
        self.service.asked.append(f"{self.command} {parts.path}")
        kind, _, given = (self.headers.get("Authorization") or "").partition(" ")
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if kind != "update-token" and given != TOKEN:
            answer = Answer.error(HTTPStatus.UNAUTHORIZED, "Unauthorized: No credentials provided.")
        else:
            answer = _routed(self.service, self.command, parts.path, body, asked, given)
        self._send(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = do_PUT = _serve  # noqa: N815

    def _send(self, answer: Answer) -> None:
        data = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


_STACK = r"/api/stacks/(?P<org>[^/]+)/(?P<project>[^/]+)/(?P<stack>[^/]+)"
_UPDATE = _STACK + r"/(?P<kind>update|preview|refresh|destroy)/(?P<id>[^/]+)"


def _routed(
    service: Stacks, method: str, path: str, body: bytes, asked: dict[str, str], token: str
) -> Answer:
    for verb, pattern, act in _ROUTES:
        found = re.fullmatch(pattern, path)
        if verb == method and found is not None:
            said = json.loads(body) if body else {}
            with service.lock:
                service.end_silent_updates()
                return act(service, {**asked, **found.groupdict()}, said, token)
    return Answer.error(HTTPStatus.NOT_FOUND, f"Not Found: {method} {path}")


def _user(service: Stacks, at: Any, said: Any, token: str) -> Answer:
    named = [{"name": name, "githubLogin": name} for name in (USER, ORGANIZATION)]
    return Answer({"id": USER, "githubLogin": USER, "name": USER, "organizations": named})


def _of_stack(act: Callable[[CloudStack, Any, Any], Answer]) -> _Act:
    def acting(service: Stacks, at: Any, said: Any, token: str) -> Answer:
        stack = service.named.get(f"{at['org']}/{at['project']}/{at['stack']}")
        if stack is None:
            return Answer.error(HTTPStatus.NOT_FOUND, f"Not Found: Stack '{at['stack']}' not found")
        return act(stack, at, said)

    return acting


def _of_update(act: Callable[[CloudStack, Any, Any], Answer]) -> _Act:
    """For who holds the update's lease alone."""

    def acting(service: Stacks, at: Any, said: Any, token: str) -> Answer:
        stack = service.named[f"{at['org']}/{at['project']}/{at['stack']}"]
        if stack.update(at["id"]).token != token:
            return Answer.error(HTTPStatus.FORBIDDEN, "Forbidden: the update's lease has ended")
        return act(stack, at, said)

    return acting


_Act = Callable[[Stacks, Any, Any, str], Answer]
_ROUTES: tuple[tuple[str, str, _Act], ...] = (
    ("GET", r"/api/user", _user),
    ("GET", r"/api/capabilities", lambda *_: Answer({"capabilities": []})),
    ("GET", r"/api/user/stacks", lambda s, at, said, _: s.listed(at)),
    ("HEAD", r"/api/stacks/[^/]+/(?P<project>[^/]+)", lambda s, at, said, _: s.has_project(at)),
    ("POST", r"/api/stacks/(?P<org>[^/]+)/(?P<project>[^/]+)", lambda s, at, said, _: s.create(at, said)),
    ("GET", _STACK, _of_stack(lambda stack, at, said: stack.described())),
    ("DELETE", _STACK, lambda s, at, said, _: s.delete(at)),
    ("GET", _STACK + r"/export(/(?P<version>\d+))?", _of_stack(lambda stack, at, said: stack.exported())),
    ("POST", _STACK + r"/import", _of_stack(lambda stack, at, said: stack.imported(said))),
    ("PATCH", _STACK + r"/tags", _of_stack(lambda stack, at, said: Answer())),
    ("POST", _STACK + r"/encrypt", _of_stack(lambda stack, at, said: stack.encrypted(said))),
    ("POST", _STACK + r"/decrypt", _of_stack(lambda stack, at, said: stack.decrypted(said))),
    ("POST", _STACK + r"/batch-decrypt", _of_stack(lambda stack, at, said: stack.all_decrypted(said))),
    ("GET", _STACK + r"/updates", _of_stack(lambda stack, at, said: stack.history(at))),
    ("GET", _STACK + r"/updates/latest", _of_stack(lambda stack, at, said: stack.latest())),
    ("POST", _STACK + r"/(?P<kind>update|preview|refresh|destroy)",
     _of_stack(lambda stack, at, said: stack.create_update(at["kind"], said))),
    ("GET", _UPDATE, _of_stack(lambda stack, at, said: stack.status(at["id"]))),
    ("POST", _UPDATE, _of_stack(lambda stack, at, said: stack.start(at["id"]))),
    ("POST", _UPDATE + r"/cancel", _of_stack(lambda stack, at, said: stack.cancel(at["id"]))),
    ("PATCH", _UPDATE + r"/checkpoint", _of_update(lambda stack, at, said: stack.checkpoint(said))),
    ("POST", _UPDATE + r"/events/batch", _of_update(lambda stack, at, said: Answer())),
    ("POST", _UPDATE + r"/renew_lease", _of_update(lambda stack, at, said: stack.renew(at["id"]))),
    ("POST", _UPDATE + r"/complete",
     _of_update(lambda stack, at, said: stack.complete(at["id"], said["status"]))),
)  # fmt: skip
