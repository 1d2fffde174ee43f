"""Ask the server's own migration ledger, as a job of the new image, whether anything is pending."""

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
from rollout_kit.model.situation import JobNumbers, Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.goal import nothing_to_do
from rollout_kit.operations.pace import pace
from rollout_kit.operations.schema import (
    BOOTSTRAP,
    BOOTSTRAP_RAN,
    LEDGER_JOB,
    SchemaArguments,
    driver_must_answer,
    key_to_ask,
    ledger_key,
    read_bootstrap,
    with_own_job,
)
from rollout_kit.operations.work import held_back, how_it_ended, of_people
from rollout_kit.ports.infra import JobState, RunJob


class CheckLedger:
    """With `before` it asks ahead of the job, for a plan that does not call its schema additive."""

    kind = "check_ledger"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        args = _arguments(op)
        latest = ledger_key(args.target, args.revision, 0)
        return with_own_job(op, read_bootstrap(readers, args.revision, now_s), latest)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        if _is_done(args, observation):
            return nothing_to_do(f"the ledger of {args.revision} was seen complete")
        job = _job(args, situation)
        if job and job.state in (JobState.QUEUED, JobState.RUNNING):
            return nothing_to_do("the ledger is being asked")
        stops = "; anything pending stops the plan here" if args.before else ""
        unread = isinstance(observation.get(BOOTSTRAP_REVISION), Absent)
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"ask the migration ledger with {args.image} (it changes nothing){stops}",
            estimate_s=5.0,
            not_judged=(f"whether anything is pending for {args.revision}",) if unread else (),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return (BOOTSTRAP,)

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        args = _arguments(op)
        if args.before:
            return observation
        return observation.with_facts({BOOTSTRAP_REVISION: args.revision})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        return driver_must_answer(BOOTSTRAP_REVISION, op, seen, ctx)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:  # noqa: ARG002
        args = _arguments(op)
        job = RunJob(job=LEDGER_JOB, image=args.image, revision=args.revision)
        writers.infra.begin(key_to_ask(writers.infra, args.target, args.revision), job)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        if _is_done(args, seen.observation):
            return Done(sentence=f"the ledger of {args.revision} shows nothing pending")
        job = _job(args, seen.situation)
        if job is None:
            reason = seen.situation.unread.get(BOOTSTRAP_REVISION, "it was not asked")
            return Waiting(retry_after_s=pace(ctx), progress=f"the ledger: {reason}")
        match JobState(job.state):
            case JobState.SUCCEEDED:
                return _pending(args, job)
            case JobState.FAILED:
                return Failed(
                    reason=f"the ledger could not be asked: the job {how_it_ended(job)}",
                    hint="run the job by hand to see why; `resume` asks again",
                )
            case JobState.ASKED | JobState.AWAITED:
                return of_people(op, job, ctx)
            case JobState.REFUSED | JobState.CONFLICT as state:
                return held_back(state, job)
            case state:
                return Waiting(
                    retry_after_s=pace(ctx), progress=f"the ledger's job is {state.value}"
                )

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        return Keep(reason="it only asked")


def _pending(args: SchemaArguments, job: JobNumbers) -> Failed:
    """What the answer lacks is an error, never "nothing is pending" (rule 14)."""
    if not job.pending_migrations:
        return Failed(
            reason="the ledger's answer names no migration at all, so it proves nothing",
            hint="look at the output of the fleet's migrate-status job",
        )
    names = ", ".join(job.pending_migrations)
    if args.before:
        return Failed(
            reason=f"{len(job.pending_migrations)} migrations are pending for {args.revision}"
            f" ({names}), and the plan does not say that old code runs on the new schema",
            hint="say `additive: true` when it does; else upgrade with the service stopped",
        )
    return Failed(
        reason=f"bootstrap of {args.revision} ended, yet {len(job.pending_migrations)} migrations"
        f" are pending: {names}",
        hint="mend the schema and `resume`: the ledger is asked again",
    )


def _arguments(op: Operation) -> SchemaArguments:
    return arguments_of(SchemaArguments, op)


def _is_done(args: SchemaArguments, observation: Observation) -> bool:
    if args.before and observation.get(BOOTSTRAP_RAN) == args.revision:
        return True
    return observation.get(BOOTSTRAP_REVISION) == args.revision


def _job(args: SchemaArguments, situation: Situation) -> JobNumbers | None:
    return situation.jobs.get(ledger_key(args.target, args.revision, 0))
