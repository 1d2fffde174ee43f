"""Workers go only where nobody needs them: never the only ones, never with work in hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from urllib.parse import unquote

from rollout_kit.emulator.model.records import Bucket, Rollout, Run, Task, TaskState
from rollout_kit.emulator.store import Rows
from rollout_kit.model.events import RollbackStarted
from rollout_kit.model.identity import CohortRef
from rollout_kit.simulation.checkers.rule import SIGHT_S, Rule
from rollout_kit.simulation.checkers.words import Words
from rollout_kit.simulation.effects import (
    CohortChanged,
    Happening,
    Journaled,
    ServerWrite,
    Who,
    WorkerDied,
)
from rollout_kit.simulation.truth import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks of a cohort: `act` is drain, resume or promote."""

    cohort: CohortRef
    act: str


def asked_of_a_cohort(written: ServerWrite) -> Asked | None:
    """None: this request is about something else."""
    match written.path.strip("/").split("/"):
        case ["api", "task-queues", queue, "build-ids", act]:
            build = json.loads(written.body or b"{}").get("build_id")
            cohort = CohortRef(
                namespace=written.namespace or "default",
                task_queue=unquote(queue),
                build_id=build,
            )
            return Asked(cohort=cohort, act=act)
    return None


def drains(rows: Rows, cohort: CohortRef) -> bool:
    """Whether the servers' record says that it shall take no more."""
    key = (cohort.namespace, cohort.task_queue, cohort.build_id or "")
    found = rows.get(Rollout, *key)
    return found is not None and found.draining


class NeverDrainTheOnly(Rule):
    """The tool drains a cohort only where another one of its queue can claim.

    That other one has living workers and is not draining, or had and was so at some moment of the last
    `SIGHT_S` seconds: what died or was drained by a person since then, no look of the tool's showed. A
    request that arrives after its caller gave up is judged by none: the tool sent it to another world.
    """

    name = "never-drain-the-only"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._now = _claimants(truth)
        self._could_claim_at_s: dict[CohortRef, float] = {}

    def saw(self, happening: Happening, truth: Truth) -> None:
        match happening.effect:
            case CohortChanged() | WorkerDied():
                self._changed(truth)
            case ServerWrite() as written if happening.who is not Who.WORKER:
                self._written(written, happening, truth)
            case _:
                pass

    def _changed(self, truth: Truth) -> None:
        self._could_claim_at_s |= dict.fromkeys(self._now, truth.at_s)
        self._now = _claimants(truth)

    def _written(self, written: ServerWrite, happening: Happening, truth: Truth) -> None:
        asked = asked_of_a_cohort(written)
        if asked is None or written.status >= 300:
            return
        self._changed(truth)
        if asked.act == "drain" and happening.who is Who.TOOL and not written.late:
            self._judge(asked.cohort, happening.at_s)

    def _judge(self, cohort: CohortRef, at_s: float) -> None:
        since = {
            ref: at_s - seen_s
            for ref, seen_s in self._could_claim_at_s.items()
            if ref.queue == cohort.queue and ref != cohort
        }
        if min(since.values(), default=inf) > SIGHT_S:
            self._say(at_s, f"{cohort.label} was drained, and nobody else there could claim")
            return
        others = sum(age_s <= SIGHT_S for age_s in since.values())
        self._near(others - 1.0, f"{cohort.label} was drained with {others} other cohorts to claim")


def _claimants(truth: Truth) -> frozenset[CohortRef]:
    """Cohorts with living workers that are not to be drained."""
    with truth.rows() as rows:
        return frozenset(
            ref for ref, found in truth.cohorts.items() if found.workers and not drains(rows, ref)
        )


class NeverStopWork(Rule):
    """The tool stops no worker that holds a lease, and no cohort that open runs need.

    A lease counts while it has not run out. An open run needs the cohort that is its pin, on its own
    queue, unless another cohort with living workers there replays the pin. Not counted: what the plan
    strands by name, and the new build of a plan whose rollback freezes it, once that rollback began.
    """

    name = "never-stop-work"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._words = Words()
        self._rolls_back = False

    def saw(self, happening: Happening, truth: Truth) -> None:
        match happening.effect:
            case Journaled(event=event):
                self._words.read(event)
                self._rolls_back = self._rolls_back or isinstance(event, RollbackStarted)
            case CohortChanged(after=0, stopped=stopped) as effect if (
                happening.who is Who.TOOL and stopped
            ):
                self._judge(effect, truth, happening.at_s)
            case _:
                pass

    def _judge(self, stopped: CohortChanged, truth: Truth, at_s: float) -> None:
        cohort = stopped.cohort
        if self._rolls_back and self._words.freezes:
            return
        with truth.rows() as rows:
            leased = _leases(rows, stopped, truth)
            needed = _needing(rows, cohort, truth)
        stranded = self._words.strands(cohort.task_queue, cohort.build_id)
        if leased and not stranded:
            self._say(at_s, f"{cohort.label} was stopped with {len(leased)} leases")
        if needed and not stranded:
            self._say(
                at_s, f"{cohort.label} was stopped; {len(needed)} open runs need it: {needed[0]}"
            )


def _leases(rows: Rows, stopped: CohortChanged, truth: Truth) -> list[str]:
    return [
        task.task_id
        for task in rows.select(Task, namespace=stopped.cohort.namespace, state=TaskState.LEASED)
        if task.lease_owner in stopped.stopped and (task.lease_expires_us or 0) > truth.now_us
    ]


def _needing(rows: Rows, cohort: CohortRef, truth: Truth) -> list[str]:
    if any(
        cohort.build_id in truth.replays(ref)
        for ref, found in truth.cohorts.items()
        if ref.queue == cohort.queue and ref != cohort and found.workers
    ):
        return []
    return [
        run.workflow_id
        for run in rows.select(Run, namespace=cohort.namespace, bucket=Bucket.RUNNING)
        if run.task_queue == cohort.task_queue and run.compatibility == cohort.build_id
    ]
