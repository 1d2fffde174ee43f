"""People's records as objects beside a journal's."""

from __future__ import annotations

from rollout_kit.journal.objects import Objects, Unanswered
from rollout_kit.journal.patience import Patience
from rollout_kit.journal.people import decode, encode, name_of, oldest_first
from rollout_kit.ports.approvals import PersonRecord

LOOK_EVERY_S = 2.0
"""The executor asks at every turn of its loop; a store is a network away."""
LOOK_AGAIN_S = 10.0


class ObjectPeople:
    """Implements `people.People`."""

    def __init__(self, objects: Objects, folder: str, patience: Patience) -> None:
        self._objects = objects
        self._folder = folder
        self._patience = patience
        self._known: dict[str, PersonRecord] = {}
        self._look_at_s: float | None = None  # None: has not seen any yet

    def read(self) -> tuple[PersonRecord, ...]:
        """As known for up to two seconds, or for as long as the store does not answer."""
        now_s = self._patience.clock.monotonic_s()
        if self._look_at_s is None or now_s >= self._look_at_s:
            pause_s = LOOK_EVERY_S
            try:
                self._look()
            except Unanswered:
                if self._look_at_s is None:
                    raise  # who has not seen any cannot know that there are none
                pause_s = LOOK_AGAIN_S
            self._look_at_s = now_s + pause_s
        return oldest_first(self._known.values())

    def leave(self, record: PersonRecord) -> bool:
        key, data = f"{self._folder}/{name_of(record)}", encode(record)
        in_doubt = False
        for attempt in self._patience.tries():
            with attempt:
                try:
                    if self._objects.create(key, data):
                        return True
                except Unanswered:
                    in_doubt = True
                    raise
                there = self._objects.read(key)
                return in_doubt and there is not None and there.data == data
        raise AssertionError("the last try returns or raises")

    def _look(self) -> None:
        new = [name for name in self._objects.names(self._folder) if name not in self._known]
        keys = [f"{self._folder}/{name}" for name in new]
        for name, data in zip(new, self._objects.read_all(keys), strict=True):
            if data is not None:
                self._known[name] = decode(data, f"{self._objects.place}/{self._folder}/{name}")
