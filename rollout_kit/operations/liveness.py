"""Whether a cohort's workers are there, in two strengths: *started* and *proved*. Pure.

Official workers of the older generation send no heartbeats and show as stale for ever, so rows alone
cannot say it. Each answer is yes, no, or None: it could not be measured, which is never a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Failed
from rollout_kit.model.situation import CohortNumbers, Situation
from rollout_kit.operations.api import Seen

DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How surely somebody has to be alive: *proved* on the way forward, *started* in an undo.

    `answered`: the successor answered a smoke run of this rollout.
    """

    answered: bool = False
    undoing: bool = False

    def of(self, history: Sequence[Seen], cohort: CohortRef) -> bool:
        """Whether this cohort is alive that surely; what was not measured is not."""
        if self.undoing:
            return started(history, cohort) is True
        return proved(history, cohort, answered=self.answered) is True

    @property
    def text(self) -> str:
        return "started" if self.undoing else "proved to work"


FORWARD = Proof()


def started(history: Sequence[Seen], cohort: CohortRef, n: int = 1) -> bool | None:
    """Whether at least `n` workers of it are there, whatever they have done so far.

    Args:
        history: looks, oldest first; the last one is judged, the others show who worked lately.
        n: the desired count for a cohort that this rollout starts, 1 for any other.
    """
    last = history[-1]
    numbers = last.situation.cohort(cohort)
    rows = live_rows(last.observation, numbers, cohort)
    processes = _processes(numbers)
    if rows is not None and rows >= n:
        return True
    if processes is not None and processes >= n:
        return True
    if n == 1 and worked(history, cohort):
        return True
    return None if rows is None or (processes is None and numbers.stale != 0) else False


def proved(
    history: Sequence[Seen], cohort: CohortRef, n: int = 1, *, answered: bool = False
) -> bool | None:
    """Whether at least `n` workers of it are there *and* it is known to get work done.

    Args:
        answered: it answered a smoke run of this rollout. That counts for as long as nothing waits
            for it: an idle cohort has no other way to show that it works.
    """
    last = history[-1]
    rows = live_rows(last.observation, last.situation.cohort(cohort), cohort)
    if rows is not None and rows >= n:
        return True
    there = started(history, cohort, n)
    if there and (worked(history, cohort) or (answered and idle(last.situation, cohort))):
        return True
    return None if there is None else False


def live_rows(observation: Observation, numbers: CohortNumbers, cohort: CohortRef) -> int | None:
    """Registrations that live; draining ones count where the cohort's own intent made them so."""
    if numbers.active is None:
        return None
    if observation.cohort(cohort, "drain_intent") == DRAINING:
        return numbers.active + (numbers.draining or 0)
    return numbers.active


def worked(history: Sequence[Seen], cohort: CohortRef) -> bool:
    """Whether it held a lease, or completed a run, within the stale limit before the last look."""
    last = history[-1]
    limit_s = last.situation.queue(cohort.queue).stale_after_s
    if limit_s is None:
        return False
    for seen in reversed(history):
        since_s = last.at_s - seen.at_s
        if since_s > limit_s:
            break
        worked_ago_s = seen.situation.cohort(cohort).worked_ago_s
        if worked_ago_s is not None and since_s + worked_ago_s <= limit_s:
            return True
    return last.situation.cohort(cohort).worked_since_start and idle(last.situation, cohort)


def idle(situation: Situation, cohort: CohortRef) -> bool:
    """Whether there is nothing that it could work on: no ready task, or no run pinned to it."""
    queue = situation.queue(cohort.queue)
    if queue.ready_workflow_tasks == 0 and queue.ready_activity_tasks == 0:
        return True
    runs = situation.open_runs.get(cohort.namespace)
    return (
        runs is not None and runs.complete and all(run.pin != cohort.build_id for run in runs.runs)
    )


def shown(situation: Situation, cohort: CohortRef) -> str:
    """What is known of its workers, for messages."""
    numbers = situation.cohort(cohort)
    parts = [
        f"{count} {word}"
        for count, word in (
            (numbers.active, "active"),
            (numbers.draining, "draining"),
            (numbers.stale, "stale"),
            (numbers.processes, "processes"),
        )
        if count is not None
    ]
    return ", ".join(parts) if parts else "nothing that could be counted"


def conflicting(situation: Situation, cohort: CohortRef) -> Failed | None:
    """Rule 13: one workflow type with several code fingerprints under one build id stops the rollout."""
    conflicts = situation.cohort(cohort).fingerprint_conflicts
    if not conflicts:
        return None
    return Failed(
        reason=(
            f"workers of {cohort.label} registered different code for {', '.join(conflicts)} under"
            " one build id: runs would be replayed by code that did not start them"
        ),
        hint="give the changed code a build id of its own and deploy that",
    )


def _processes(numbers: CohortNumbers) -> int | None:
    """Processes that the driver counts and the server has a registration of."""
    if numbers.processes is None or numbers.registered is None:
        return None
    return min(numbers.processes, numbers.registered)
