"""What the operations on cohorts are told, and the undo lists they make of each other.

Taking a cohort away, giving it back and bringing it up restore each other, so they share this.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from rollout_kit.model import codec
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Facts, cohort_fact
from rollout_kit.model.operation import NewBuild, Operation, PinnedRuns
from rollout_kit.operations.api import Context
from rollout_kit.operations.liveness import Proof
from rollout_kit.operations.pins import PinRules

NOTHING_RUNS = ""
"""The image of a cohort that a driver was asked for and of which nothing is known to run."""
WAIT_SHARE = 0.75
"""Of a rollback's time, how much may go by until open runs are done; the rest is for taking away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingArguments:
    """A cohort that is to go: what that may cost (`pinned_runs`), who vouches for the one that stays.

    `others`: cohorts of its queue, whose selection may move. `smokes`: operations whose smoke runs the
    successor answers. `ours`: this rollout brought it, so the server may not know it yet.
    """

    cohort: CohortRef
    others: tuple[CohortRef, ...] = ()
    rules: PinRules = field(default_factory=PinRules)
    pinned_runs: PinnedRuns = PinnedRuns.WAIT
    smokes: tuple[str, ...] = ()
    ours: bool = False

    def proof(self, ctx: Context) -> Proof:
        """How surely whoever takes over has to be alive."""
        answered = any(smoke in ctx.written for smoke in self.smokes)
        return Proof(answered=answered, undoing=ctx.undoing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeCohortArguments:
    """`others`: cohorts of the same queue, whose selection the resumed one may take over."""

    cohort: CohortRef
    others: tuple[CohortRef, ...] = ()
    rules: PinRules = field(default_factory=PinRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteBuildArguments:
    """`n`: workers that have to be there before it gets any start."""

    cohort: CohortRef
    others: tuple[CohortRef, ...] = ()
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployCohortArguments:
    """`image=None` keeps the driver's. `beside`: another cohort lives, so one has to be selected.

    `recorded`: the driver keeps a configuration, where a cohort stands until it is taken out again.
    """

    cohort: CohortRef
    image: str | None
    replicas: int
    others: tuple[CohortRef, ...] = ()
    rules: PinRules = field(default_factory=PinRules)
    beside: bool = False
    recorded: bool = False


class Strength(StrEnum):
    """How surely a cohort has to be alive."""

    STARTED = "started"
    PROVED = "proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitCohortArguments:
    cohort: CohortRef
    strength: Strength
    n: int = 1
    smokes: tuple[str, ...] = ()


def freezing(op: Operation, ctx: Context) -> bool:
    """Whether a rollback takes this build away as soon as another gets the new starts."""
    return ctx.undoing and op.rollback.new_build is NewBuild.FREEZE


def undo_operation(
    op: Operation, kind: str, arguments: object, because: str, *, within_s: float | None = None
) -> Operation:
    """An operation of the undo of `op`. Its step's timeout was for the way forward."""
    return replace(
        op,
        kind=kind,
        because=because,
        arguments=codec.to_json(arguments),
        within_s=op.within_s if within_s is None else within_s,
        step_timeout_s=None,
        follows=(),
        follows_plan=False,
        group=None,
        requires=None,
    )


def back_to_life(
    op: Operation, args: LeavingArguments | DeployCohortArguments, before: Facts
) -> tuple[Operation, ...]:
    """Start a cohort as it was before and wait until it is there; nothing where it did not run."""
    image = before.get(cohort_fact(args.cohort, "image"))
    replicas = before.get(cohort_fact(args.cohort, "replicas"))
    if not isinstance(image, str) or not isinstance(replicas, int) or replicas < 1:
        return ()
    deploy = DeployCohortArguments(
        cohort=args.cohort, image=image, replicas=replicas, others=args.others, rules=args.rules
    )
    there = AwaitCohortArguments(cohort=args.cohort, strength=Strength.STARTED, n=replicas)
    return (
        undo_operation(op, "deploy_cohort", deploy, f"{args.cohort.label} ran before"),
        undo_operation(op, "await_cohort", there, "it has to be there before it gets work"),
    )


def back_to_work(op: Operation, args: LeavingArguments, before: Facts) -> tuple[Operation, ...]:
    """Start a cohort as it was, take back its drain, wait until it is there: in this order."""
    resume = ResumeCohortArguments(cohort=args.cohort, others=args.others, rules=args.rules)
    alive = back_to_life(op, args, before)
    resumed = undo_operation(op, "resume_cohort", resume, f"{args.cohort.label} was not draining")
    there = AwaitCohortArguments(cohort=args.cohort, strength=Strength.STARTED)
    return (
        *alive[:1],
        resumed,
        *(alive[1:] or (undo_operation(op, "await_cohort", there, "it has to be there again"),)),
    )


def retire(op: Operation, args: DeployCohortArguments, before: Facts) -> tuple[Operation, ...]:
    """Take away what this rollout brought, once another cohort gets *all* new starts.

    Open runs that still need it make it residue; the list stops there.
    """
    leaving = LeavingArguments(cohort=args.cohort, others=args.others, rules=args.rules, ours=True)
    within_s = op.rollback.within_s
    kinds = (
        ("await_superseded", "another cohort has to get all new starts"),
        ("await_quiesced", "open runs may still need it"),
        ("drain_cohort", "this rollout brought it"),
        ("await_lease_free", "what it holds would be redelivered late"),
        ("stop_cohort", "this rollout brought it"),
        ("await_retired", "stopped is not gone"),
    )
    operations = [
        undo_operation(op, kind, leaving, because, within_s=within_s) for kind, because in kinds
    ]
    stood = cohort_fact(args.cohort, "replicas") in before
    left_over = before.get(cohort_fact(args.cohort, "image")) == NOTHING_RUNS
    if args.recorded and (left_over or not stood):
        operations.append(
            undo_operation(op, "remove_cohort", leaving, "it was not configured", within_s=within_s)
        )
    if before.get(cohort_fact(args.cohort, "drain_intent")) == "active":
        resume = ResumeCohortArguments(cohort=args.cohort, others=args.others, rules=args.rules)
        operations.append(undo_operation(op, "resume_cohort", resume, "it was not draining before"))
    return tuple(operations)
