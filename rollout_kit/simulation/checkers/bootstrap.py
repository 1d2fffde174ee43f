"""The schema first: before a node, a scheduler, a maintenance process or workers of the release."""

from __future__ import annotations

from rollout_kit.emulator.model.records import Migration
from rollout_kit.simulation.checkers.rule import Rule
from rollout_kit.simulation.checkers.words import Words
from rollout_kit.simulation.effects import (
    BootstrapRun,
    CohortChanged,
    Happening,
    Journaled,
    MaintenanceStarted,
    NodeStarted,
    SchedulerStarted,
    Who,
)
from rollout_kit.simulation.truth import Truth


class BootstrapFirst(Rule):
    """The tool starts nothing of an image that did not run before, until a bootstrap has succeeded.

    Asked of every plan whose release changes the server's version, unless the schema's ledger grew
    before the rollout began. A bootstrap that failed is none.
    """

    name = "bootstrap-first"

    def __init__(self, truth: Truth) -> None:
        super().__init__(truth)
        self._words = Words()
        self._known = {node.spec.image for node in truth.nodes.values()}
        self._known |= {found.spec.image for found in truth.cohorts.values()}
        if truth.scheduler is not None:
            self._known.add(truth.scheduler.image)
        self._versions = {node.version for node in truth.nodes.values()}
        self._done_at_s: float | None = None
        self._entries = _entries(truth)

    def saw(self, happening: Happening, truth: Truth) -> None:
        match happening.effect:
            case Journaled(event=event):
                self._words.read(event)
            case BootstrapRun(succeeded=True) if self._done_at_s is None:
                self._done_at_s = happening.at_s
            case NodeStarted(image=image) | SchedulerStarted(image=image):
                self._starts(image, happening, truth)
            case MaintenanceStarted(image=image):
                self._starts(image, happening, truth)
            case CohortChanged(image=image, before=before, after=after) if after > before:
                self._starts(image, happening, truth)
            case _:
                pass

    def _starts(self, image: str, happening: Happening, truth: Truth) -> None:
        if happening.who is not Who.TOOL or image in self._known or not self._words.server_changes:
            return
        if self._done_at_s is not None:
            waited_s = happening.at_s - self._done_at_s
            self._near(waited_s, f"{image} was started {waited_s:.1f}s after the bootstrap")
        elif _entries(truth) <= self._entries and not self._grown_before():
            self._say(happening.at_s, f"{image} was started before any bootstrap had succeeded")

    def _grown_before(self) -> bool:
        """The fleet shows the plan's `to` already: what it needs was there before the rollout."""
        return self._words.server_to in self._versions


def _entries(truth: Truth) -> int:
    with truth.rows() as rows:
        return rows.count(Migration)
