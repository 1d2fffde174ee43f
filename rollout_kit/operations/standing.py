"""Rows of the verification table that facts answer: what was to come true, and what is left over."""

from __future__ import annotations

from rollout_kit.model.gate import StandingSource
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import show
from rollout_kit.operations import maintenance, reading
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.queues import read_queue
from rollout_kit.operations.schema import read_bootstrap

NOT_IN_PLAN = "not in this plan"


def observe_standing(source: StandingSource, readers: Readers, now_s: float) -> Seen:
    """One look at the facts of the row."""
    below = {fact.split("/")[0] for fact in source.subject}
    looks: list[Seen] = []
    if "node" in below:
        looks.append(reading.read_all_nodes(readers, now_s))
    if "scheduler" in below:
        looks.append(reading.read_scheduler(readers, now_s, metrics=False))
    if "maintenance" in below:
        looks.append(maintenance.read_maintenance(readers, now_s))
    if "bootstrap" in below and readers.scope.revision is not None:
        looks.append(read_bootstrap(readers, readers.scope.revision, now_s))
    looks += [read_queue(c.queue, readers, now_s, (c,)) for c in source.retired]
    return reading.merged(looks, now_s)


def judge_standing(source: StandingSource, seen: Seen) -> tuple[float | None, str]:
    """0 where the row holds, else how many of its facts do not; what nobody could read is no data."""
    if source.why_not:
        return 0.0, source.why_not
    wrong: list[str] = []
    unread: list[str] = []
    for fact, expected in source.subject.items():
        found = seen.observation.get(fact)
        if isinstance(found, str | int | float) and str(found) == expected:
            continue
        known = found is None or isinstance(found, str | int | float)
        (wrong if known else unread).append(f"{fact} is {show(found)}, not {expected}")
    for cohort in source.retired:
        left = _left(cohort, seen)
        if left is None:
            unread.append(f"{cohort.label}: {why_unread(cohort, seen)}")
        elif left:
            wrong.append(f"{cohort.label} still has {left}")
    if wrong:
        return float(len(wrong)), "; ".join(wrong)
    return (None, "; ".join(unread)) if unread else (0.0, "")


def why_unread(cohort: CohortRef, seen: Seen) -> str:
    """Why nothing is known of a cohort's numbers."""
    places = (f"queue/{cohort.queue.path}", f"runs/{cohort.namespace}")
    unread = seen.situation.unread.items()
    reasons = dict.fromkeys(why for what, why in unread if what.startswith(places))
    return "; ".join(reasons) or f"nothing is known of {cohort.label}"


def _left(cohort: CohortRef, seen: Seen) -> str | None:
    """What is left of a retired cohort, in words; "" for nothing, None for not measured."""
    numbers = seen.situation.cohort(cohort)
    if numbers.active is None or numbers.draining is None:
        return None
    workers = numbers.active + numbers.draining
    parts = [f"{workers} workers"] if workers else []
    parts += [f"{numbers.processes} processes"] if numbers.processes else []
    return " and ".join(parts)
