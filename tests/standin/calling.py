"""Calls of the SDK and of the CLI as a recording words them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from pulumi import automation as auto
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

from .comparing import plain_event

UPDATES = {"up", "preview", "refresh", "destroy", "preview_refresh"}
NAMES: dict[str, Any] = {
    "auto": auto,
    "ConfigValue": auto.ConfigValue,
    "LocalWorkspaceOptions": auto.LocalWorkspaceOptions,
}


class Recorder:
    """A stack whose updates are listened to as they were in the recording."""

    def __init__(self, stack: auto.Stack, heard: list[dict] | None, outputs: list[str]) -> None:
        self._stack, self._heard, self._outputs = stack, heard, outputs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stack, name)
        if name not in UPDATES:
            return found

        def call(**given: Any) -> Any:
            if self._heard is not None:
                given["on_event"] = lambda event: self._heard.append(plain_event(event))
            result = found(**given)
            self._outputs.append(result.stdout)
            return result

        return call


def expression(text: str) -> str:
    """`stack.up(message='x') with remarks` without the remarks."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return text[: at + 1]
    return text


@contextlib.contextmanager
def served(run: Callable[[], None]) -> Iterator[int]:
    """A language server of the program, for raw calls of the CLI."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(run), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0)
