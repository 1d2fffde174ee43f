"""The stop of a scheduler whose processes its driver does not count: a person sees that it is gone. Pure.

Without that count nothing proves it, and in the gap it is too late to find out that nobody is there to
say so: they are asked before it begins. The driver stops it all the same, once the stop begins.
"""

from __future__ import annotations

from rollout_kit.drivers import asked_jobs
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import Answers, InfraChange, JobState, JobStatus, SetScheduler
from rollout_kit.ports.requests import Asked

UNSETTLED = (*UNDER_WAY, JobState.FAILED)


def is_for_a_person(change: InfraChange, offered: frozenset[Answers]) -> bool:
    """Whether this is such a stop."""
    match change:
        case SetScheduler(spec=None):
            return Answers.PROCESSES not in offered
        case _:
            return False


def request_of(why: str) -> Request:
    """In words. `why`: what says that nothing counts them."""
    return Request(
        what="see that the scheduler is stopped and that none of it is left",
        where=why,
        seen=asked_jobs.SAID,
        word=True,
    )


def status_of(asked: Asked, request: Request, begun: JobStatus) -> JobStatus:
    """How it stands. `begun`: what the driver's own share of it has come to."""
    if begun.state in UNSETTLED:
        return begun
    if asked.said or asked.done:
        return JobStatus(state=JobState.SUCCEEDED, detail=begun.detail)
    return JobStatus(state=JobState.ASKED, detail=f"a person has to {request.sentence}")
