"""The numbers of a queue and its cohorts, joined from what server and driver answered in one look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.situation import CohortNumbers, Count, QueueNumbers
from rollout_kit.operations.asking import Missing
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortRow,
    CohortTable,
    Lease,
    QueueDetail,
    WorkerRow,
)
from rollout_kit.ports.infra import CohortSpec, LiveProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The answers of one look at one queue."""

    queue: QueueRef
    table: CohortTable | Missing
    detail: QueueDetail | Missing
    workers: tuple[WorkerRow, ...] | Missing
    specs: Mapping[CohortRef, CohortSpec] | Missing
    processes: Mapping[CohortRef, tuple[LiveProcess, ...] | Missing]
    info: ClusterInfo | Missing

    def rows(self) -> Mapping[CohortRef, CohortRow]:
        return {} if isinstance(self.table, Missing) else {r.cohort: r for r in self.table.rows}

    def spec(self, cohort: CohortRef) -> CohortSpec | None:
        return None if isinstance(self.specs, Missing) else self.specs.get(cohort)


def owners_of(look: Look) -> Mapping[str, CohortRef]:
    """Whose worker id is whose, from everything that names both: leases are joined through it."""
    found: dict[str, str | None] = {}
    if not isinstance(look.detail, Missing):
        found.update({p.worker_id: p.build_id for p in look.detail.pollers})
    if not isinstance(look.workers, Missing):
        found.update({w.worker_id: w.build_id for w in look.workers})
    owners = {
        worker: CohortRef(
            namespace=look.queue.namespace, task_queue=look.queue.task_queue, build_id=build
        )
        for worker, build in found.items()
    }
    for cohort in look.processes:
        owners.update(dict.fromkeys(_worker_ids(look, cohort), cohort))
    return owners


def _worker_ids(look: Look, cohort: CohortRef) -> tuple[str, ...]:
    live = look.processes.get(cohort, ())
    if isinstance(live, Missing):
        return ()
    return tuple(process.worker_id for process in live if process.worker_id is not None)


def cohort_numbers(look: Look, cohort: CohortRef, owners: Mapping[str, CohortRef]) -> CohortNumbers:
    row = look.rows().get(cohort)
    live = look.processes.get(cohort)
    read = not isinstance(look.table, Missing)
    leases = _leases(look, cohort, owners)
    return CohortNumbers(
        # A table that was read and has no row of it says that nobody ever registered: that is zero.
        active=row.active if row else (0 if read else None),
        draining=row.draining if row else (0 if read else None),
        stale=row.stale if row else (0 if read else None),
        total=row.total if row else (0 if read else None),
        processes=None if live is None or isinstance(live, Missing) else len(live),
        registered=_registered(look, cohort),
        leases=leases,
        free_slots=_free_slots(look, cohort),
        worked_ago_s=0.0 if leases is not None and leases.at_least > 0 else None,
        fingerprint_conflicts=row.fingerprint_conflicts if row else (),
    )


def _leases(look: Look, cohort: CohortRef, owners: Mapping[str, CohortRef]) -> Count | None:
    """Leases of this cohort. A cut-off list, or a lease of an unknown worker, makes it "at least"."""
    if isinstance(look.detail, Missing):
        return None
    leases: tuple[Lease, ...] = look.detail.leases
    held = Counter(owners.get(lease.worker_id) for lease in leases)
    complete = not look.detail.leases_cut_off and held[None] == 0
    return Count(at_least=held[cohort], complete=complete)


def _registered(look: Look, cohort: CohortRef) -> int | None:
    live = look.processes.get(cohort)
    if live is None or isinstance(live, Missing) or isinstance(look.workers, Missing):
        return None
    registered = {worker.worker_id for worker in look.workers}
    if not isinstance(look.detail, Missing):
        # A server may hide stale registrations from its list of workers, but not from its pollers.
        registered.update(poller.worker_id for poller in look.detail.pollers)
    return sum(1 for worker_id in _worker_ids(look, cohort) if worker_id in registered)


def _free_slots(look: Look, cohort: CohortRef) -> bool | None:
    if isinstance(look.workers, Missing):
        return None
    shown = [worker.free_slots for worker in look.workers if worker.build_id == cohort.build_id]
    if not shown or any(free is None for free in shown):
        return None
    return all(shown)


def queue_numbers(look: Look) -> QueueNumbers:
    info = None if isinstance(look.info, Missing) else look.info
    table = None if isinstance(look.table, Missing) else look.table
    numbers = QueueNumbers(
        stale_after_s=table.stale_after_s if table else None,
        poll_timeout_s=info.poll_timeout_s if info else None,
        heartbeat_interval_s=info.heartbeat_interval_s if info else None,
    )
    if isinstance(look.detail, Missing):
        return numbers
    return replace(
        numbers,
        ready_workflow_tasks=look.detail.ready_workflow_tasks,
        ready_activity_tasks=look.detail.ready_activity_tasks,
        leases=Count(
            at_least=max(look.detail.leased_tasks, len(look.detail.leases)), complete=True
        ),
    )
