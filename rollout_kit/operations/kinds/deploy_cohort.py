"""Bring a cohort's workers up, or to another number. That they are there is awaited separately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rollout_kit.model import codec
from rollout_kit.model.capability import Capability
from rollout_kit.model.observation import Absent, Facts, FactValue, Observation, cohort_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.cohort_acts import (
    NOTHING_RUNS,
    DeployCohortArguments,
    back_to_life,
    retire,
    undo_operation,
)
from rollout_kit.operations.cohort_change import silent, touched, unanswered, unseen
from rollout_kit.operations.pace import pace
from rollout_kit.operations.queues import read_queue
from rollout_kit.operations.starts import selected_on
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import CohortSpec, SetCohort

USUALLY_S = 15.0


class DeployCohort:
    kind = "deploy_cohort"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        cohort = _arguments(op).cohort
        return read_queue(cohort.queue, readers, now_s, (cohort,)).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        args = _arguments(op)
        blocked = silent(observation, args.cohort, "image", "replicas")
        if blocked:
            return blocked
        if _is_there(args, observation) and not work_lost(op, situation):
            sentence = f"{args.cohort.label} is deployed as {_named(args)}"
            return Change(kind=ChangeKind.NO_OP, sentence=sentence)
        refused = _refused(args, observation)
        if refused:
            return refused
        had = observation.cohort(args.cohort, "replicas")
        change = f"from {had} to {args.replicas}" if _runs(had) else f"{args.replicas}"
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"run {change} workers of {args.cohort.label} ({_named(args)})",
            details=touched(situation, args.cohort),
            estimate_s=USUALLY_S,
            not_judged=unseen(observation, args.cohort, "image", "replicas"),
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        cohort = _arguments(op).cohort
        return tuple(
            cohort_fact(cohort, name)
            for name in ("image", "replicas", "autoscaled", "drain_intent", "selected")
        )

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        args = _arguments(op)
        facts: dict[str, FactValue] = {cohort_fact(args.cohort, "replicas"): args.replicas}
        if args.image is not None:
            facts[cohort_fact(args.cohort, "image")] = args.image
        if not isinstance(observation.cohort(args.cohort, "drain_intent"), str):
            # Its first registration makes the row.
            facts[cohort_fact(args.cohort, "drain_intent")] = "active"
            selector = observation.can(Capability.PROMOTE)
            facts[cohort_fact(args.cohort, "selected")] = False if selector else None
        return observation.with_facts(facts)

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """What runs now has to be known, or nobody could put it back."""
        missing = unseen(seen.observation, _arguments(op).cohort, "image", "replicas")
        if missing:
            progress = f"the driver must say what runs now: {', '.join(missing)}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        return Done()

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        args = _arguments(op)
        now = writers.infra.cohort_specs().get(args.cohort)
        image = args.image or (now.image if now else None)
        if image is None:
            raise Refused(
                f"the driver does not know {args.cohort.label}, and the plan names no image for it",
                hint="give the image under release.workers",
            )
        spec = CohortSpec(image=image, replicas=args.replicas)
        if now is not None:
            spec = replace(now, image=image, replicas=args.replicas)
        writers.infra.begin(key, SetCohort(cohort=args.cohort, spec=spec))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args, seen = _arguments(op), history[-1]
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        if _is_there(args, seen.observation):
            return Done(sentence=f"{args.replicas} workers of {args.cohort.label} are to run")
        progress = (
            unanswered(seen.observation, args.cohort, "image", "replicas")
            or f"the driver does not record {_named(args)} for {args.cohort.label} yet"
        )
        return Waiting(retry_after_s=pace(ctx), progress=progress)

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        """What ran before gets its image and number back; what did not run is retired."""
        args = _arguments(op)
        had = before.get(cohort_fact(args.cohort, "replicas"))
        image = before.get(cohort_fact(args.cohort, "image"))
        if not isinstance(had, int) or had < 1 or image == NOTHING_RUNS:
            return Undo(retire=retire(op, args, before))
        if had > args.replicas:
            return Undo(restore=back_to_life(op, args, before))
        less = replace(args, image=image if isinstance(image, str) else args.image, replicas=had)
        because = f"{args.cohort.label} had {had} workers before"
        return Undo(retire=(undo_operation(op, "deploy_cohort", less, because),))


def _is_there(args: DeployCohortArguments, observation: Observation) -> bool:
    if args.image not in (None, observation.cohort(args.cohort, "image")):
        return False
    if observation.cohort(args.cohort, "autoscaled") is True:
        return True  # how many is the autoscaler's to say
    return observation.cohort(args.cohort, "replicas") == args.replicas


def _refused(args: DeployCohortArguments, observation: Observation) -> Change | None:
    """Rule 11, just before the write; and no second code under one build id."""
    image = observation.cohort(args.cohort, "image")
    if isinstance(image, str) and args.image not in (None, image) and image != NOTHING_RUNS:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=(
                f"{args.cohort.label} runs {image}, and {args.image} would run under the same build id:"
                " open runs would be replayed by code that did not start them"
            ),
            hint="give the rebuild its own build id, and let it declare `serves` for the old one",
        )
    if args.beside and selected_on(observation, args.cohort.queue) is None:
        return Change(
            kind=ChangeKind.BLOCKED,
            sentence=(
                f"nothing is selected on {args.cohort.task_queue}: with a second cohort beside the"
                " current one, new runs would be pinned to nobody (rule 11)"
            ),
            hint="promote the current build first",
        )
    return None


def _named(args: DeployCohortArguments) -> str:
    return args.image or "the image that the driver has for it"


def _runs(replicas: FactValue) -> bool:
    return isinstance(replicas, int) and not isinstance(replicas, Absent) and replicas > 0


def _arguments(op: Operation) -> DeployCohortArguments:
    return codec.from_json(DeployCohortArguments, op.arguments)
