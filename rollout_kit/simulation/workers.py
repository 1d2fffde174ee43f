"""Simulated workers: they register, poll and complete over the server's own wire.

What comes twice a second and says nothing goes by a shorter way: a heartbeat is given to the server's
model itself, and a poll is sent only where there is a task on the queue at all. An answer is taken as
it is before it becomes JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Protocol

from rollout_kit.emulator.wire import Request, Response


class Server(Protocol):
    """The servers as a worker reaches them: through the front."""

    def ask(self, request: Request) -> Response | None:
        """None: no attached node answered."""
        ...

    def beat(self, namespace: str, worker_id: str) -> bool:
        """A heartbeat. False: no attached node took it."""
        ...

    def offers(self, namespace: str, task_queue: str) -> bool:
        """Whether there is a task on this queue, whoever may have it."""
        ...


@dataclass
class Worker:
    """One worker process. `hangs`: it takes tasks of these types and never completes them.

    `serves`: other builds whose runs its code replays, as it tells the server.
    """

    worker_id: str
    namespace: str
    task_queue: str
    build_id: str | None
    token: str
    protocol: str
    beats: bool
    hangs: frozenset[str] = frozenset()
    fingerprint: str = ""
    serves: tuple[str, ...] = ()
    mute: bool = False
    """It works and does not beat."""
    registered: bool = False
    beat_at_s: float = 0.0
    running: list[tuple[float, dict[str, object]]] = field(default_factory=list)
    completed: int = 0

    def live(self, now_s: float, server: Server) -> None:
        """One turn of its loop."""
        if not self.registered:
            self._register(server)
            self.beat_at_s = now_s
            return
        if self.beats and not self.mute and now_s - self.beat_at_s >= 1.0:
            server.beat(self.namespace, self.worker_id)
            self.beat_at_s = now_s
        for due_s, task in list(self.running):
            if due_s <= now_s and self._complete(server, task):
                self.running.remove((due_s, task))
        if not server.offers(self.namespace, self.task_queue):
            return
        answer = self._post(server, "/api/worker/workflow-tasks/poll", self._polling())
        found = answer.get("task") if answer else None
        if isinstance(found, dict) and found["workflow_type"] not in self.hangs:
            self.running.append((now_s + 0.5, found))

    def _polling(self) -> dict[str, object]:
        return {
            "worker_id": self.worker_id,
            "task_queue": self.task_queue,
            "build_id": self.build_id,
        }

    def _register(self, server: Server) -> None:
        body = self._polling() | {
            "runtime": "python",
            "supported_workflow_types": ["short", "long", "ping", "forever", "weeks"],
            "supported_activity_types": [],
            "sdk_version": "simulated",
            "capability_manifest": {},
        }
        if self.serves:
            body["supported_compatibilities"] = list(self.serves)
        if self.fingerprint:
            body["workflow_definition_fingerprints"] = {"short": self.fingerprint}
        self.registered = self._post(server, "/api/worker/register", body) is not None

    def _complete(self, server: Server, task: dict[str, object]) -> bool:
        history = task.get("history_events")
        events = history if isinstance(history, list) else []
        waited = any("Timer" in str(event) and "Fired" in str(event) for event in events)
        command: dict[str, object] = {"type": "complete_workflow", "result": None}
        if task["workflow_type"] == "long" and not waited:
            command = {"type": "start_timer", "delay_seconds": 8}
        if task["workflow_type"] == "weeks":
            command = {"type": "start_timer", "delay_seconds": 20 * 86400}
        if task["workflow_type"] == "forever":
            command = {"type": "start_timer", "delay_seconds": 1}
            if waited:
                command = {"type": "continue_as_new", "arguments": {}}
        body = {
            "lease_owner": self.worker_id,
            "workflow_task_attempt": task["workflow_task_attempt"],
            "commands": [command],
        }
        path = f"/api/worker/workflow-tasks/{task['task_id']}/complete"
        answer = self._post(server, path, body)
        self.completed += answer is not None
        return answer is not None

    def _post(self, server: Server, path: str, body: dict[str, object]) -> dict[str, object] | None:
        response = server.ask(
            Request(
                method="POST",
                path=path,
                raw_path=path,
                headers={
                    "authorization": f"Bearer {self.token}",
                    "content-type": "application/json",
                    "accept": "application/json",
                    "x-namespace": self.namespace,
                    "x-durable-workflow-protocol-version": self.protocol,
                },
                body=json.dumps(body).encode(),
            )
        )
        if response is None or response.status >= 300:
            return None
        return response.body if isinstance(response.body, dict) else None
