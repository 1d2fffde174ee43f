"""What kinds that change a cohort have in common: when to block, what to say of it. Pure."""

from __future__ import annotations

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Absent, Observation, cohort_fact
from rollout_kit.model.operation import Change, ChangeKind, PinnedRuns
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Seen
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.operations.departure import needing
from rollout_kit.operations.liveness import DRAINING, shown
from rollout_kit.operations.pins import pinned_runs
from rollout_kit.operations.starts import known


def selection_of(cohorts: tuple[CohortRef, ...]) -> tuple[str, ...]:
    """Which of a queue's cohorts is selected: one write to one of them moves it for all."""
    return tuple(cohort_fact(cohort, "selected") for cohort in cohorts)


def silent(observation: Observation, cohort: CohortRef, *attributes: str) -> Change | None:
    """Blocked while these facts gave no answer: nothing is written on what nobody has seen."""
    sentence = unanswered(observation, cohort, *attributes)
    return Change(kind=ChangeKind.BLOCKED, sentence=sentence) if sentence else None


def unanswered(observation: Observation, cohort: CohortRef, *attributes: str) -> str:
    """Which of these facts the driver gave no answer to, the first of them; "" where it told all."""
    for attribute in attributes:
        value = observation.facts.get(cohort_fact(cohort, attribute))
        if value in (Absent.NO_ANSWER, Absent.PENDING):
            what = "gave no answer" if value is Absent.NO_ANSWER else "is still being read"
            return f"{cohort.label}: {attribute} {what}"
    return ""


def unseen(observation: Observation, cohort: CohortRef, *attributes: str) -> tuple[str, ...]:
    """Those of the attributes that were asked for and not read, in words."""
    return tuple(
        f"{cohort.label}: {attribute}"
        for attribute in attributes
        if isinstance(observation.facts.get(cohort_fact(cohort, attribute)), Absent)
    )


def unknown(observation: Observation, cohort: CohortRef) -> Change | None:
    """Rule 10: an unknown queue or build is refused before the first write."""
    if known(observation, cohort) is not False:
        return None
    others = observation.cohorts_of(cohort.namespace, cohort.task_queue)
    names = ", ".join(other.label for other in others if known(observation, other)) or "none"
    return Change(
        kind=ChangeKind.BLOCKED,
        sentence=(
            f"the server knows no {cohort.label} in namespace {cohort.namespace} (it knows: {names});"
            " it would accept the name and keep a phantom cohort for ever"
        ),
        hint="check queue and build id: both are opaque and case-sensitive",
    )


def touched(situation: Situation, cohort: CohortRef) -> tuple[str, ...]:
    """Workers, leases and pinned runs that a change of this cohort reaches, for people."""
    numbers = situation.cohort(cohort)
    details = [f"workers of {cohort.label}: {shown(situation, cohort)}"]
    if numbers.leases is not None:
        details.append(f"leases it holds: {numbers.leases.text}")
    if cohort.namespace in situation.open_runs:
        complete = all(listing.complete for listing in situation.open_runs.values())
        count = len(pinned_runs(situation, cohort.build_id))
        details.append(f"open runs pinned to it: {'' if complete else 'at least '}{count}")
    return tuple(details)


def kept(args: LeavingArguments, observation: Observation, situation: Situation) -> str:
    """The sentence for a cohort that the plan keeps for the runs that need it; "" where it does not."""
    if args.pinned_runs is not PinnedRuns.KEEP:
        return ""
    seen = Seen(observation=observation, situation=situation, at_s=0.0)
    needed = needing((seen,), args.rules, args.cohort)
    return f"{args.cohort.label} is kept: it serves {needed.text}" if needed.runs else ""


def left_alone(args: LeavingArguments, observation: Observation) -> str:
    """After a drain that was not sent because the cohort is kept: nothing more happens to it."""
    if args.pinned_runs is not PinnedRuns.KEEP:
        return ""
    if observation.cohort(args.cohort, "drain_intent") != "active":
        return ""
    return f"{args.cohort.label} is kept for its open runs"


def never_run(args: LeavingArguments, observation: Observation) -> bool:
    """Of what a rollout brought: its driver was read and runs nothing of it, so it never began."""
    return args.ours and cohort_fact(args.cohort, "replicas") not in observation.facts


def never_came(args: LeavingArguments, observation: Observation) -> str:
    """Why there is nothing of it to take away; "" where there is, or where nobody could tell.

    The server would keep a row for a name that it is told to drain, and for ever.
    """
    if never_run(args, observation) and known(observation, args.cohort) is False:
        return f"neither the server nor the driver knows {args.cohort.label}"
    return ""


def gone(observation: Observation, cohort: CohortRef) -> bool:
    """Whether it has been taken away already: drained, and not meant to run."""
    drained = observation.cohort(cohort, "drain_intent") == DRAINING
    return drained and observation.cohort(cohort, "replicas") == 0
