"""Run the server's bootstrap job, once per revision over all rollouts, and await its own exit."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import BOOTSTRAP_REVISION, Absent, Facts, Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Failed,
    Keep,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.goal import nothing_to_do
from rollout_kit.operations.pace import pace
from rollout_kit.operations.schema import (
    BOOTSTRAP,
    BOOTSTRAP_JOB,
    BOOTSTRAP_RAN,
    SchemaArguments,
    bootstrap_key,
    driver_must_answer,
    read_bootstrap,
    with_own_job,
)
from rollout_kit.operations.work import held_back, how_it_ended, of_people
from rollout_kit.ports.infra import JobState, RunJob

HINT = "mend what the job says and `resume`: it is safe to run again, the ledger goes on where it stopped"


class RunBootstrap:
    """Its key is `<target>/<revision>`, not the rollout's: whoever comes second joins or finds it done."""

    kind = "run_bootstrap"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        seen = read_bootstrap(readers, _arguments(op).revision, now_s)
        return with_own_job(op, seen, _key(op))

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        if _is_done(args, observation):
            return nothing_to_do(f"bootstrap of {args.revision} is done")
        if _state(args, situation) in (JobState.QUEUED, JobState.RUNNING):
            return nothing_to_do(f"bootstrap of {args.revision} is running")
        unread = isinstance(observation.get(BOOTSTRAP_RAN), Absent)
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"run bootstrap of {args.revision} with {args.image}, once",
            estimate_s=30.0,
            not_judged=(f"whether bootstrap of {args.revision} ran before",) if unread else (),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return (BOOTSTRAP,)

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        return observation.with_facts({BOOTSTRAP_RAN: _arguments(op).revision})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        return driver_must_answer(BOOTSTRAP_RAN, op, seen, ctx)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        args = _arguments(op)
        job = RunJob(job=BOOTSTRAP_JOB, image=args.image, revision=args.revision)
        writers.infra.begin(bootstrap_key(args.target, args.revision), job)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        if _is_done(args, seen.observation):
            return Done(sentence=f"bootstrap of {args.revision} is done")
        match _state(args, seen.situation):
            case JobState.FAILED:
                job = seen.situation.jobs[bootstrap_key(args.target, args.revision)]
                reason = f"bootstrap of {args.revision} {how_it_ended(job)}"
                return Failed(reason=reason, hint=HINT)
            case JobState.ASKED | JobState.AWAITED:
                job = seen.situation.jobs[bootstrap_key(args.target, args.revision)]
                return of_people(op, job, ctx)
            case JobState.REFUSED | JobState.CONFLICT as state:
                job = seen.situation.jobs[bootstrap_key(args.target, args.revision)]
                return held_back(state, job)
            case JobState.QUEUED | JobState.RUNNING as state:
                job = seen.situation.jobs[bootstrap_key(args.target, args.revision)]
                says = f": {job.progress}" if job.progress else ""
                progress = f"bootstrap of {args.revision} is {state.value}{says}"
            case JobState.LOST:
                progress = "the job's supervisor died without a word: it is begun again"
            case _:
                reason = seen.situation.unread.get(BOOTSTRAP_RAN, "it was not begun")
                progress = f"bootstrap of {args.revision}: {reason}"
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        return Keep(reason="the schema only grew: old code runs on it as before")


def _arguments(op: Operation) -> SchemaArguments:
    return arguments_of(SchemaArguments, op)


def _key(op: Operation) -> str:
    args = _arguments(op)
    return bootstrap_key(args.target, args.revision)


def _is_done(args: SchemaArguments, observation: Observation) -> bool:
    return args.revision in (observation.get(BOOTSTRAP_RAN), observation.get(BOOTSTRAP_REVISION))


def _state(args: SchemaArguments, situation: Situation) -> JobState:
    job = situation.jobs.get(bootstrap_key(args.target, args.revision))
    return JobState.UNKNOWN if job is None else JobState(job.state)
