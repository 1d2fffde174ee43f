"""What stands by what was asked and found done, over the fleet as it was before the first write. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rollout_kit.model import codec
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.operations.specs import parse
from rollout_kit.ports.infra import CohortSpec, InfraChange, ProcessSpec
from rollout_kit.ports.requests import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One asked change. `said`: by a person. `done`: the rollout has found it so.

    `withdrawn`: nobody is to do it any more, and whether somebody did is not known.
    """

    key: str
    change: InfraChange
    said: bool
    done: bool
    withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The journal's share of what a manual fleet runs. `baseline` is None before a rollout."""

    baseline: Observation | None = None
    entries: tuple[Entry, ...] = field(default=())

    def newest(self, key: str) -> Entry | None:
        return next((item for item in reversed(self.entries) if item.key == key), None)

    def scheduler_before(self) -> ProcessSpec | None:
        """As pictured before the first write; None: nothing ran, or nothing was pictured."""
        if self.baseline is None:
            return None
        return parse(self.baseline.get("scheduler/spec_json"))

    def cohorts_before(self) -> Iterator[tuple[CohortRef, CohortSpec]]:
        for cohort in self.baseline.cohorts() if self.baseline else ():
            assert self.baseline is not None
            replicas = self.baseline.cohort(cohort, "replicas")
            image = self.baseline.cohort(cohort, "image")
            if isinstance(replicas, int) and not isinstance(replicas, bool):
                name = image if isinstance(image, str) else ""
                yield cohort, CohortSpec(image=name, replicas=replicas)


def book_of(baseline: Observation | None, asked: tuple[Asked, ...]) -> Book:
    entries = tuple(
        Entry(
            key=item.key,
            change=codec.from_json(InfraChange, item.change),
            said=item.said,
            done=item.done,
            withdrawn=item.withdrawn,
        )
        for item in asked
    )
    return Book(baseline=baseline, entries=entries)
