"""Run a program of the plan's author. Whether it may run twice is the author's word."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout_kit.model import codec
from rollout_kit.model.observation import Facts, Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Failed,
    Irreversible,
    Keep,
    NeedsPerson,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.pace import pace
from rollout_kit.operations.work import of_people, read_work
from rollout_kit.ports.infra import JobState, RunCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommandArguments:
    """The step's `with`. `undo=None` on what is not irreversible: it is an undo itself."""

    command: tuple[str, ...]
    undo: tuple[str, ...] | None = None
    check: tuple[str, ...] | None = None
    idempotent: bool = False
    irreversible: bool = False

    @property
    def may_run_again(self) -> bool:
        """Whether an unknown outcome may be settled by running it once more."""
        return self.idempotent or self.check is not None

    @property
    def argv(self) -> tuple[str, ...]:
        """With a check, the two as one: nothing can happen between them that nobody records."""
        if self.check is None:
            return self.command
        script = f"{shlex.join(self.check)} >/dev/null 2>&1 || exec {shlex.join(self.command)}"
        return ("sh", "-c", script)


class RunCommandKind:
    """The driver runs it under the operation's key, so that a second process joins what runs."""

    kind = "run_command"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return Seen(observation=Observation(), situation=read_work(op, readers), at_s=now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        args = _arguments(op)
        line = shlex.join(args.command)
        irreversible = "the plan marks it irreversible" if args.irreversible else ""
        unknown = _state(op, situation) is JobState.UNKNOWN
        lost = _state(op, situation) is JobState.LOST
        if unknown or (lost and args.may_run_again):
            sentence = f"run `{line}`"
            if args.check is not None:
                sentence += f" unless `{shlex.join(args.check)}` says that it is not needed"
            return Change(
                kind=ChangeKind.UPDATE,
                sentence=sentence,
                irreversible=irreversible,
                not_judged=tuple(situation.unread.values()),
            )
        return Change(
            kind=ChangeKind.NO_OP, sentence=f"`{line}` was begun", irreversible=irreversible
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:  # noqa: ARG002
        return observation

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:  # noqa: ARG002
        """A command that may already run is never started: first the driver has to answer."""
        for reason in seen.situation.unread.values():
            return Waiting(retry_after_s=pace(ctx), progress=f"the driver must say: {reason}")
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        writers.infra.begin(key, RunCommand(argv=_arguments(op).argv))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args = _arguments(op)
        line = shlex.join(args.command)
        situation = history[-1].situation
        job = situation.jobs.get(op.id)
        match _state(op, situation):
            case JobState.SUCCEEDED:
                return Done(sentence=f"`{line}` succeeded")
            case JobState.FAILED:
                detail = (job.detail if job else "") or "it wrote nothing to standard error"
                status = job.exit_status if job else None
                return Failed(
                    reason=f"`{line}` ended with status {status}: {detail}",
                    hint="run it by hand to see why; `resume` runs it again",
                )
            case JobState.LOST if not args.may_run_again:
                return NeedsPerson(
                    reason=f"`{line}` was started, and whoever watched it died:"
                    " nobody knows whether it took effect",
                    hint="see whether it did; then approve this operation, or roll back."
                    " With `idempotent: true` or a `check` it would simply run again",
                )
            case JobState.ASKED | JobState.AWAITED if job is not None:
                return of_people(op, job, ctx)
            case _:
                return Waiting(retry_after_s=pace(ctx), progress=f"`{line}` runs")

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        args = _arguments(op)
        if args.irreversible:
            return Irreversible(reason=f"`{shlex.join(args.command)}` is marked irreversible")
        if args.undo is None:
            return Keep(reason="it undoes another command")
        undo = RunCommandArguments(command=args.undo, idempotent=args.idempotent)
        arguments = codec.to_json(undo)
        return Undo(
            restore=(replace(op, because=f"undoes {op.id}", arguments=arguments, follows=()),)
        )


def _arguments(op: Operation) -> RunCommandArguments:
    return codec.from_json(RunCommandArguments, op.arguments)


def _state(op: Operation, situation: Situation) -> JobState:
    job = situation.jobs.get(op.id)
    return JobState.UNKNOWN if job is None else JobState(job.state)
