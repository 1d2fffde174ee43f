"""What the driver's work under an operation's own key has come to."""

from __future__ import annotations

from rollout_kit.model.operation import Failed, NeedsPerson, Operation, Waiting
from rollout_kit.model.situation import JobNumbers, Situation
from rollout_kit.operations.api import Context, Readers
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.pace import pace, prompt
from rollout_kit.ports.infra import JobState, JobStatus

LAST_LINES = 5
BEYOND = (
    "look at what the infrastructure's program would change, and why; `resume` tries again, "
    "`allow` in the plan's infra section widens what may change"
)


def read_work(op: Operation, readers: Readers) -> Situation:
    """The work of the present attempt, under the operation's id in `jobs`; nothing before one.

    Asked before what it changes is looked at: a driver may tell of a thing under way what it is to
    be, and a look that began with the end of the work has seen what came of it.
    """
    if not readers.key:
        return Situation()
    status = ask(lambda: readers.infra.work(readers.key))
    if isinstance(status, Missing):
        return Situation(unread={_unread(op): status.reason})
    return Situation(jobs={op.id: numbers_of(status)})


def numbers_of(status: JobStatus) -> JobNumbers:
    """Its state; `detail` are the last lines it wrote, to standard output where the other is empty."""
    detail = status.detail or "\n".join(status.output.splitlines()[-LAST_LINES:])
    return JobNumbers(
        state=status.state.value,
        detail=detail,
        exit_status=status.exit_status,
        progress=status.progress,
    )


def work_lost(op: Operation, situation: Situation) -> bool:
    """Whether its supervisor died without a word: what was recorded may not have been done."""
    job = situation.jobs.get(op.id)
    return job is not None and job.state == JobState.LOST


def under_way(op: Operation, situation: Situation) -> bool:
    """Whether the driver is at it."""
    job = situation.jobs.get(op.id)
    return job is not None and job.state in (JobState.QUEUED, JobState.RUNNING)


def unfinished(
    op: Operation, situation: Situation, ctx: Context
) -> Waiting | Failed | NeedsPerson | None:
    """Why the driver has not finished what it was asked; None: it has, or was asked nothing."""
    unread = situation.unread.get(_unread(op))
    if unread is not None:
        return Waiting(retry_after_s=pace(ctx), progress=f"the driver gives no answer: {unread}")
    job = situation.jobs.get(op.id)
    if job is None:
        return None
    match JobState(job.state):
        case JobState.ASKED | JobState.AWAITED:
            return of_people(op, job, ctx)
        case JobState.QUEUED | JobState.RUNNING:
            says = f": {job.progress}" if job.progress else ""
            progress = f"the driver's work is {job.state}{says}"
            return Waiting(retry_after_s=prompt(ctx), progress=progress)
        case JobState.LOST:
            progress = "the driver's work was lost: it is begun again"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        case JobState.FAILED:
            why = job.detail or f"exit status {job.exit_status}"
            return Failed(
                reason=f"the driver could not do it: {why}",
                hint="see the driver's own output; `resume` begins it again",
            )
        case JobState.REFUSED | JobState.CONFLICT as state:
            return held_back(state, job)
        case JobState.SUCCEEDED | JobState.UNKNOWN:
            return None


def held_back(state: JobState, job: JobNumbers) -> Failed:
    """What the driver would not do: nothing was changed, so there is nothing to undo, and to judge."""
    refused = state is JobState.REFUSED
    return Failed(
        reason=job.detail or f"the driver's work is {state.value}",
        hint=BEYOND if refused else "see who holds or changed it, then `resume`",
        hold="refused" if refused else "failure",
    )


def of_people(op: Operation, job: JobNumbers, ctx: Context) -> Waiting | NeedsPerson:
    """What somebody else was asked to do: until the server shows it, or until they say so."""
    if job.state == JobState.ASKED:
        hint = f"once it is done, `rollout-kit approve {op.id} --because …`"
        return NeedsPerson(reason=job.detail, hint=hint)
    return Waiting(retry_after_s=pace(ctx), progress=job.detail)


def _unread(op: Operation) -> str:
    return f"work/{op.id}"


def how_it_ended(job: JobNumbers) -> str:
    """Of a job that failed. Where nobody told its exit status, the words are all there is."""
    ended = "failed" if job.exit_status is None else f"ended with status {job.exit_status}"
    return f"{ended}: {job.detail or 'it wrote nothing'}"
