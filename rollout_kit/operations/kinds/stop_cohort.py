"""Stop a cohort's workers. Where drain is only a label, this is what takes it out of service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rollout_kit.model import codec
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Keep,
    Operation,
    PinnedRuns,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.cohort_acts import LeavingArguments, back_to_life, freezing
from rollout_kit.operations.cohort_change import (
    left_alone,
    never_run,
    silent,
    touched,
    unanswered,
    unseen,
)
from rollout_kit.operations.departure import (
    leases_held,
    left_to_nobody,
    markers_lost,
    needing,
    not_the_last,
)
from rollout_kit.operations.liveness import DRAINING
from rollout_kit.operations.pace import pace
from rollout_kit.operations.pins import refused_polls
from rollout_kit.operations.queues import read_leaving
from rollout_kit.operations.starts import known, why_no_successor
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import SetCohort


class StopCohort:
    kind = "stop_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        return read_leaving(_arguments(op).cohort, readers, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        blocked = silent(observation, args.cohort, "replicas")
        if blocked:
            return blocked
        if observation.cohort(args.cohort, "replicas") == 0 and not work_lost(op, situation):
            sentence = f"{args.cohort.label} is not meant to run"
            return Change(kind=ChangeKind.NO_OP, sentence=sentence)
        keeping = left_alone(args, observation)
        if not keeping and never_run(args, observation):
            keeping = _not_run(args)
        if keeping:
            return Change(kind=ChangeKind.NO_OP, sentence=keeping)
        refused = _refused(args, observation)
        if refused:
            return refused
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"stop the workers of {args.cohort.label}",
            details=touched(situation, args.cohort),
            estimate_s=10.0,
            not_judged=unseen(observation, args.cohort, "replicas"),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        cohort = _arguments(op).cohort
        return tuple(cohort_fact(cohort, name) for name in ("image", "replicas", "autoscaled"))

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        args = _arguments(op)
        others = tuple(
            cohort_fact(other, attribute)
            for other in args.others
            for attribute in ("drain_intent", "replicas", "selected")
        )
        return (cohort_fact(args.cohort, "drain_intent"), *others)

    def expect(self, op: Operation, observation: Observation) -> Observation:
        cohort = _arguments(op).cohort
        facts = {cohort_fact(cohort, "replicas"): 0, cohort_fact(cohort, "image"): None}
        return observation.with_facts(facts)

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Drained, without a lease, needed by no run (9), not the last one (7), no marker lost (19)."""
        progress = _not_ready(op, _arguments(op), seen, ctx)
        if progress:
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        cohort = _arguments(op).cohort
        now = writers.infra.cohort_specs().get(cohort)
        if now is None:
            raise Refused(f"the driver does not run {cohort.label}, so it cannot stop it")
        writers.infra.begin(key, SetCohort(cohort=cohort, spec=replace(now, replicas=0)))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        keeping = left_alone(args, seen.observation)
        if keeping:
            return Done(sentence=keeping)
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        if never_run(args, seen.observation):
            return Done(sentence=_not_run(args))
        if seen.observation.cohort(args.cohort, "replicas") != 0:
            progress = (
                unanswered(seen.observation, args.cohort, "replicas")
                or f"the driver still wants workers of {args.cohort.label}"
            )
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        processes = seen.situation.cohort(args.cohort).processes
        if processes:
            progress = f"{processes} processes of {args.cohort.label} still run"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done(sentence=f"the workers of {args.cohort.label} are stopped")

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """Start what ran. The drain before it has its own undo, which takes the intent back."""
        args = _arguments(op)
        alive = back_to_life(op, args, before)
        if not alive:
            return Keep(reason=f"{args.cohort.label} did not run before")
        return Undo(restore=alive)


def _not_run(args: LeavingArguments) -> str:
    return f"the driver runs nothing of {args.cohort.label}"


def _refused(args: LeavingArguments, observation: Observation) -> Change | None:
    if cohort_fact(args.cohort, "replicas") not in observation.facts:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=f"the driver does not run {args.cohort.label}, so it cannot stop it",
            hint="name the cohort to the driver, or stop its workers by hand and leave the step out",
        )
    alone = why_no_successor(observation, args.rules, args.cohort)
    if alone:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=f"{args.cohort.label} would be stopped with nobody in its place: {alone}",
            hint="first give the new starts to a cohort that lives (`worker-canary`, `promote`)",
        )
    return None


def _not_ready(op: Operation, args: LeavingArguments, seen: Seen, ctx: Context) -> str:
    """Why its workers must not be stopped yet; "" when they may."""
    cohort, proof = args.cohort, args.proof(ctx)
    missing = unseen(seen.observation, cohort, "image", "replicas")
    if missing:
        return f"the driver must say what runs now: {', '.join(missing)}"
    drained = seen.observation.cohort(cohort, "drain_intent") == DRAINING
    if not drained and known(seen.observation, cohort) is not False:
        return f"{cohort.label} is not drained"
    last = not_the_last((seen,), args.rules, cohort, proof)
    if last:
        return last
    lost = markers_lost(seen, args.rules, cohort)
    if lost:
        return left_to_nobody(lost)
    held = leases_held(seen, args.rules, cohort)
    stopping_drains = freezing(op, ctx) and not refused_polls(seen.observation, cohort)
    if held and not stopping_drains:
        return held
    if freezing(op, ctx) or args.pinned_runs is PinnedRuns.STRAND:
        return ""
    needed = needing((seen,), args.rules, cohort, proof)
    if needed.runs:
        return f"{needed.text} pinned to {cohort.label}, served by nobody else"
    return needed.why_incomplete


def _arguments(op: Operation) -> LeavingArguments:
    return codec.from_json(LeavingArguments, op.arguments)
