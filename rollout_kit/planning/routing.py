"""Preconditions about cohorts: they are known, and what gives them their work can be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rollout_kit.document.diagnostics import did_you_mean, known_names
from rollout_kit.document.plan import (
    BuildSelector,
    DrainStep,
    PromoteStep,
    RestoreStep,
    Step,
)
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import Absent
from rollout_kit.operations.queues import NAMESPACES, RUNS, queue_fact
from rollout_kit.operations.starts import known
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Draft
from rollout_kit.planning.scope import cohort_in, queue_of, queues_named


def known_cohorts(draft: Draft) -> Iterator[Problem]:
    """Rule 10: the server would accept an unknown queue or build id, and record it for ever.

    What the plan itself brings is known; so is what is gone because the plan has already done it.
    """
    workers = draft.document.release.workers
    brought = {cohort_in(queue_of(entry), entry.to) for entry in workers if entry.to}
    new = {queue_of(entry) for entry in workers if entry.to and entry.from_ is None}
    for queue in draft.scope.queues:
        there = draft.live.cohorts_of(queue.namespace, queue.task_queue)
        if there or queue in new or not _was_read(draft, queue):
            continue
        yield _unknown_queue(draft, queue)
    for cohort, step in _named(draft).items():
        if cohort in brought or known(draft.live, cohort) is not False:
            continue
        others = draft.live.cohorts_of(cohort.namespace, cohort.task_queue)
        if others and not _already_gone(draft, cohort):
            yield _unknown_cohort(cohort, others, step)


def admin_for_markers(draft: Draft) -> Iterator[Problem]:
    """What a node pins new runs to can be checked with the admin token alone."""
    if not draft.moves_markers or draft.document.target.credentials.admin is not None:
        return
    yield Problem(
        summary="Admin credential is missing",
        detail="The plan changes which build API nodes pin new runs to, and only the server's"
        " operator metrics show that; they answer to the admin token alone.",
        hint='add credentials.admin to the target, as in "${env:DW_ADMIN_TOKEN}"',
    )


def readable_namespaces(draft: Draft) -> Iterator[Problem]:
    """A marker is the process's: it pins the starts of every namespace, named or not."""
    if not draft.moves_markers:
        return
    declared = set(draft.scope.namespaces)
    for key, reason in draft.situation.unread.items():
        if key == NAMESPACES or key.startswith(RUNS):
            what = "the list of namespaces" if key == NAMESPACES else key.removeprefix(RUNS)
            yield Problem(
                summary="Namespace cannot be read",
                detail=f"{what}: {reason}. The plan changes what its new runs are pinned to, and"
                " whether anybody serves that pin there cannot be told.",
                hint="give a credential that may read it, and run this again",
            )
    for namespace, what in _in_use(draft).items():
        if namespace not in declared:
            yield Problem(
                summary="Namespace is not in the plan",
                detail=f"{namespace} has {what}, and the marker that the plan changes pins its"
                f" new runs too. The plan names {known_names(declared)}.",
                hint=f"add {namespace} to target.namespaces once its workers serve the new build",
            )


def _named(draft: Draft) -> Mapping[CohortRef, Step | None]:
    """Cohorts that the plan names and does not bring, each with the first step that names it."""
    found: dict[CohortRef, Step | None] = {}
    for step in draft.document.steps:
        for name, build in _of_step(step):
            for queue in queues_named(draft.document, name):
                found.setdefault(cohort_in(queue, build), step)
    for entry in draft.document.release.workers:
        if entry.from_ is not None:
            found.setdefault(cohort_in(queue_of(entry), entry.from_), None)
    return found


def _of_step(step: Step) -> Iterator[tuple[str, BuildSelector]]:
    match step.with_:
        case (
            PromoteStep(task_queues=names, cohort=cohort)
            | DrainStep(task_queues=names, cohort=cohort)
        ):
            yield from ((name, cohort) for name in names)
        case RestoreStep(task_queues=names, good=good, bad=bad):
            yield from ((name, build) for name in names for build in (good, bad))


def _was_read(draft: Draft, queue: QueueRef) -> bool:
    return not isinstance(draft.live.get(queue_fact(queue)), Absent)


def _already_gone(draft: Draft, cohort: CohortRef) -> bool:
    """The release leaves this cohort, and the one that it brings is there: it was done before."""
    return any(
        cohort == cohort_in(queue_of(entry), entry.from_)
        and entry.to is not None
        and cohort_in(queue_of(entry), entry.to) in draft.live.cohorts()
        for entry in draft.document.release.workers
        if entry.from_ is not None
    )


def _unknown_queue(draft: Draft, queue: QueueRef) -> Problem:
    names = [c.task_queue for c in draft.live.cohorts() if c.namespace == queue.namespace]
    return Problem(
        summary="Unknown task queue",
        detail=f"Nobody has ever worked on {queue.task_queue} in namespace {queue.namespace}."
        f" There are: {known_names(names)}. The server would accept the name and keep it.",
        hint=did_you_mean(queue.task_queue, names) or "check the name and the namespace",
        rule=10,
    )


def _unknown_cohort(cohort: CohortRef, others: tuple[CohortRef, ...], step: Step | None) -> Problem:
    builds = [c.build_id or "(unversioned)" for c in others]
    place = step.position if step else None
    return Problem(
        summary="Unknown build",
        detail=f"{cohort.label} has no workers and never had any. The queue knows:"
        f" {known_names(builds)}. The server would accept the name and keep it.",
        hint=did_you_mean(cohort.build_id or "", builds) or "check the build id and the queue",
        step=step.id if step else "",
        line=place.line if place else 0,
        column=place.column if place else 0,
        rule=10,
    )


def _in_use(draft: Draft) -> dict[str, str]:
    """Namespaces with workers or open runs, and how many. Stale is neither dead nor gone."""
    found: dict[str, str] = {}
    for cohort in draft.live.cohorts():
        numbers = draft.situation.cohort(cohort)
        workers = (numbers.active or 0) + (numbers.stale or 0)
        if workers:
            found[cohort.namespace] = f"{workers} workers on {cohort.task_queue}"
    for namespace, listing in draft.situation.open_runs.items():
        if listing.runs:
            found[namespace] = f"{len(listing.runs)} open runs"
    return found
