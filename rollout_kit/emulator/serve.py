"""One API node as a process: `python -m rollout_kit.emulator.serve --database PATH --port N`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import WSGITask

from rollout_kit.emulator import process
from rollout_kit.emulator.app import NoAnswer, build
from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.emulator.wire import Handle, Request, Response, wsgi

_LOOK_EVERY_S = 0.1
_CONNECTIONS = 1000


class _ClosingTask(WSGITask):
    """Every answer ends its connection, as the server's do: a detached node keeps no client."""

    def __init__(self, channel: Any, request: Any) -> None:
        super().__init__(channel, request)
        request.headers["CONNECTION"] = "close"


def holding_polls(
    handle: Handle,
    *,
    at_most: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Handle:
    """Ask again while a poll finds nothing, for as long as it wants to be held.

    `at_most`: so many are held at a time; who comes beyond is told to come again in a second.
    """
    places = threading.BoundedSemaphore(at_most) if at_most is not None else None

    def held(request: Request) -> Response:
        response = handle(request)
        if response.hold_s is None or places is None:
            return awaited(request, response)
        if not places.acquire(blocking=False):
            return _no_place(response)
        try:
            return awaited(request, response)
        finally:
            places.release()

    def awaited(request: Request, response: Response) -> Response:
        began = monotonic()
        while response.hold_s is not None and (left := began + response.hold_s - monotonic()) > 0:
            sleep(min(_LOOK_EVERY_S, left))
            response = handle(request)
        return response

    return held


def _no_place(response: Response) -> Response:
    body = {
        "task": None,
        "error": "This node holds as many long polls as it may.",
        "reason": "long_poll_capacity_exhausted",
    }
    headers = (*response.headers, ("Retry-After", "1"))
    return replace(response, status=429, body=body, headers=headers, hold_s=None)


def never_answering(handle: Handle) -> Handle:
    """A frozen database holds the request's thread for ever."""

    def guarded(request: Request) -> Response:
        try:
            return handle(request)
        except NoAnswer:
            threading.Event().wait()
            raise

    return guarded


def main(argv: list[str] | None = None) -> int:
    arguments = process.parser(__doc__ or "")
    arguments.add_argument("--port", type=int, required=True, help="port to listen on")
    arguments.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    arguments.add_argument(
        "--threads", type=int, default=48, help="requests at a time (default: %(default)s)"
    )
    options = arguments.parse_args(argv)
    settings = process.settings(options)
    store = SqliteStore(options.database, create=False)
    node = build(settings, store, process.utc_now)
    handle = never_answering(holding_polls(node, at_most=settings.long_polls_at_most))
    HTTPChannel.task_class = _ClosingTask
    try:
        server = create_server(
            wsgi(handle),
            host=options.host,
            port=options.port,
            threads=options.threads,
            connection_limit=_CONNECTIONS,
            ident=None,
        )
    except OSError as error:
        sys.stderr.write(f"error: cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    process.end_on_signals()
    server.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
