"""Queues with workers that carry no build id: this version cannot move those off their queue."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.document.plan import DrainStep, PromoteStep, RestoreStep, WorkerCanaryStep
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import Absent
from rollout_kit.operations.liveness import shown
from rollout_kit.operations.queues import queue_fact
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Draft
from rollout_kit.planning.scope import cohort_in, queue_of, queues_named

STALE = "stale-unversioned-workers"
"""The name under `target.accept`."""
_WHY = (
    "This version cannot move a queue off unversioned workers: that first cutover is another kind"
    " of step, because unpinned runs and pinned ones do not reach the same workers."
)


def no_live_unversioned_cohort(draft: Draft) -> Iterator[Problem]:
    """A queue that the plan changes has no workers without a build id, as far as anybody can tell.

    Rows that drain and processes that the driver counts are workers too. Stale rows are neither
    there nor gone: where no driver counts their processes, a person has to say so.
    """
    for queue in _changed_queues(draft):
        cohort = cohort_in(queue, None)
        if isinstance(draft.live.get(queue_fact(queue)), Absent) and not _there(draft, cohort):
            yield _unread(draft, cohort)
        elif _there(draft, cohort):
            yield Problem(
                summary="Queue with live unversioned workers",
                detail=f"{cohort.label} has {_counts(draft, cohort)}. {_WHY}",
                hint="give these workers a build id first, or leave the queue out of the plan",
            )
        elif _may_be_there(draft, cohort):
            yield Problem(
                summary="Queue with stale unversioned workers",
                detail=f"{cohort.label} has {_counts(draft, cohort)}, and nobody counts its"
                " processes: workers that send no heartbeats show as stale while they work."
                f" {_WHY}",
                hint="stop these workers, or give them a build id; where they are gone, say so"
                f" under target.accept.{STALE}",
                accept=STALE,
            )


def _there(draft: Draft, cohort: CohortRef) -> bool:
    numbers = draft.situation.cohort(cohort)
    desired = draft.live.cohort(cohort, "replicas")
    leases = numbers.leases.at_least if numbers.leases else 0
    counts = (numbers.active, numbers.draining, numbers.processes, leases)
    return any(counts) or (isinstance(desired, int) and desired > 0)


def _may_be_there(draft: Draft, cohort: CohortRef) -> bool:
    numbers = draft.situation.cohort(cohort)
    return bool(numbers.stale) and numbers.processes is None


def _counts(draft: Draft, cohort: CohortRef) -> str:
    counted = shown(draft.situation, cohort)
    desired = draft.live.cohort(cohort, "replicas")
    wanted = f", {desired} desired" if isinstance(desired, int) and desired > 0 else ""
    leases = draft.situation.cohort(cohort).leases
    held = f", {leases.text} leases" if leases is not None and leases.at_least else ""
    return counted + held + wanted


def _unread(draft: Draft, cohort: CohortRef) -> Problem:
    reason = draft.situation.unread.get(f"queue/{cohort.queue.path}/build-ids", "no answer")
    return Problem(
        summary="Whether a queue has unversioned workers cannot be told",
        detail=f"The cohorts of {cohort.task_queue} in namespace {cohort.namespace} could not be"
        f" read: {reason}. {_WHY}",
        hint="see why the queue cannot be read, and run this again",
        rule=14,
    )


def _changed_queues(draft: Draft) -> tuple[QueueRef, ...]:
    found = [queue_of(entry) for entry in draft.document.release.workers]
    for step in draft.document.steps:
        match step.with_:
            case WorkerCanaryStep() | PromoteStep() | DrainStep() | RestoreStep() as arguments:
                for name in arguments.task_queues:
                    found += queues_named(draft.document, name)
    return tuple(dict.fromkeys(found))
