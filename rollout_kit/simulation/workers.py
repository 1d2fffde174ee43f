"""Simulated workers: they register, beat, poll and complete, over the server's own wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from rollout_kit.emulator.wire import Request, Response

Send = Callable[[Request], Response | None]
"""Through the front; None: no attached node answered."""


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

    def live(self, now_s: float, send: Send) -> None:
        """One turn of its loop."""
        if not self.registered:
            self._register(send)
            self.beat_at_s = now_s
            return
        if self.beats and not self.mute and now_s - self.beat_at_s >= 1.0:
            self._post(send, "/api/worker/heartbeat", {"worker_id": self.worker_id})
            self.beat_at_s = now_s
        for due_s, task in list(self.running):
            if due_s <= now_s and self._complete(send, task):
                self.running.remove((due_s, task))
        answer = self._post(send, "/api/worker/workflow-tasks/poll", self._polling())
        found = answer.get("task") if answer else None
        if isinstance(found, dict) and found["workflow_type"] not in self.hangs:
            self.running.append((now_s + 0.5, found))

    def _polling(self) -> dict[str, object]:
        return {
            "worker_id": self.worker_id,
            "task_queue": self.task_queue,
            "build_id": self.build_id,
        }

    def _register(self, send: Send) -> None:
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
        self.registered = self._post(send, "/api/worker/register", body) is not None

    def _complete(self, send: Send, task: dict[str, object]) -> bool:
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
        answer = self._post(send, path, body)
        self.completed += answer is not None
        return answer is not None

    def _post(self, send: Send, path: str, body: dict[str, object]) -> dict[str, object] | None:
        response = send(
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
        answer = json.loads(response.payload)
        return answer if isinstance(answer, dict) else None
