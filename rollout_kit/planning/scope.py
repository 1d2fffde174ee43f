"""Which part of the world a plan looks at, and which queues and cohorts its names mean."""

from __future__ import annotations

from collections.abc import Iterator

from rollout_kit.document.plan import (
    AddedGuard,
    BuildSelector,
    CohortSource,
    DrainStep,
    PlanDocument,
    PromoteStep,
    RestoreStep,
    WorkerCanaryStep,
    WorkerRelease,
)
from rollout_kit.model.execution_plan import Scope, ServedPin
from rollout_kit.model.identity import CohortRef, QueueRef


def scope_of(document: PlanDocument) -> Scope:
    """Everything the plan names, and nothing else; names only."""
    server = document.release.server
    return Scope(
        target=document.target.name,
        namespace=document.target.namespace,
        nodes=tuple(node.name for node in document.target.nodes),
        namespaces=document.target.namespaces,
        queues=tuple(dict.fromkeys(_named_queues(document))),
        independent_queues=tuple(
            queue
            for name in document.release.independent_queues
            for queue in queues_named(document, name)
        ),
        serves=tuple(
            ServedPin(cohort=cohort, serves=entry.serves)
            for entry in document.release.workers
            if entry.serves and (cohort := _declared(entry)) is not None
        ),
        revision=server.revision if server else None,
    )


def queue_of(entry: WorkerRelease) -> QueueRef:
    return QueueRef(namespace=entry.namespace, task_queue=entry.task_queue)


def queues_named(document: PlanDocument, task_queue: str) -> tuple[QueueRef, ...]:
    """The queues a step means by this name: those the release moves, else declares, else the target's.

    An entry without `to` only declares: what other teams run under the same name is not a step's to move.
    """
    entries = [entry for entry in document.release.workers if entry.task_queue == task_queue]
    moved = [entry for entry in entries if entry.to is not None]
    found = dict.fromkeys(queue_of(entry) for entry in moved or entries)
    return tuple(found) or (QueueRef(namespace=document.target.namespace, task_queue=task_queue),)


def cohort_in(queue: QueueRef, build: BuildSelector | str | None) -> CohortRef:
    """The cohort of this build on this queue; None is the unversioned one."""
    build_id = build.build_id if isinstance(build, BuildSelector) else build
    return CohortRef(namespace=queue.namespace, task_queue=queue.task_queue, build_id=build_id)


def _declared(entry: WorkerRelease) -> CohortRef | None:
    """Whose `serves` this is: the new build's, or the old one's where nothing new comes."""
    if entry.to is not None:
        return cohort_in(queue_of(entry), entry.to)
    return None if entry.from_ is None else cohort_in(queue_of(entry), entry.from_)


def _named_queues(document: PlanDocument) -> Iterator[QueueRef]:
    for entry in document.release.workers:
        yield queue_of(entry)
    for step in document.steps:
        match step.with_:
            case WorkerCanaryStep() | PromoteStep() | DrainStep() | RestoreStep() as arguments:
                for name in arguments.task_queues:
                    yield from queues_named(document, name)
    sources = [gate.source for gate in document.gates]
    sources += [guard.source for guard in document.guards if isinstance(guard, AddedGuard)]
    for source in sources:
        if isinstance(source, CohortSource) and source.task_queue is not None:
            yield from queues_named(document, source.task_queue)
