"""Engine events in their wire form: over gRPC, into a file, or as JSON lines on standard output."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import values
from .session import out

Event = dict[str, Any]


class Stream:
    """Numbers the events and hands them to whoever listens, in order."""

    def __init__(self, address: str, *, json_lines: bool) -> None:
        self._lock = threading.Lock()
        self._sequence = 0
        self._listeners: list[Callable[[Event], None]] = []
        self._closers: list[Callable[[], None]] = []
        if address.startswith("tcp://"):
            self._over_grpc(address.removeprefix("tcp://"))
        elif address:
            file = Path(address).open("a")  # noqa: SIM115 - closed with the stream
            self._listeners.append(lambda event: _line(file, event))
            self._closers.append(file.close)
        if json_lines:
            self._listeners.append(lambda event: out(_text(event)) if not _debug(event) else None)

    def listen(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def emit(self, kind: str, content: dict[str, Any]) -> None:
        with self._lock:
            event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: content}
            self._sequence += 1
            for listener in self._listeners:
                listener(event)

    def diagnostic(
        self, severity: str, message: str, urn: str = "", *, ephemeral: bool = False
    ) -> None:
        """`message` as people read it; it always ends its line."""
        content: dict[str, Any] = {"urn": urn} if urn else {}
        content["prefix"] = f"{severity}: " if severity != "info" else ""
        content |= {"message": message.rstrip("\n") + "\n", "color": "never", "severity": severity}
        if ephemeral:
            content["ephemeral"] = True
        self.emit("diagnosticEvent", content)

    def close(self) -> None:
        self.emit("cancelEvent", {})
        for closer in self._closers:
            closer()

    def _over_grpc(self, target: str) -> None:
        import grpc

        from .wire import stubs

        pb, services = stubs("events_pb2"), stubs("events_pb2_grpc")
        waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def requests() -> Iterator[Any]:
            while (text := waiting.get()) is not None:
                yield pb.EventRequest(event=text)

        channel = grpc.insecure_channel(target)
        call = services.EventsStub(channel).StreamEvents.future(requests())
        self._listeners.append(lambda event: waiting.put(_text(event)))

        def close() -> None:
            waiting.put(None)
            try:
                call.result(timeout=10)
            except grpc.RpcError:
                pass  # nobody listens any more
            except grpc.FutureTimeoutError:
                pass
            channel.close()

        self._closers.append(close)


def _text(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"))


def _line(file: Any, event: Event) -> None:
    file.write(_text(event) + "\n")
    file.flush()


def _debug(event: Event) -> bool:
    return event.get("diagnosticEvent", {}).get("severity") == "debug"


def state_of(resource: dict[str, Any] | None) -> dict[str, Any] | None:
    """A resource as events show it: secrets masked."""
    if resource is None:
        return None
    shown: dict[str, Any] = {"type": resource["type"], "urn": resource["urn"]}
    for flag in ("custom", "delete"):
        if resource.get(flag):
            shown[flag] = True
    shown |= {"id": resource.get("id", ""), "parent": resource.get("parent", "")}
    if resource.get("protect"):
        shown["protect"] = True
    if resource.get("retainOnDelete"):
        shown["retainOnDelete"] = True
    shown["inputs"] = values.mask(resource.get("inputs") or {})
    shown["outputs"] = values.mask(resource.get("outputs") or {})
    shown["provider"] = resource.get("provider", "")
    if resource.get("initErrors"):
        shown["initErrors"] = resource["initErrors"]
    return shown
