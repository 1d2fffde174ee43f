"""The load: starts workflows all the time, through the front, until it is told to stop.

    python -m rollout_kit.sandbox.load --url URL --ledger FILE --queues orders,shipping

A start that gets no answer is sent again under the same id until the answer is clear: the id makes
it safe. Told to stop (SIGTERM), it settles what it has sent and exits.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from queue import Queue

from rollout_kit.sandbox.ledger import Heard, Start, note
from rollout_kit.sandbox.wire import CONTROL_PLANE, NoAnswer, Wire

_SENDERS = 4
_AGAIN_S = 0.2
_SETTLED_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of work in the mix; `place` is the index of the queue it starts on."""

    workflow_type: str
    place: int = 0
    argument: Mapping[str, object] | None = None


MIX = (
    Kind(workflow_type="short"),
    Kind(workflow_type="cross"),
    Kind(workflow_type="timer", argument={"seconds": 2}),
    Kind(workflow_type="short", place=1),
    Kind(workflow_type="long", argument={"seconds": 8}),
    Kind(workflow_type="parent"),
    Kind(workflow_type="short"),
    Kind(workflow_type="continued", argument={"times": 2}),
    Kind(workflow_type="cross"),
    Kind(workflow_type="stumbling"),
    Kind(workflow_type="timer", argument={"seconds": 4}),
    Kind(workflow_type="short", place=1),
    Kind(workflow_type="short"),
    Kind(workflow_type="cross"),
    Kind(workflow_type="timer", place=1, argument={"seconds": 3}),
    Kind(workflow_type="parent"),
    Kind(workflow_type="short"),
    Kind(workflow_type="cross"),
    Kind(workflow_type="short", place=1),
    Kind(workflow_type="timer", argument={"seconds": 1}),
)
"""In turn."""

RETRIED = Kind(workflow_type="retried")
_RETRIED_EVERY = 180
"""It fails one run by design, whose successor completes: seldom, for failed runs are what gates
watch."""


class Load:
    """Sends starts from several threads at a steady rate, and writes down what it hears."""

    def __init__(self, wire: Wire, ledger: Path, queues: tuple[str, ...], rate_hz: float) -> None:
        self._wire = wire
        self._ledger = ledger
        self._queues = queues
        self._every_s = 1 / rate_hz
        self._writing = threading.Lock()
        self.stopping = threading.Event()

    def run(self) -> None:
        todo: Queue[tuple[Start, Kind] | None] = Queue()
        senders = [threading.Thread(target=self._send_all, args=(todo,)) for _ in range(_SENDERS)]
        for sender in senders:
            sender.start()
        due = time.monotonic()
        for start, kind in _starts():
            due += self._every_s
            if self.stopping.wait(max(0.0, due - time.monotonic())):
                break
            todo.put((start, kind))
        for _ in senders:
            todo.put(None)
        for sender in senders:
            sender.join()

    def _send_all(self, todo: Queue[tuple[Start, Kind] | None]) -> None:
        while (item := todo.get()) is not None:
            start, kind = item
            self._note(start)
            body = {
                "workflow_type": kind.workflow_type,
                "workflow_id": start.workflow_id,
                "task_queue": self._queues[kind.place % len(self._queues)],
                "input": [_argument(kind)],
                "duplicate_policy": "use-existing",
            }
            self._settle(start, body)

    def _settle(self, start: Start, body: Mapping[str, object]) -> None:
        """Send until the answer is clear; say so when it never becomes clear."""
        until: float | None = None
        said = False
        while True:
            heard, because = self._send(body)
            if heard is not Heard.UNKNOWN:
                self._note(replace(start, heard=heard, because=because))
                return
            if not said:
                self._note(replace(start, heard=heard, because=because))
                said = True
            if self.stopping.is_set():
                until = until or time.monotonic() + _SETTLED_WITHIN_S
                if time.monotonic() > until:
                    return
            time.sleep(_AGAIN_S)

    def _send(self, body: Mapping[str, object]) -> tuple[Heard, str]:
        try:
            answer = self._wire.call("POST", "/api/workflows", body)
        except NoAnswer as error:
            return Heard.UNKNOWN, str(error)
        outcome = str(answer.body.get("outcome") or "")
        if answer.status in {200, 201} or outcome == "rejected_duplicate":
            return Heard.ACKNOWLEDGED, ""  # a duplicate: an earlier sending got through
        because = f"{answer.status} {answer.reason or outcome}"
        return (Heard.UNKNOWN if answer.status >= 500 else Heard.REFUSED), because

    def _note(self, start: Start) -> None:
        with self._writing:
            note(self._ledger, start)


def _starts() -> Iterator[tuple[Start, Kind]]:
    """Ids that no other load ever used."""
    prefix = f"load-{os.urandom(3).hex()}"
    for number, usual in enumerate(cycle(MIX)):
        kind = RETRIED if number % _RETRIED_EVERY == len(MIX) // 2 else usual
        workflow_id = f"{prefix}-{number}-{kind.workflow_type}"
        yield (
            Start(workflow_id=workflow_id, workflow_type=kind.workflow_type, heard=Heard.SENT),
            kind,
        )


def _argument(kind: Kind) -> Mapping[str, object]:
    if kind.workflow_type == "retried":
        return {"not_before": time.time() + 0.7}
    return kind.argument or {}


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description="The load of the sandbox.")
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--namespace", default="default")
    arguments.add_argument("--ledger", type=Path, required=True)
    arguments.add_argument("--queues", required=True, help="comma list; the first gets most")
    arguments.add_argument("--rate", type=float, default=4.0, help="starts per second")
    options = arguments.parse_args(argv)
    wire = Wire(
        url=options.url,
        token=os.environ["DW_OPERATOR_TOKEN"],
        namespace=options.namespace,
        headers=CONTROL_PLANE,
        timeout_s=5.0,
    )
    load = Load(wire, options.ledger, tuple(options.queues.split(",")), options.rate)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: load.stopping.set())
    load.run()
    sys.stdout.write("stopped, all settled\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
