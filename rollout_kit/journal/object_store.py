"""Rollouts as objects: `<target>/<rollout id>/<sequence>.json`, the target's lock beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rollout_kit.journal.object_journal import ObjectTape
from rollout_kit.journal.object_lock import ObjectLock
from rollout_kit.journal.object_people import ObjectPeople
from rollout_kit.journal.objects import Objects
from rollout_kit.journal.patience import Patience
from rollout_kit.journal.proof import prove
from rollout_kit.journal.store import RolloutStore, name_of_part, part_of_path
from rollout_kit.ports.clock import Clock

S = TypeVar("S")
T = TypeVar("T")
APPEND_BUDGET_S = 90.0
"""A rollout whose store does not answer holds where it is for so long, then ends, to be resumed."""
PEOPLE_BUDGET_S = 10.0
AT_ONCE = 8


class ObjectStore(RolloutStore):
    """Several machines may read and write at once; no clock of theirs is compared."""

    def __init__(
        self, objects: Objects, clock: Clock, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """`tell` hears that an append waits for the store."""
        self._objects = objects
        self._clock = clock
        self._tell = tell

    @property
    def place(self) -> str:
        return self._objects.place

    def prove(self) -> None:
        prove(self._objects)

    def targets(self) -> tuple[str, ...]:
        return tuple(name_of_part(part) for part in self._objects.folders(""))

    def ids(self, target: str) -> frozenset[str]:
        return frozenset(map(name_of_part, self._objects.folders(part_of_path(target))))

    def tape(self, target: str, rollout: str) -> ObjectTape:
        patience = Patience(clock=self._clock, budget_s=APPEND_BUDGET_S, tell=self._tell)
        return ObjectTape(self._objects, _folder(target, rollout), patience)

    def people(self, target: str, rollout: str) -> ObjectPeople:
        patience = Patience(clock=self._clock, budget_s=PEOPLE_BUDGET_S)
        return ObjectPeople(self._objects, f"{_folder(target, rollout)}/people", patience)

    def lock(self, target: str) -> ObjectLock:
        return ObjectLock(self._objects, part_of_path(target))

    def _each(self, act: Callable[[S], T], items: Sequence[S]) -> Iterable[T]:
        if len(items) < 2:
            return [act(item) for item in items]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="list rollouts") as threads:
            return list(threads.map(act, items))


def _folder(target: str, rollout: str) -> str:
    return f"{part_of_path(target)}/{part_of_path(rollout)}"
