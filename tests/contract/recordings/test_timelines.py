"""Recorded series of samples, played again on a clock that only moves when told to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rollout_kit.emulator.model.settings import Condition, ServerSettings
from rollout_kit.emulator.store import Store
from tests.contract.recordings import exchange, folder
from tests.contract.recordings.compare import differences
from tests.contract.recordings.exchange import Answer
from tests.contract.recordings.given import NEW, NODE, OLD, Given, bare, moment, rollout
from tests.contract.recordings.state_orders import ORDERS_LATER
from tests.contract.recordings.state_pay import (
    A_OLD,
    BLOCKED,
    DONE,
    PINNED,
    WAITING,
    pay_workers,
)

CONTROL = {
    "Accept": "application/json",
    "X-Durable-Workflow-Control-Plane-Version": "2",
    "Content-Type": "application/json",
}

# The first comes just after its minute: by then the node has called the worker stale.
HEARTBEATS = ("21:06:07.9", "21:07:07.4", "21:08:07.4")


class Evening:
    """One cluster and its clock, called through nodes that are set as the caller says."""

    def __init__(self, given: Given) -> None:
        self._store: Store = given.built()
        self._node = given.node
        self.now = moment("20:00:00")

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "operator",
        node: ServerSettings | None = None,
    ) -> Answer:
        settings = node or self._node
        headers = CONTROL | {"Authorization": f"Bearer <{role} token>"}
        if role == "worker":
            headers["X-Durable-Workflow-Protocol-Version"] = settings.protocol
        asked = {"method": method, "path": path, "headers": headers, "body": body}
        return exchange.send(exchange.node(settings, self._store, lambda: self.now), asked)

    def get(self, path: str, role: str = "operator") -> Any:
        return self.send("GET", path, role=role).json

    def beat(self, *workers: str) -> None:
        for worker_id in workers:
            self.send("POST", "/api/worker/heartbeat", {"worker_id": worker_id}, role="worker")

    def build_ids(self, queue: str) -> Any:
        return self.get(f"/api/task-queues/{queue}/build-ids")["build_ids"]

    def play(self, script: Sequence[tuple[str, Any]], until: datetime) -> list[tuple[str, Any]]:
        """Do what is due by then, each at its own time; what is left is returned."""
        due = [step for step in script if moment(step[0]) <= until]
        for clock, act in due:
            self.now = moment(clock)
            act(self)
        self.now = until
        return list(script[len(due) :])


def test_a_worker_that_beats_as_slowly_as_the_cutoff_looks_gone_for_a_moment() -> None:
    """Counts of a real package's worker through a drain, second by second."""
    samples = folder.load("build-ids/timeline-sdk-0.4.106-heartbeats")["samples"]
    given = Given(node=NODE).on(worker_protocol="1.1")
    registration = {
        "worker_id": "w-106",
        "task_queue": "hb",
        "runtime": "python",
        "sdk_version": "durable-workflow-python/0.4.106",
        "build_id": "b-106",
    }
    script = [
        (
            "21:05:07.5",
            lambda at: at.send("POST", "/api/worker/register", registration, role="worker"),
        ),
        (
            "21:05:30.3",
            lambda at: at.send(
                "POST", "/api/task-queues/hb/build-ids/drain", {"build_id": "b-106"}
            ),
        ),
        *((clock, lambda at: at.beat("w-106")) for clock in HEARTBEATS),
    ]
    evening = Evening(given)
    began = moment("21:05:09.9")
    for sample in samples:
        script = evening.play(script, began + timedelta(seconds=sample["t"]))
        found = list(differences(sample["build_ids"], evening.build_ids("hb")))
        assert found == [], f"after {sample['t']} s"
    counts = [
        tuple(
            sample["build_ids"][0][f"{name}_worker_count"]
            for name in ("active", "draining", "stale")
        )
        for sample in samples
    ]
    assert (0, 0, 1) in counts


def test_workers_of_a_drained_build_flip_at_their_next_heartbeat() -> None:
    samples = folder.load("rollout/08-timeline-after-drain")["samples"]
    rows = [*pay_workers("20:34:00"), *PINNED, *WAITING]
    evening = Evening(Given(rows=rows, node=A_OLD))
    drain = {"build_id": OLD}
    script = [
        ("20:34:02.2", lambda at: at.send("POST", "/api/task-queues/pay/build-ids/drain", drain)),
        ("20:34:05.9", lambda at: at.beat("pay-v1-a", "pay-v1-b", "pay-v2-a")),
        ("20:34:10.5", lambda at: at.beat("pay-v1-a", "pay-v2-a")),
        ("20:34:11.1", lambda at: at.beat("pay-v1-b")),
    ]
    began = moment("20:34:02.31")
    for sample in samples:
        script = evening.play(script, began + timedelta(seconds=sample["t"]))
        stats = evening.get("/api/task-queues/pay")["stats"]
        shown = {
            "build_ids": evening.build_ids("pay"),
            "queue": {name: stats[name] for name in sample["queue"]},
        }
        recorded = {name: sample[name] for name in shown}
        assert list(differences(recorded, shown)) == [], f"after {sample['t']} s"


def test_workers_that_exit_count_as_draining_until_they_are_stale() -> None:
    samples = folder.load("rollout/18-timeline-after-worker-exit")["samples"]
    workers = pay_workers("20:35:16", draining=True)
    rows = [*ORDERS_LATER, *workers, rollout("pay", OLD, "20:34:02"), *DONE, *BLOCKED]
    evening = Evening(Given(rows=rows, node=A_OLD))
    beats = [sample["build_ids"][0]["last_heartbeat_at"][11:19] for sample in samples]
    script = [
        ("20:35:16.9", lambda at: at.beat("pay-v1-a", "pay-v1-b")),
        *((f"{clock}.1", lambda at: at.beat("pay-v2-a")) for clock in beats),
    ]
    for sample in samples:
        began = moment("20:35:20.55")
        script = evening.play(script, began + timedelta(seconds=sample["t_since_worker_exit_s"]))
        metrics = evening.get("/api/system/operator-metrics", "admin")["operator_metrics"]
        stats = evening.get("/api/task-queues/pay")["stats"]
        shown = {
            "build_ids": evening.build_ids("pay"),
            "queue": {name: stats[name] for name in sample["queue"]},
            "runs": metrics["runs"],
            "backlog": metrics["backlog"],
            "worker_fleet_build_ids": evening.get("/api/cluster/info")["worker_fleet"]["build_ids"],
            "ready": evening.send("GET", "/api/ready").status,
        }
        recorded = {name: value for name, value in sample.items() if name in shown}
        found = list(differences(recorded, shown, ("runs.max_wait_age_ms",)))
        assert found == [], f"after {sample['t_since_worker_exit_s']} s"


def test_the_first_drain_of_a_build_may_lose_a_race_and_a_repeat_never_does() -> None:
    recording = folder.load("drain/concurrent-first-drain")
    assert sorted(recording["status_counts"]) == ["200", "500"]
    failure = recording["example_failure"]
    evening = Evening(Given())
    racing = Given().on(server_id="server-b", conditions=frozenset({Condition.FIRST_DRAIN_RACE}))
    statuses = []
    for _ in range(3):
        evening.now = exchange.when(failure)
        handle_node = racing.node
        request = failure["request"]
        answer = evening.send(request["method"], request["path"], request["body"], node=handle_node)
        statuses.append(answer.status)
        if answer.status == 500:
            assert exchange.mismatches(failure["response"], answer) == []
    assert statuses == [500, 200, 200]


def test_without_its_cache_a_heartbeat_fails_and_counts_while_a_start_leaves_nothing() -> None:
    recording = folder.load("failing/redis-down-partial-writes")
    given = Given(rows=[bare("rd-1", "rdq", "b", seen="21:00:17")], node=NODE).on(marker=NEW)
    down = given.on(conditions=frozenset({Condition.CACHE_DOWN})).node
    evening = Evening(given)

    def last_heartbeat() -> str:
        return str(evening.get("/api/workers/rd-1")["last_heartbeat_at"])

    evening.now = moment("21:00:22.1")
    assert last_heartbeat() == recording["last_heartbeat_before"]
    heartbeat = evening.send(
        "POST", "/api/worker/heartbeat", {"worker_id": "rd-1"}, role="worker", node=down
    )
    assert heartbeat.status == recording["heartbeat_status"]
    assert last_heartbeat() == recording["last_heartbeat_after"]
    wanted = {"workflow_id": "rd-wf", "workflow_type": "napper", "task_queue": "rdq"}
    start = evening.send("POST", "/api/workflows", wanted, node=down)
    assert exchange.mismatches(recording["start"], start) == []
    after = evening.send("GET", "/api/workflows/rd-wf")
    assert exchange.mismatches(recording["workflow_after_redis_is_back"], after) == []
