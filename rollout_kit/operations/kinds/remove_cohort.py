"""Take a cohort that a rollout brought out of the driver's configuration again, once it is gone."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Keep,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.operations.cohort_change import silent, unanswered
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import RemoveCohort

USUALLY_S = 5.0


class RemoveCohortKind:
    kind = "remove_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        cohort = _arguments(op).cohort
        return read_queue(cohort.queue, readers, now_s, (cohort,)).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        cohort = _arguments(op).cohort
        blocked = silent(observation, cohort, "replicas")
        if blocked:
            return blocked
        is_out = _is_out(op, observation)
        if is_out and not work_lost(op, situation):
            sentence = f"{cohort.label} is not configured"
            return Change(kind=ChangeKind.NO_OP, sentence=sentence)
        wanted = observation.cohort(cohort, "replicas")
        if not is_out and wanted != 0:
            return Change(
                kind=ChangeKind.BLOCKED,
                sentence=f"{cohort.label} is to run {wanted} workers: only a stopped one is removed",
                hint="see who started it again; stop it, or keep it",
            )
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"take {cohort.label} out of the configuration",
            estimate_s=USUALLY_S,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        cohort = _arguments(op).cohort
        return tuple(cohort_fact(cohort, name) for name in ("image", "replicas", "autoscaled"))

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        gone = frozenset(self.touches(op))
        return Observation(facts={k: v for k, v in observation.facts.items() if k not in gone})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Nothing of it may run any more: what removes it would end that in its own way."""
        cohort = _arguments(op).cohort
        processes = seen.situation.cohort(cohort).processes
        if processes:
            progress = f"{processes} processes of {cohort.label} still run"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        writers.infra.begin(key, RemoveCohort(cohort=_arguments(op).cohort))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        cohort, seen = _arguments(op).cohort, history[-1]
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        unread = unanswered(seen.observation, cohort, "replicas")
        if unread or not _is_out(op, seen.observation):
            progress = unread or f"{cohort.label} is configured still"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done(sentence=f"{cohort.label} is configured no more")

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        return Keep(reason="it is part of an undo")


def _is_out(op: Operation, observation: Observation) -> bool:
    """Whether the driver was read and knows nothing of it."""
    return cohort_fact(_arguments(op).cohort, "replicas") not in observation.facts


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
