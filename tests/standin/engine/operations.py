"""One operation: its events, its pending entry, the provider's answer, the new state."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .failure import OperationFailed, PluginDied, Unfinished
from .providers.api import Call, Change
from .snapshot import Resource, Snapshot, strike
from .stream import Stream, state_of

_PENDING = {
    "create": "creating", "create-replacement": "creating", "update": "updating",
    "delete": "deleting", "delete-replaced": "deleting", "read": "reading", "import": "importing",
}  # fmt: skip


class Stopped(Exception):
    """The deployment ends; nothing is begun any more."""


class OperationEnded(Exception):
    """This resource's operation failed, and was said to have."""


class Operations:
    """Does one thing after another on behalf of many threads; counts what was done."""

    def __init__(self, snapshot: Snapshot, stream: Stream, *, preview: bool) -> None:
        self.snapshot, self.stream, self.preview = snapshot, stream, preview
        self.lock = threading.RLock()
        self._idle = threading.Condition(self.lock)
        self._active = 0
        self.cancelled = threading.Event()
        self.stopped = False
        self.failed = False
        self.counts: Counter[str] = Counter()
        self.died = ""  # the package whose plugin went away

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            self._idle.notify_all()

    def wait_idle(self, patience_s: float = 3600) -> None:
        """Until no operation is under way."""
        with self.lock:
            self._idle.wait_for(lambda: self._active == 0, patience_s)

    def call(self, resource: Resource, operation: str = "") -> Call:
        urn = resource["urn"]
        timeouts = resource.get("customTimeouts") or {}
        return Call(
            urn=urn,
            type=resource["type"],
            preview=self.preview,
            cancelled=self.cancelled,
            say=lambda text: self.stream.diagnostic("info", text, urn, ephemeral=True),
            warn=lambda text: self.stream.diagnostic("warning", text, urn),
            timeout_s=timeouts.get(operation),
        )

    def pre(self, op: str, old: Resource | None, new: Resource | None, change: Change) -> None:
        self.stream.emit("resourcePreEvent", _meta(op, old, new, change))

    def post(self, op: str, old: Resource | None, new: Resource | None, change: Change) -> None:
        self.stream.emit("resOutputsEvent", _meta(op, old, new, change))

    def run(
        self,
        op: str,
        old: Resource | None,
        new: Resource | None,
        change: Change,
        work: Callable[[], tuple[str, dict[str, Any]]],
        settle: Callable[[str, dict[str, Any], list[str]], None],
    ) -> None:
        """Pre event, pending entry, `work`, `settle(id, outputs, reasons)`, post event.

        Raises OperationEnded where it failed, Stopped where nothing may begin any more.
        """
        subject = new or old
        assert subject is not None
        with self.lock:
            if self.stopped or self.cancelled.is_set():
                raise Stopped
            self._active += 1
            self.pre(op, old, new, change)
            pending = None if self.preview else self.snapshot.begin(_PENDING[op], subject)
        reasons: list[str] = []
        failure: Exception | None = None
        id_, outputs = "", {}
        try:
            if not self.preview:
                strike("begun", subject, op)
            id_, outputs = work()
            if not self.preview:
                strike("applied", subject, op, (id_, outputs))
        except Unfinished as wrong:
            id_, outputs, reasons, failure = wrong.id, wrong.outputs, wrong.reasons, wrong
        except OperationFailed as wrong:
            failure = wrong
        except Exception as wrong:  # noqa: BLE001 - a provider's own trouble is an error of the resource
            failure = OperationFailed(f"{type(wrong).__name__}: {wrong}")
        with self.lock:
            self._active -= 1
            self._idle.notify_all()
            if pending is not None:
                self.snapshot.end(pending)
            if failure is None or reasons:
                settle(id_, outputs, reasons)
            self.snapshot.write()
            if failure is None:
                if not self.preview:
                    strike("recorded", subject, op)
                self.post(op, old, new, change)
                return
            self._fail(op, old, new, change, failure)
        raise OperationEnded

    def _fail(
        self,
        op: str,
        old: Resource | None,
        new: Resource | None,
        change: Change,
        failure: Exception,
    ) -> None:
        self.failed = True
        urn = ((new or old) or {})["urn"]
        if isinstance(failure, Unfinished):
            lines = "".join(f"\t* {reason}\n" for reason in failure.reasons)
            count = len(failure.reasons)
            text = f"{count} error{'s' if count > 1 else ''} occurred:\n{lines}\n"
        else:
            text = str(failure)
        prefix = "Preview failed: " if self.preview else ""
        message = prefix + text
        self.stream.emit(
            "diagnosticEvent",
            {
                "urn": urn,
                "prefix": "error: ",
                "message": message + "\n",
                "color": "never",
                "severity": "error",
            },
        )
        if isinstance(failure, PluginDied):
            self.died = str(subject_type(new or old)).partition(":")[0]
        if self.preview:
            return
        self.stream.emit(
            "resOpFailedEvent",
            {**_meta(op, old, new, change), "status": 0, "steps": sum(self.counts.values())},
        )


def subject_type(resource: Resource | None) -> str:
    return (resource or {}).get("type", "")


def _meta(op: str, old: Resource | None, new: Resource | None, change: Change) -> dict[str, Any]:
    subject = new or old or {}
    meta: dict[str, Any] = {
        "op": op,
        "urn": subject["urn"],
        "type": subject["type"],
        "old": state_of(old),
        "new": state_of(new),
    }
    if change.replaces:
        meta["keys"] = change.replaces
    tops = sorted({path.split(".")[0].split("[")[0] for path in change.paths})
    if tops and change.by_inputs:
        meta["diffs"] = tops
    meta["detailedDiff"] = {
        path: {"diffKind": kind, "inputDiff": change.by_inputs}
        for path, kind in change.paths.items()
        if change.detailed
    } or None
    meta["logical"] = True
    meta["provider"] = subject.get("provider", "")
    return {"metadata": meta}


def seconds() -> int:
    return int(time.time())
