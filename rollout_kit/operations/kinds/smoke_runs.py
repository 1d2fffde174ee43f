"""Start runs of the rollout's own on the new build, and wait for their results."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model import codec
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Failed,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.cohort_acts import undo_operation
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.liveness import conflicting, shown, started
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue
from rollout_kit.operations.reading import merged, read_node
from rollout_kit.operations.smoke import (
    OPEN,
    SmokeRunsArguments,
    TerminateSmokeArguments,
    run_ids,
)
from rollout_kit.ports.engine import StartRequest

COMPLETED = "completed"
SLACK_S = 60.0

_RUN = "smoke/"
"""Keys in `unread` of runs that nobody tells of."""


class SmokeRuns:
    kind = "smoke_runs"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        args = _arguments(op)
        looks = [read_queue(args.cohort.queue, readers, now_s, (args.cohort,))]
        if args.node is not None:
            looks.append(read_node(args.node, readers, now_s))
        ids = run_ids(readers.key, args.count) if readers.key else ()
        looks.append(_read_runs(args, ids, readers, now_s))
        return merged(looks, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        if _needless(op, observation):
            return nothing_to_do(f"{args.cohort.label} gets new starts already")
        if len(situation.runs) == args.count:
            return nothing_to_do(f"{args.count} smoke runs are started")
        where = f" at {args.node}" if args.node else ""
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"start {args.count} runs of {args.workflow_type} on {args.cohort.label}{where}",
            estimate_s=5.0,
            not_judged=_unread(situation),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return (cohort_fact(_arguments(op).cohort, "drain_intent"),)

    def expect(self, op: Operation, observation: Observation) -> Observation:  # noqa: ARG002
        return observation

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """A run pinned to a build that nobody runs would wait for ever: *started* opens the smoke."""
        cohort = _arguments(op).cohort
        conflict = conflicting(seen.situation, cohort)
        if conflict:
            return conflict
        for reason in _unread(seen.situation):
            return Waiting(retry_after_s=pace(ctx), progress=f"which runs there are: {reason}")
        if started((seen,), cohort):
            return Done()
        progress = f"{cohort.label} is not started: {shown(seen.situation, cohort)}"
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        """An id that is taken is not started again: a closed run would be refused as a duplicate."""
        args = _arguments(op)
        for workflow_id in run_ids(key, args.count):
            if writers.engine.run(args.cohort.namespace, workflow_id) is None:
                writers.engine.start(_request(args, workflow_id))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        runs = seen.situation.runs
        if not runs and _needless(op, seen.observation):
            return Done(sentence=f"{args.cohort.label} gets new starts already")
        failed = {run: status for run, status in runs.items() if status not in (OPEN, COMPLETED)}
        if failed:
            return _failed(args, failed)
        build = args.cohort.build_id
        astray = {run: pin for run, pin in seen.situation.pins.items() if pin != build}
        if astray:
            return _astray(args, astray)
        done = sum(1 for status in runs.values() if status == COMPLETED)
        if done == args.count:
            return Done(sentence=f"{done} smoke runs completed on {args.cohort.label}")
        progress = f"{done} of {args.count} smoke runs completed ({len(runs)} started)"
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        """Those still open are terminated: the rollout's own runs are never residue."""
        namespace = _arguments(op).cohort.namespace
        args = TerminateSmokeArguments(operation=op.id, namespace=namespace)
        because = "the rollout's own runs are never left behind"
        return Undo(
            retire=(undo_operation(op, "terminate_smoke", args, because, within_s=SLACK_S),)
        )


def _needless(op: Operation, observation: Observation) -> bool:
    """Whether real runs have gone this way already: then a smoke proves nothing."""
    if _arguments(op).always:
        return False
    if goal_reached(op, observation):
        return True
    return observation.cohort(_arguments(op).cohort, "selected") is True


def _unread(situation: Situation) -> tuple[str, ...]:
    """Why it is not known of some of its runs whether they are there."""
    return tuple(why for key, why in situation.unread.items() if key.startswith(_RUN))


def _read_runs(
    args: SmokeRunsArguments, ids: tuple[str, ...], readers: Readers, now_s: float
) -> Seen:
    runs: dict[str, str] = {}
    pins: dict[str, str | None] = {}
    unread: dict[str, str] = {}
    namespace = args.cohort.namespace
    for workflow_id in ids:
        status = ask(lambda wanted=workflow_id: readers.engine.run(namespace, wanted))  # type: ignore[misc]
        if isinstance(status, Missing):
            unread[f"{_RUN}{workflow_id}"] = status.reason
        elif status is not None:
            runs[workflow_id] = status.status if status.terminal else OPEN
            pins[workflow_id] = status.pin
    situation = Situation(runs=runs, pins=pins, unread=unread)
    return Seen(observation=Observation(), situation=situation, at_s=now_s)


def _request(args: SmokeRunsArguments, workflow_id: str) -> StartRequest:
    return StartRequest(
        queue=args.cohort.queue,
        workflow_type=args.workflow_type,
        workflow_id=workflow_id,
        run_timeout_s=args.run_timeout_s,
        build_id=args.cohort.build_id if args.pinned else None,
        node=args.node,
    )


def _failed(args: SmokeRunsArguments, failed: dict[str, str]) -> Failed:
    shown_runs = ", ".join(f"{run}: {status}" for run, status in sorted(failed.items())[:5])
    return Failed(
        reason=f"{len(failed)} of {args.count} smoke runs on {args.cohort.label} ended without a"
        f" result ({shown_runs})",
        hint=f"look at one of them: {args.cohort.label} could not do real runs either",
    )


def _astray(args: SmokeRunsArguments, astray: dict[str, str | None]) -> Failed:
    run, pin = sorted(astray.items())[0]
    return Failed(
        reason=f"smoke run {run} is pinned to {pin or 'no build'}, not to {args.cohort.build_id}:"
        " it proves nothing about the new build",
        hint="see what gives new runs their pin: the build a start names, or the node's marker",
    )


def _arguments(op: Operation) -> SmokeRunsArguments:
    return codec.from_json(SmokeRunsArguments, op.arguments)
