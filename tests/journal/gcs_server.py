"""What Google Cloud Storage does otherwise than S3, in front of the S3-compatible server.

No server of its XML interface with conditions and lists is to be had from a registry. That interface is
S3's, but for what a writer needs: a version is a number, the generation, shown and demanded in headers of
its own, and never the same twice, also for the same bytes. A name is written once a second at most; more
often may be answered with 429 and is here where it is asked for, in the first argument.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from itertools import count
from typing import Any

from tests.journal.s3_server import serve

DEMANDED = "HTTP_X_GOOG_IF_GENERATION_MATCH"
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"
"""What the server behind it takes for a caller, in place of a bearer that says nothing to it."""
SHOWN = "x-goog-generation"
ABSENT = 0


class AsGoogleDoes:
    """`apart_s`: seconds that must lie between two writes of one name."""

    def __init__(self, app: Any, apart_s: float) -> None:
        self._app = app
        self._apart_s = apart_s
        self._next = count(1700000000000000)
        self._generations: dict[str, int] = {}
        self._written_s: dict[str, float] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        demanded = environ.pop(DEMANDED, None)
        environ["HTTP_AUTHORIZATION"] = SIGNED
        there = self._generations.get(path, ABSENT)
        if demanded is not None and int(demanded) != there:
            return _refused(start_response, "412 Precondition Failed", "PreconditionFailed")
        if method == "PUT" and path.count("/") > 1:
            now_s = time.monotonic()
            if now_s - self._written_s.get(path, -self._apart_s) < self._apart_s:
                return _refused(start_response, "429 Too Many Requests", "SlowDown")
            self._written_s[path] = now_s
            self._generations[path] = there = next(self._next)
        elif method == "DELETE":
            self._generations.pop(path, None)

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            shown = [(SHOWN, str(there))] if there else []
            return start_response(status, headers + shown, *error)

        found: Iterable[bytes] = self._app(environ, start)
        return found


def _refused(start_response: Any, status: str, code: str) -> list[bytes]:
    start_response(status, [("content-type", "application/xml")])
    return [f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()]


if __name__ == "__main__":
    serve(lambda app: AsGoogleDoes(app, float(sys.argv[1])))
