"""An S3-compatible server in a process of its own, for as long as its standard input stays open.

moto was picked: one package of the ordinary registry, neither container nor binary, and it answers
If-None-Match and If-Match of a PUT as S3 does (412; `prove` asks it once more in every run). What it
does not do is decide in one step: it looks at what stands there and writes afterwards, while its other
threads run. With threads that switch often, 5 of 60 races of eight creates had two winners or a broken
answer; with `OneAtATime` before it, none. S3 decides in one step, so here that is part of the server.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

BUCKET = "state"


class OneAtATime:
    """A WSGI application that serves one request at a time, whatever the number of connections."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._mutex = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._mutex:
            return [b"".join(self._app(environ, start_response))]


def serve(dressed: Callable[[Any], Any] = lambda app: app) -> None:
    """Say the port on standard output, and serve. `dressed` puts another server's manners on it."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app: Any = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, OneAtATime(dressed(app)), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    serve()
