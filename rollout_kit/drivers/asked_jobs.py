"""Jobs that a driver cannot run: a person is asked to, and says how they ended."""

from __future__ import annotations

from rollout_kit.model.operation import Announcement
from rollout_kit.model.request import Request
from rollout_kit.operations.schema import LEDGER_JOB
from rollout_kit.ports.infra import JobState, JobStatus, RunJob

SAID = "nothing shows it: a person says so"


def request_of(change: RunJob) -> Request:
    """The job in the words of a request."""
    ledger = change.job == LEDGER_JOB
    return Request(
        what=f"run {change.job} once, with {change.image}, and await its end",
        before="not known to be done",
        after="its ledger shows nothing pending" if ledger else "it ended with exit status 0",
        where=f"revision {change.revision}",
        seen=SAID,
        word=True,
    )


def announced(operation: str, request: Request) -> Announcement:
    """What would be asked, in the words of the request: the resources are other people's."""
    return Announcement(
        operation=operation,
        resources=(request.where,),
        kinds=("asked",),
        changed=(request.sentence,),
    )


def said_of(change: RunJob) -> JobStatus:
    """How the job ended, by a person's word."""
    output = "Nothing to migrate (a person says so)" if change.job == LEDGER_JOB else ""
    return JobStatus(state=JobState.SUCCEEDED, output=output)
