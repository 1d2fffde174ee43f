"""Holding polls: the model answers at once, the process asks again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.emulator.serve import holding_polls
from rollout_kit.emulator.wire import Handle, Request, Response
from tests.emulator.cluster import Cluster

POLL = "/api/worker/workflow-tasks/poll"


def held(cluster: Cluster, meanwhile: Callable[[float], None]) -> tuple[Handle, list[float]]:
    """The node's function with polls held on the cluster's own clock."""
    node, naps = cluster.node(poll_timeout_s=2, tokens=cluster.settings().tokens), []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        cluster.clock.advance(seconds)
        meanwhile(sum(naps))

    def monotonic() -> float:
        return cluster.clock.us / 1_000_000

    return holding_polls(node.handle, sleep=sleep, monotonic=monotonic), naps


def poll(cluster: Cluster, handle: Handle, body: str) -> Response:
    headers = {
        "authorization": "Bearer w-token",
        "content-type": "application/json",
        "x-durable-workflow-protocol-version": cluster.node().protocol,
    }
    return handle(Request(method="POST", path=POLL, headers=headers, body=body.encode()))


def test_an_empty_poll_is_held_for_its_whole_time(either: Cluster) -> None:
    either.node().join("w1", "b1")
    handle, naps = held(either, lambda _: None)
    answer = poll(either, handle, '{"worker_id": "w1", "task_queue": "q"}')
    assert isinstance(answer.body, dict)
    assert answer.body["task"] is None
    assert sum(naps) == pytest.approx(2)


def test_beyond_its_places_a_node_tells_a_poll_to_come_again(either: Cluster) -> None:
    node = either.node(poll_timeout_s=2)
    node.join("w1", "b1")
    asked = '{"worker_id": "w1", "task_queue": "q"}'
    meanwhile: list[Response] = []

    def sleep(seconds: float) -> None:
        either.clock.advance(seconds)
        if not meanwhile:
            meanwhile.append(poll(either, handle, asked))

    handle = holding_polls(
        node.handle, at_most=1, sleep=sleep, monotonic=lambda: either.clock.us / 1_000_000
    )
    assert poll(either, handle, asked).status == 200
    (refused,) = meanwhile
    assert refused.status == 429
    assert isinstance(refused.body, dict)
    assert refused.body["reason"] == "long_poll_capacity_exhausted"
    assert ("Retry-After", "1") in refused.headers
    assert refused.hold_s is None
    assert poll(either, handle, asked).status == 200, "the place is free again"


def test_a_poll_ends_as_soon_as_there_is_work(either: Cluster) -> None:
    node = either.node(marker="b1")
    node.join("w1", "b1")

    def start_late(waited: float) -> None:
        if 0.45 < waited < 0.55:
            node.start("o-1", build_id="b1")

    handle, naps = held(either, start_late)
    answer = poll(either, handle, '{"worker_id": "w1", "task_queue": "q"}')
    assert isinstance(answer.body, dict)
    assert answer.body["task"]["workflow_id"] == "o-1"
    assert sum(naps) == pytest.approx(0.5)


def test_a_hanging_poll_is_refused_once_its_worker_drains_section_6_2(newer: Cluster) -> None:
    node = newer.node()
    node.join("w1", "b1")
    handle, naps = held(newer, lambda _: node.cohort("q", "b1", "drain") and None)
    answer = poll(newer, handle, '{"worker_id": "w1", "task_queue": "q"}')
    assert answer.status == 409
    assert sum(naps) == pytest.approx(0.1)


def test_a_worker_may_ask_for_a_shorter_poll_section_6_2(newer: Cluster) -> None:
    newer.node().join("w1", "b1")
    handle, naps = held(newer, lambda _: None)
    poll(newer, handle, '{"worker_id": "w1", "task_queue": "q", "timeout_seconds": 0}')
    assert naps == []
