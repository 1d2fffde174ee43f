"""A cluster in one process: nodes over a store, a clock that only moves when told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from rollout_kit.emulator.app import build
from rollout_kit.emulator.model import ledger, passes
from rollout_kit.emulator.model.moments import to_us
from rollout_kit.emulator.model.settings import Generation, ServerSettings, Tokens
from rollout_kit.emulator.store import Rows, Store
from rollout_kit.emulator.wire import Handle, Request, encoded

START = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
TOKENS = {"worker": "w-token", "operator": "o-token", "admin": "a-token"}
VERSIONS = {Generation.V0_2: "0.2.9", Generation.V2: "2.3.14"}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def us(self) -> int:
        return to_us(self.now)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    payload: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


@dataclass(frozen=True, slots=True)
class Node:
    """One API node, called the way clients of the three roles call it."""

    handle: Handle
    protocol: str

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str | None = "operator",
        raw: bytes | None = None,
        **headers: str | None,
    ) -> Answer:
        sent: dict[str, str | None] = {
            "accept": "application/json",
            "authorization": f"Bearer {TOKENS[role]}" if role else None,
            "x-durable-workflow-control-plane-version": "2",
            "x-durable-workflow-protocol-version": self.protocol,
            "content-type": "application/json" if body is not None or raw else None,
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = urlsplit(path)
        request = Request(
            method=method,
            path=unquote(url.path),
            raw_path=url.path,
            query={name: values[-1] for name, values in parse_qs(url.query).items()},
            headers={name: value for name, value in sent.items() if value is not None},
            body=raw if raw is not None else b"" if body is None else json.dumps(body).encode(),
        )
        response = self.handle(request)
        payload, shown = encoded(request, response)
        return Answer(response.status, {name.lower(): text for name, text in shown}, payload)

    def get(self, path: str, **options: Any) -> Answer:
        return self.send("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        return self.send("POST", path, {} if body is None else body, **options)

    def worker(self, path: str, body: object) -> Answer:
        return self.send("POST", f"/api/worker/{path}", body, role="worker")

    def cohort(self, queue: str, build: str | None, act: str) -> Answer:
        path = f"/api/task-queues/{quote(queue, safe='')}/build-ids/{act}"
        return self.post(path, {"build_id": build})

    def build_ids(self, queue: str = "q") -> dict[str | None, Any]:
        listed = self.get(f"/api/task-queues/{queue}/build-ids").json["build_ids"]
        return {row["build_id"]: row for row in listed}

    def join(
        self, worker_id: str, build: str | None = None, queue: str = "q", **more: Any
    ) -> Answer:
        """Register, and beat once where only a heartbeat makes a worker count."""
        wanted = {"worker_id": worker_id, "task_queue": queue, "runtime": "python"} | more
        if build is not None:
            wanted["build_id"] = build
        answer = self.worker("register", wanted)
        self.beat(worker_id)
        return answer

    def beat(self, worker_id: str) -> Answer:
        return self.worker("heartbeat", {"worker_id": worker_id})

    def start(self, workflow_id: str, queue: str = "q", **more: Any) -> Answer:
        wanted = {"workflow_id": workflow_id, "workflow_type": "order", "task_queue": queue}
        return self.post("/api/workflows", wanted | more)

    def pin(self, workflow_id: str) -> str | None:
        pin: str | None = self.get(f"/api/workflows/{workflow_id}").json["compatibility"]
        return pin

    def poll(self, worker_id: str, kind: str = "workflow", queue: str = "q") -> Any:
        """The task that the worker gets, or None."""
        asked = {"worker_id": worker_id, "task_queue": queue}
        return self.worker(f"{kind}-tasks/poll", asked).json["task"]

    def complete(self, task: Any, *commands: dict[str, Any]) -> Answer:
        done = {
            "lease_owner": task["lease_owner"],
            "workflow_task_attempt": task["workflow_task_attempt"],
            "commands": list(commands) or [{"type": "complete_workflow", "result": None}],
        }
        return self.worker(f"workflow-tasks/{task['task_id']}/complete", done)

    def finish(self, task: Any, result: object = None) -> Answer:
        done = {
            "lease_owner": task["lease_owner"],
            "activity_attempt_id": task["activity_attempt_id"],
            "result": result,
        }
        return self.worker(f"activity-tasks/{task['task_id']}/complete", done)

    def metrics(self) -> Any:
        return self.get("/api/system/operator-metrics", role="admin").json["operator_metrics"]


@dataclass(slots=True)
class Cluster:
    store: Store
    generation: Generation
    clock: Clock = field(default_factory=Clock)

    def settings(self, **changes: Any) -> ServerSettings:
        version = VERSIONS[self.generation]
        given = {"version": version, "server_id": "api-1", "tokens": Tokens(**TOKENS)}
        return ServerSettings(generation=self.generation, **(given | changes))

    def bootstrap(self, version: str | None = None, **options: Any) -> None:
        with self.write() as rows:
            to = version or VERSIONS[self.generation]
            ledger.bootstrap(rows, to, "default", self.clock.us, **options)

    def node(self, **changes: Any) -> Node:
        settings = self.settings(**changes)
        return Node(build(settings, self.store, self.clock), settings.protocol)

    def tick(self, process: str = "scheduler-1", **changes: Any) -> passes.Tick:
        with self.write() as rows:
            return passes.scheduler_tick(
                rows, self.settings(**changes), process=process, now_us=self.clock.us
            )

    def maintain(self, **changes: Any) -> int:
        with self.write() as rows:
            return passes.maintenance_pass(rows, self.settings(**changes), self.clock.us)

    @contextmanager
    def write(self) -> Iterator[Rows]:
        with self.store.write() as rows:
            yield rows

    @contextmanager
    def read(self) -> Iterator[Rows]:
        with self.store.read() as rows:
            yield rows
