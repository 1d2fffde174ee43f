"""Asking the engine for the length of one look: what it has answered in that look is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from rollout_kit.model.identity import QueueRef
from rollout_kit.model.situation import OpenRuns
from rollout_kit.operations.api import Readers
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortTable,
    EngineReader,
    OperatorMetrics,
    QueueDetail,
    Readiness,
    RunStatus,
    WorkerRow,
)

T = TypeVar("T")


def in_one_look(readers: Readers) -> Readers:
    """These readers for one look. The next one needs new ones, or it would see nothing new.

    Only answers are kept: what gave none is asked again.
    """
    return replace(readers, engine=_OneLook(readers.engine))


class _OneLook:
    """Implements `ports.engine.EngineReader` over another."""

    def __init__(self, engine: EngineReader) -> None:
        self._engine = engine
        self._answers: dict[tuple[object, ...], Any] = {}

    def _once(self, read: Callable[..., T], *asked: object) -> T:
        key = (read.__name__, *asked)
        if key not in self._answers:
            self._answers[key] = read(*asked)
        answer: T = self._answers[key]
        return answer

    def readiness(self, node: str | None) -> Readiness:
        return self._once(self._engine.readiness, node)

    def cluster_info(self, node: str | None) -> ClusterInfo:
        return self._once(self._engine.cluster_info, node)

    def cohorts(self, queue: QueueRef, node: str | None = None) -> CohortTable:
        return self._once(self._engine.cohorts, queue, node)

    def queue(self, queue: QueueRef) -> QueueDetail:
        return self._once(self._engine.queue, queue)

    def queues(self, namespace: str) -> tuple[str, ...]:
        return self._once(self._engine.queues, namespace)

    def workers(self, queue: QueueRef) -> tuple[WorkerRow, ...]:
        return self._once(self._engine.workers, queue)

    def namespaces(self) -> tuple[str, ...]:
        return self._once(self._engine.namespaces)

    def operator_metrics(self, namespace: str, node: str | None = None) -> OperatorMetrics:
        return self._once(self._engine.operator_metrics, namespace, node)

    def has_admin(self) -> bool:
        return self._engine.has_admin()

    def open_runs(self, namespace: str) -> OpenRuns:
        return self._once(self._engine.open_runs, namespace)

    def run(self, namespace: str, workflow_id: str) -> RunStatus | None:
        return self._once(self._engine.run, namespace, workflow_id)

    def marker_attribute(self) -> str:
        return self._engine.marker_attribute()
