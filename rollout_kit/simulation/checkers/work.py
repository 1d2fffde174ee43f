"""No workflow is lost, and none is carried out twice."""

from __future__ import annotations

import json
from collections import Counter

from rollout_kit.emulator.model.records import Bucket, Event, Run
from rollout_kit.emulator.model.settings import RULES
from rollout_kit.emulator.store import Rows
from rollout_kit.model.events import RollbackStarted
from rollout_kit.simulation.checkers.cohorts import drains
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.checkers.words import Words
from rollout_kit.simulation.checking import Ending, Violation
from rollout_kit.simulation.effects import Happening, Journaled, ServerWrite, Who
from rollout_kit.simulation.truth import Truth

ENDS = frozenset({"WorkflowCompleted", "WorkflowFailed", "WorkflowContinuedAsNew"})


class NoWorkLost(Rule):
    """Every run that a client started is completed, or open where a living cohort can claim it.

    Judged when all has come to rest and what had died lives again. A cohort can claim a run of its
    queue that is pinned to its build, to one that it replays, or to none; a draining one only where the
    servers go on giving it polls. Not counted: runs that the plan strands, and those of a build that
    a rollback freezes by the plan's own word.
    """

    name = "no-work-lost"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._words = Words()
        self._rolls_back = False

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        if isinstance(happening.effect, Journaled):
            self._words.read(happening.effect.event)
            if isinstance(happening.effect.event, RollbackStarted):
                self._rolls_back = True

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        with truth.rows() as rows:
            claimable = _claimable(rows, truth)
            for workflow_id in truth.started_runs:
                runs = rows.select(Run, namespace="default", workflow_id=workflow_id)
                wrong = "it is nowhere" if not runs else self._wrong(runs[-1], claimable)
                if wrong:
                    self._say(truth.at_s, f"{workflow_id}: {wrong}")
        return super().finish(truth, ending)

    def _wrong(self, run: Run, claimable: set[tuple[str, str | None]]) -> str:
        """What is wrong with it; empty: nothing."""
        if run.bucket is Bucket.COMPLETED:
            return ""
        if run.bucket is not Bucket.RUNNING:
            return f"it ended as {run.status}"
        if (run.task_queue, run.compatibility) in claimable:
            return ""
        if self._words.strands(run.task_queue, run.compatibility):
            return ""
        if self._rolls_back and self._words.freezes:
            return ""
        return (
            f"it is open, pinned to {run.compatibility}, and nobody on {run.task_queue} may have it"
        )


def _claimable(rows: Rows, truth: Truth) -> set[tuple[str, str | None]]:
    """Queues and pins that have living workers for them."""
    refused = RULES[truth.generation].draining_polls_refused
    found: set[tuple[str, str | None]] = set()
    for ref, cohort in truth.cohorts.items():
        if cohort.workers and not (refused and drains(rows, ref)):
            found |= {(ref.task_queue, pin) for pin in (None, *truth.replays(ref))}
    return found


class NothingDoneTwice(Rule):
    """No workflow task is completed twice with effect, and no run has two ends."""

    name = "nothing-done-twice"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._done: Counter[str] = Counter()

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        match happening.effect:
            case ServerWrite(path=path, status=status) as effect if status < 300:
                if happening.who is Who.WORKER and path.endswith("/complete"):
                    self._completed(effect, happening.at_s)
            case _:
                pass

    def _completed(self, written: ServerWrite, at_s: float) -> None:
        task = written.path.split("/")[-2]
        self._done[task] += 1
        if self._done[task] == 2:
            owner = json.loads(written.body).get("lease_owner")
            self._say(at_s, f"task {task} was completed twice, at last by {owner}")

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        with truth.rows() as rows:
            for workflow_id in truth.started_runs:
                for run in rows.select(Run, namespace="default", workflow_id=workflow_id):
                    ends = sum(e.event_type in ENDS for e in rows.select(Event, run_id=run.run_id))
                    if ends > 1:
                        self._say(truth.at_s, f"{workflow_id} has {ends} ends")
        return super().finish(truth, ending)
