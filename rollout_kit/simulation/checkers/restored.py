"""Rolled back means as it was; what is left is listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from rollout_kit.emulator.model.cohorts import selected_rollout
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import Rows
from rollout_kit.model.events import Outcome, RolloutFinished, UndoSkipped
from rollout_kit.simulation.checkers.cohorts import asked_of_a_cohort, drains
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.checking import Ending, Violation
from rollout_kit.simulation.effects import (
    CohortChanged,
    Happening,
    Journaled,
    NodeAttached,
    NodeDetached,
    ServerWrite,
    Who,
)
from rollout_kit.simulation.truth import Truth

Fact: TypeAlias = tuple[str, str]
"""Whose (`node api-1`), and what of it (`image`)."""

COMPLETE = frozenset({Outcome.ROLLED_BACK, Outcome.ROLLED_BACK_WITH_RESIDUE})
ROLLED_BACK = COMPLETE | {Outcome.ROLLBACK_INCOMPLETE}


class RestoredOrListed(Rule):
    """After a rollback every fact of the fleet is what it was before the rollout, or is listed.

    Compared: each node's image, marker and place in rotation; the scheduler's image and marker; each
    cohort's wanted workers, their image and its drain; each queue's selected build; and that no new
    cohort has workers. Listed: its cohort is named in the residue; after an incomplete rollback also
    what the id of an undo names that is reported as not done. Not compared: what a person changed
    meanwhile, and what a request changed that arrived after the rollout was over.
    """

    name = "restored-or-listed"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._before = _picture(truth)
        self._others: set[Fact] = set()
        self._listed: list[str] = []
        self._over = False

    def saw(self, happening: Happening, truth: Truth) -> None:  # noqa: ARG002
        effect = happening.effect
        match effect:
            case Journaled(event=UndoSkipped(operation=operation, reason=reason)):
                self._listed += [operation, reason]
            case Journaled(event=event):
                self._over = isinstance(event, RolloutFinished)
                if isinstance(event, RolloutFinished):
                    self._listed += [event.sentence, *event.residue, *event.kept]
            case _:
                late = isinstance(effect, ServerWrite) and effect.late and self._over
                if late or happening.who not in (Who.TOOL, Who.WORKER, Who.LOAD):
                    self._others.update(_moved(happening))

    def finish(self, truth: Truth, ending: Ending) -> tuple[Violation, ...]:
        if ending.outcome in ROLLED_BACK:
            now = _picture(truth)
            listed = " ".join(self._listed)
            names = set(re.split(r"[/\s:,]+", listed)) if ending.outcome not in COMPLETE else set()
            for fact in sorted(self._before.keys() | now.keys()):
                if not _is_listed(fact[0], listed, names):
                    self._compare(fact, now.get(fact), truth.at_s)
        return super().finish(truth, ending)

    def _compare(self, fact: Fact, found: object, at_s: float) -> None:
        subject, attribute = fact
        expected = self._before.get(fact)
        if fact not in self._before and (attribute != "replicas" or not found):
            return  # of a cohort that was not there before: only its workers count
        if expected != found and fact not in self._others:
            self._say(at_s, f"{subject} has {attribute} {found}, and had {expected} before")


def _is_listed(subject: str, listed: str, names: set[str]) -> bool:
    """A cohort by its label; what an incomplete rollback skipped by the place in its operation's id."""
    name = subject.partition(" ")[2] or subject
    return ("@" in name and name in listed) or name.partition("@")[0] in names


def _picture(truth: Truth) -> dict[Fact, object]:
    return dict(_facts(truth))


def _facts(truth: Truth) -> Iterator[tuple[Fact, object]]:
    for name, node in truth.nodes.items():
        yield (f"node {name}", "image"), node.spec.image
        yield (f"node {name}", "marker"), node.spec.marker
        yield (f"node {name}", "attached"), node.attached
    scheduler = truth.scheduler
    yield ("scheduler", "image"), scheduler.image if scheduler else None
    yield ("scheduler", "marker"), scheduler.marker if scheduler else None
    with truth.rows() as rows:
        queues = set()
        for ref, found in truth.cohorts.items():
            queues.add((ref.namespace, ref.task_queue))
            yield (f"cohort {ref.label}", "replicas"), found.spec.replicas
            yield (f"cohort {ref.label}", "draining"), drains(rows, ref)
            if found.spec.replicas:
                yield (f"cohort {ref.label}", "image"), found.spec.image
        if truth.generation is Generation.V2:
            for namespace, queue in sorted(queues):
                yield (f"queue {queue}", "selected"), _selected(rows, namespace, queue)


def _selected(rows: Rows, namespace: str, queue: str) -> str | None:
    found = selected_rollout(rows, namespace, queue)
    return found.build_id if found else None


def _moved(happening: Happening) -> Iterator[Fact]:
    """What an effect of somebody else's changed for good or for a while."""
    effect = happening.effect
    match effect:
        case NodeAttached(node=node) | NodeDetached(node=node):
            yield f"node {node}", "attached"
        case CohortChanged(cohort=cohort) if happening.who is Who.PERSON:
            yield f"cohort {cohort.label}", "replicas"
        case ServerWrite():
            asked = asked_of_a_cohort(effect)
            if asked is not None:
                yield f"cohort {asked.cohort.label}", "draining"
                yield f"queue {asked.cohort.task_queue}", "selected"
        case _:
            pass
