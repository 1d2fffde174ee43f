"""Workers as the server shows them: who runs, who was asked for and is there. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout_kit.document.plan import UNCOUNTED_WORKERS, PlanDocument
from rollout_kit.drivers.manual.names import worker_image
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.ports.engine import CohortRow, CohortTable, EngineReader
from rollout_kit.ports.infra import CohortSpec, LiveProcess, SetCohort

DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Workers:
    """`_marker` reads what a node pins new runs to."""

    _engine: EngineReader
    _document: PlanDocument
    _marker: Callable[[], str | None]

    def counted(self, change: SetCohort, before: CohortSpec | None) -> bool:
        """Whether the server counts as many workers as were asked for, where it can tell."""
        table = self._engine.cohorts(change.cohort.queue)
        if not table.shows_selection:
            return False
        wanted, had = change.spec.replicas, before.replicas if before else 0
        live = self.live(change.cohort)
        return live >= wanted if wanted >= had else live == wanted

    def live(self, cohort: CohortRef) -> int:
        """How many the server counts as alive: 0 where it shows the living as stale."""
        row = self._engine.cohorts(cohort.queue).row(cohort)
        return row.active + row.draining if row is not None else 0

    def queues(self) -> tuple[QueueRef, ...]:
        named = (
            QueueRef(namespace=worker.namespace, task_queue=worker.task_queue)
            for worker in self._document.release.workers
        )
        return tuple(dict.fromkeys(named))

    def standing(self, queue: QueueRef) -> tuple[tuple[CohortRef, CohortSpec], ...]:
        """Before a rollout: every cohort of which the server shows that it runs."""
        table = self._engine.cohorts(queue)
        found = ((row, self._runs(row, table)) for row in table.rows)
        return tuple(
            (
                row.cohort,
                CohortSpec(
                    image=worker_image(self._document, row.cohort.build_id), replicas=replicas
                ),
            )
            for row, replicas in found
            if replicas
        )

    def _runs(self, row: CohortRow, table: CohortTable) -> int:
        """How many: as counted. Where the living show as stale, too, one that still has a part to play."""
        live = row.active + row.draining
        if live or table.shows_selection or row.drain_intent == DRAINING or not row.total:
            return live
        return row.total if self._leaves(row.cohort) else 0

    def _leaves(self, cohort: CohortRef) -> bool:
        """Whether the plan leaves this build, or its server carries it: then it does run."""
        workers = self._document.release.workers
        leaving = {worker.from_.build_id for worker in workers if worker.from_ is not None}
        return cohort.build_id in leaving or cohort.build_id == self._marker()

    def vouched_for(self, cohort: CohortRef) -> bool:
        """Whether the author's word for it counts: it shows as stale, and has not been drained."""
        table = self._engine.cohorts(cohort.queue)
        row = table.row(cohort)
        return (
            self._document.target.accepts(UNCOUNTED_WORKERS)
            and row is not None
            and not table.shows_selection
            and self._runs(row, table) > 0
        )

    def registered(self, cohort: CohortRef) -> tuple[LiveProcess, ...]:
        rows = self._engine.workers(cohort.queue)
        pollers = self._engine.queue(cohort.queue).pollers
        ids = [row.worker_id for row in rows if row.build_id == cohort.build_id]
        ids += [one.worker_id for one in pollers if one.build_id == cohort.build_id]
        return tuple(LiveProcess(pid=0, worker_id=name) for name in dict.fromkeys(ids))
