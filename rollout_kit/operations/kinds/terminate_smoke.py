"""Terminate smoke runs that are still open, of every attempt of the operation that started them."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Facts, Observation
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
from rollout_kit.model.situation import OpenRuns, Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.goal import nothing_to_do
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import RUNS
from rollout_kit.operations.smoke import OPEN, TerminateSmokeArguments, prefix, rollout_of


class TerminateSmoke:
    kind = "terminate_smoke"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        """Found by listing: an attempt that a crash cut short may have started some of its runs."""
        namespace = _arguments(op).namespace
        listing = ask(lambda: readers.engine.open_runs(namespace))
        if isinstance(listing, Missing):
            situation = Situation(unread={RUNS + namespace: listing.reason})
        else:
            runs = dict.fromkeys(_ours(op, readers.key, listing), OPEN)
            situation = Situation(runs=runs, open_runs={namespace: listing})
        return Seen(observation=Observation(), situation=situation, at_s=now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        smoke = _arguments(op).operation
        if situation.runs:
            sentence = f"terminate {len(situation.runs)} smoke runs of {smoke} that are still open"
            return Change(kind=ChangeKind.UPDATE, sentence=sentence)
        if _complete(op, situation):
            return nothing_to_do(f"no smoke run of {smoke} is open")
        return Change(kind=ChangeKind.CHECK, sentence=f"look for open smoke runs of {smoke}")

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:  # noqa: ARG002
        return observation

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:  # noqa: ARG002
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        namespace = _arguments(op).namespace
        for workflow_id in _ours(op, key, writers.engine.open_runs(namespace)):
            writers.engine.terminate(namespace, workflow_id)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        situation = history[-1].situation
        if situation.runs:
            progress = f"{len(situation.runs)} smoke runs are still open"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        if not _complete(op, situation):
            progress = "the open runs could not be listed completely yet"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done(sentence="no smoke run is open")

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        return Keep(reason="a terminated smoke run is nobody's work")


def _ours(op: Operation, key: str, listing: OpenRuns) -> tuple[str, ...]:
    if not key:
        return ()
    below = prefix(rollout_of(key), _arguments(op).operation)
    ids = (run.workflow_id for run in listing.runs)
    return tuple(dict.fromkeys(found for found in ids if found.startswith(below)))


def _complete(op: Operation, situation: Situation) -> bool:
    listing = situation.open_runs.get(_arguments(op).namespace)
    return listing is not None and listing.complete


def _arguments(op: Operation) -> TerminateSmokeArguments:
    return codec.from_json(TerminateSmokeArguments, op.arguments)
