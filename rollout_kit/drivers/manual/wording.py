"""A change as a request: what must change, from what to what, where, and how that will be seen. Pure."""

from __future__ import annotations

import shlex
from typing import assert_never

from rollout_kit.document.plan import PlanDocument
from rollout_kit.drivers.asked_jobs import SAID, request_of
from rollout_kit.drivers.manual.names import evidence_of, in_words
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import show
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    RemoveCohort,
    ReplaceNode,
    RunCommand,
    RunJob,
    SetAttached,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)

MAINTENANCE = "and so do maintenance processes, if there are any (nothing shows them)"


def of_node(
    document: PlanDocument, change: ReplaceNode, now: ProcessSpec | None, attribute: str
) -> Request:
    """`attribute`: the variable that gives a node its marker."""
    url = next((node.url for node in document.target.nodes if node.name == change.node), "")
    before = in_words(document, now.image, now.marker) if now else "no answer"
    spec = change.spec
    variable = f" ({attribute})" if now is None or now.marker != spec.marker else ""
    last = change.node == document.target.nodes[-1].name and (
        now is None or now.image != spec.image
    )
    beside = f"; {MAINTENANCE}" if last else ""
    return Request(
        what=f"replace what runs as {change.node}",
        before=before,
        after=f"{in_words(document, spec.image, spec.marker)}{variable}{beside}",
        where=url,
        seen=f"{url} answers as {evidence_of(document, spec.image)}, marker {show(spec.marker)},"
        " and is ready",
    )


def of_scheduler(document: PlanDocument, change: SetScheduler, now: ProcessSpec | None) -> Request:
    before = in_words(document, now.image, now.marker) if now else "no scheduler runs"
    if change.spec is None:
        return Request(
            what="stop the scheduler",
            before=before,
            after="none of it is left",
            where="scheduler",
            seen=SAID,
            word=True,
        )
    return Request(
        what="start the scheduler, one and no more",
        before=before,
        after=in_words(document, change.spec.image, change.spec.marker),
        where="scheduler",
        seen=f"{SAID}; that it catches up is then seen at its schedules",
        word=True,
    )


def of_cohort(change: SetCohort, now: CohortSpec | None, *, shown: bool) -> Request:
    """`shown`: the server counts the workers of a build that are alive."""
    cohort, wanted = change.cohort, change.spec
    before = f"{now.replicas} workers" if now and now.replicas else "none runs"
    count = f"{wanted.replicas} workers of {wanted.image}" if wanted.replicas else "none is left"
    verb = "run" if wanted.replicas else "stop"
    lead = f"{verb} the workers of {cohort.label}"
    if shown:
        number = f"{wanted.replicas} active ones" if wanted.replicas else "none, active or draining"
        seen = f"the server counts {number}"
    else:
        seen = "this server shows workers as stale whether they live or not: a person says so"
    return Request(
        what=lead, before=before, after=count, where=_queue(cohort), seen=seen, word=not shown
    )


def of_maintenance(document: PlanDocument, change: SetMaintenance) -> Request:
    return Request(
        what=f"replace maintenance {change.name}",
        before="what runs now",
        after=in_words(document, change.spec.image, change.spec.marker),
        where=change.name,
        seen=SAID,
        word=True,
    )


def of_command(change: RunCommand) -> Request:
    line = shlex.join(change.argv)
    return Request(
        what=f"run `{line}`",
        before="not run yet",
        after="it ended with exit status 0",
        where="wherever it belongs",
        seen=SAID,
        word=True,
    )


def of_other(document: PlanDocument, change: InfraChange) -> Request:
    """What needs nothing of the present fleet to be said."""
    match change:
        case RunJob():
            return request_of(change)
        case RunCommand():
            return of_command(change)
        case SetMaintenance():
            return of_maintenance(document, change)
        case SetAttached():
            way = "into" if change.attached else "out of"
            return Request(what=f"take {change.node} {way} rotation", seen=SAID, word=True)
        case ReplaceNode() | SetScheduler() | SetCohort() | RemoveCohort():
            raise ValueError("this one is said beside what stands now")
        case _:
            assert_never(change)


def _queue(cohort: CohortRef) -> str:
    return f"task queue {cohort.task_queue}, namespace {cohort.namespace}"
