"""A person's share beside a script: jobs that it does not run, an end that it cannot see. Pure."""

from __future__ import annotations

from rollout_kit.drivers import asked_jobs
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model import codec
from rollout_kit.model.request import Request
from rollout_kit.ports.infra import (
    Answers,
    InfraChange,
    JobState,
    JobStatus,
    RunJob,
    SetScheduler,
)
from rollout_kit.ports.requests import Asked

UNSETTLED = (*UNDER_WAY, JobState.FAILED)


def is_for_a_person(change: InfraChange, offered: frozenset[Answers]) -> bool:
    """A job that the script does not run; the stop of a scheduler whose processes it does not count.

    Without that count nothing proves that the old scheduler is gone, and in the gap it is too late to
    find out that nobody is there to say so.
    """
    match change:
        case RunJob():
            return Answers.JOBS not in offered
        case SetScheduler(spec=None):
            return Answers.PROCESSES not in offered
        case _:
            return False


def request_of(change: InfraChange) -> Request:
    """In words. The script is told to stop a scheduler all the same, once the stop begins."""
    if isinstance(change, RunJob):
        return asked_jobs.request_of(change)
    return Request(
        what="see that the scheduler is stopped and that none of it is left",
        where="`describe` of the script does not list `processes`",
        seen=asked_jobs.SAID,
        word=True,
    )


def status_of(asked: Asked, begun: JobStatus) -> JobStatus:
    """How that stands. `begun`: what the script has come to, where it has a share in it."""
    change = codec.from_json(InfraChange, asked.change)
    word = asked.said or asked.done
    if isinstance(change, RunJob) and word:
        return asked_jobs.said_of(change)
    if begun.state in UNSETTLED:
        return begun
    if word:
        return JobStatus(state=JobState.SUCCEEDED, detail=begun.detail)
    sentence = f"a person has to {request_of(change).sentence}"
    return JobStatus(state=JobState.ASKED, detail=sentence)
