"""A worker process: registers, polls, replays, and goes when told to.

    python -m rollout_kit.sandbox.worker --url URL --task-queue orders --other-queue shipping

Its build and id come from the environment (`DW_WORKER_BUILD_ID`, `ROLLOUT_KIT_WORKER_ID`), its token
too. Like the official workers it does not end when its build is drained: it goes on polling. Told
to end (SIGTERM), it finishes what it holds, says good-bye where the server knows that, and exits.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from rollout_kit.sandbox.wire import Answer, NoAnswer, Wire
from rollout_kit.sandbox.workflows import (
    ACTIVITIES,
    FOREVER_S,
    WORKFLOWS,
    Given,
    NotDeterministic,
    argument_of,
    begins_with_timer,
    decide,
    envelope,
    timer,
)

_PAUSE_S = 0.5
_WORK_S = 0.05
_TRIED_FOR_S = 6.0
_FLAKY_ATTEMPTS = 5
_SLOTS = 4
_ACTIVITY_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this worker is. `flaw`: `hang` never ends a run but `ping`s; `flaky` fails each
    activity five times before it succeeds."""

    worker_id: str
    build_id: str | None
    task_queue: str
    other_queue: str
    heartbeat_s: float  # 0: none, as the official workers of 0.2.x
    says_goodbye: bool
    flaw: str


class Worker:
    """Polls in threads of its own until `leaving` is set."""

    def __init__(self, wire: Wire, settings: Settings) -> None:
        self._wire = wire
        self._is = settings
        self.leaving = threading.Event()
        self._held = 0
        self._counting = threading.Lock()

    def run(self) -> None:
        """Returns when told to leave and nothing is held any more."""
        self._register()
        pollers = [threading.Thread(target=self._poll, args=("workflow", self._workflow_task))]
        pollers += [
            threading.Thread(target=self._poll, args=("activity", self._activity_task))
            for _ in range(_ACTIVITY_THREADS)
        ]
        for thread in pollers:
            thread.start()
        beating = self._is.heartbeat_s > 0
        while not self.leaving.wait(self._is.heartbeat_s if beating else None):
            self._beat()
        for thread in pollers:
            thread.join()
        if self._is.says_goodbye:
            path = f"/api/worker/registrations/{quote(self._is.worker_id, safe='')}"
            self._try("DELETE", path)

    def _register(self) -> None:
        build = {} if self._is.build_id is None else {"build_id": self._is.build_id}
        body = {
            "worker_id": self._is.worker_id,
            "task_queue": self._is.task_queue,
            "runtime": "python",
            "sdk_version": "rollout-kit-sandbox/1",
            "supported_workflow_types": list(WORKFLOWS),
            "supported_activity_types": list(ACTIVITIES),
            "workflow_definition_fingerprints": {
                name: hashlib.sha256(f"{name} {self._is.build_id}".encode()).hexdigest()
                for name in WORKFLOWS
            },
            "max_concurrent_workflow_tasks": _SLOTS,
            "max_concurrent_activity_tasks": _SLOTS,
            "task_slots": self._slots(),
            **build,
        }
        while not self.leaving.is_set():
            answer = self._try("POST", "/api/worker/register", body)
            if answer is not None and answer.status == 201:
                # The first heartbeat at once: until then nobody may promote this build.
                if self._is.heartbeat_s > 0:
                    self._beat()
                return
            self.leaving.wait(_PAUSE_S)

    def _beat(self) -> None:
        body = {"worker_id": self._is.worker_id, "task_slots": self._slots()}
        self._try("POST", "/api/worker/heartbeat", body)

    def _slots(self) -> dict[str, int]:
        free = _SLOTS - self._held
        return {
            "workflow_available": free,
            "workflow_capacity": _SLOTS,
            "activity_available": free,
            "activity_capacity": _SLOTS,
        }

    def _poll(self, kind: str, work: Callable[[Mapping[str, object]], None]) -> None:
        body = {"worker_id": self._is.worker_id, "task_queue": self._is.task_queue}
        if self._is.build_id is not None:
            body["build_id"] = self._is.build_id
        while not self.leaving.is_set():
            answer = self._try("POST", f"/api/worker/{kind}-tasks/poll", body)
            task = answer.body.get("task") if answer is not None else None
            if isinstance(task, Mapping):
                self._count(+1)
                try:
                    work(task)
                finally:
                    self._count(-1)
            elif answer is None or answer.status != 200:
                if answer is not None and answer.reason == "worker_not_registered":
                    self._register()
                self.leaving.wait(_PAUSE_S)

    def _count(self, step: int) -> None:
        with self._counting:
            self._held += step

    def _workflow_task(self, task: Mapping[str, object]) -> None:
        given = Given(
            workflow_type=str(task["workflow_type"]),
            argument=argument_of(task.get("arguments")),
            other_queue=self._is.other_queue,
        )
        attempt = {
            "lease_owner": task["lease_owner"],
            "workflow_task_attempt": task["workflow_task_attempt"],
        }
        path = f"/api/worker/workflow-tasks/{task['task_id']}"
        try:
            events = self._history(task, attempt)
            commands = self._commands(given, events)
        except (NotDeterministic, KeyError) as error:
            failure = {"message": f"{type(error).__name__}: {error}", "type": "ReplayError"}
            self._insist(f"{path}/fail", {**attempt, "failure": failure})
            return
        self._insist(f"{path}/complete", {**attempt, "commands": commands})

    def _commands(
        self, given: Given, events: list[Mapping[str, object]]
    ) -> list[Mapping[str, object]]:
        if self._is.flaw == "hang" and given.workflow_type != "ping":
            # It takes the run and waits for what never comes.
            return [] if begins_with_timer(events) else [timer(FOREVER_S)]
        return decide(given, events)

    def _history(
        self, task: Mapping[str, object], attempt: Mapping[str, object]
    ) -> list[Mapping[str, object]]:
        """All of it: what comes with the task is its first page."""
        page: Mapping[str, object] = task
        events: list[Mapping[str, object]] = []
        while True:
            found = page.get("history_events")
            events += found if isinstance(found, list) else []
            token = page.get("next_history_page_token")
            if not token:
                return events
            path = f"/api/worker/workflow-tasks/{task['task_id']}/history"
            answer = self._insist(path, {**attempt, "next_history_page_token": token})
            if answer is None:
                msg = "the rest of the history was not to be had"
                raise NotDeterministic(msg)
            page = answer.body

    def _activity_task(self, task: Mapping[str, object]) -> None:
        path = f"/api/worker/activity-tasks/{task['task_id']}"
        attempt = {
            "lease_owner": task["lease_owner"],
            "activity_attempt_id": task["activity_attempt_id"],
        }
        number = task["attempt_number"]
        tried = number if isinstance(number, int) else 1
        time.sleep(_WORK_S)
        name = task["activity_type"]
        if (self._is.flaw == "flaky" and tried <= _FLAKY_ATTEMPTS) or (
            name == "stumble" and tried == 1
        ):
            failure = {"message": f"attempt {tried} failed", "type": "Stumbled"}
            self._insist(f"{path}/fail", {**attempt, "failure": failure})
            return
        result: object = "done"
        if name == "time-has-come":
            at = argument_of(task.get("arguments")).get("not_before")
            result = not isinstance(at, int | float) or time.time() >= at
        self._insist(f"{path}/complete", {**attempt, "result": envelope(result)})

    def _insist(self, path: str, body: Mapping[str, object]) -> Answer | None:
        """Say it until it is heard, or the lease is over: a node may be on its way out."""
        until = time.monotonic() + _TRIED_FOR_S
        while time.monotonic() < until:
            answer = self._try("POST", path, body)
            if answer is not None and answer.status < 500:
                return answer
            time.sleep(_PAUSE_S / 5)
        return None

    def _try(self, method: str, path: str, body: object = None) -> Answer | None:
        try:
            answer = self._wire.call(method, path, body)
        except NoAnswer as error:
            _log(str(error))
            return None
        if answer.status >= 400:
            _log(f"{method} {path}: {answer.status} {answer.reason}")
        return answer


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description="A worker of the sandbox.")
    arguments.add_argument("--url", required=True, help="address of the server")
    arguments.add_argument("--namespace", default="default")
    arguments.add_argument("--task-queue", required=True)
    arguments.add_argument("--other-queue", required=True, help="where its workflows send work")
    arguments.add_argument("--protocol", default="1.19", help="worker protocol (%(default)s)")
    arguments.add_argument("--heartbeat", type=float, default=1.0, help="seconds; 0: none")
    arguments.add_argument("--goodbye", action="store_true", help="deregister at the end")
    arguments.add_argument("--flaw", choices=("", "hang", "flaky"), default="")
    options = arguments.parse_args(argv)
    wire = Wire(
        url=options.url,
        token=os.environ["DW_WORKER_TOKEN"],
        namespace=options.namespace,
        headers={"X-Durable-Workflow-Protocol-Version": options.protocol},
    )
    settings = Settings(
        worker_id=os.environ["ROLLOUT_KIT_WORKER_ID"],
        build_id=os.environ.get("DW_WORKER_BUILD_ID"),
        task_queue=options.task_queue,
        other_queue=options.other_queue,
        heartbeat_s=options.heartbeat,
        says_goodbye=options.goodbye,
        flaw=options.flaw,
    )
    worker = Worker(wire, settings)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: worker.leaving.set())
    worker.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
