"""The journal in an object store: one object a record, created only where none stands.

The objects, one behind the other, are the bytes of the journal as a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollout_kit.journal import codec
from rollout_kit.journal.chain import Chain, JournalDamaged, Tail, parse
from rollout_kit.journal.objects import Objects, Unanswered
from rollout_kit.journal.patience import Patience
from rollout_kit.journal.tape import Overtaken
from rollout_kit.model.codec import CodecError
from rollout_kit.ports.journal import JournalLost

NAME = re.compile(r"[0-9]{8}\.json")


class ObjectTape:
    """Implements `tape.Tape`. An append is one request, however long the journal is."""

    def __init__(self, objects: Objects, folder: str, patience: Patience) -> None:
        self._objects = objects
        self._folder = folder
        self._patience = patience

    @property
    def place(self) -> str:
        return f"{self._objects.place}/{self._folder}/"

    def load(self) -> Chain:
        """Everything. An object that is cut off is damage: a store writes it whole or not at all."""
        names = self._names()
        whole = next((i for i, name in enumerate(names) if name != _name(i)), len(names))
        found = self._objects.read_all([self._key(i) for i in range(whole)])
        lines = [line for line in found if line is not None]
        chain = parse(b"".join(lines), self.place)
        if chain.torn_bytes or chain.tail.count != whole:
            raise JournalDamaged(self.place, chain.tail, "it is cut off, or more than one record")
        if whole < len(names):
            reason = f"{_name(whole)} is missing, and {names[-1]} is there"
            raise JournalDamaged(self.place, chain.tail, reason)
        return chain

    def first(self) -> bytes:
        return self._line(0)

    def lines(self) -> list[bytes]:
        found = self._objects.read_all([f"{self._folder}/{name}" for name in self._names()])
        return [data.rstrip(b"\n") for data in found if data is not None]

    def backwards(self) -> Iterator[bytes]:
        for name in reversed(self._names()):
            yield self._line(int(name.partition(".")[0]))

    def add(self, line: bytes, after: Tail) -> None:
        key, data = self._key(after.count), line + b"\n"
        in_doubt = False
        try:
            for attempt in self._patience.tries():
                with attempt:
                    try:
                        if self._objects.create(key, data):
                            return
                    except Unanswered:
                        in_doubt = True  # it may have arrived, or arrive yet
                        raise
                    self._demand_ours(key, data, after, in_doubt=in_doubt)
        except Unanswered as error:
            raise Unanswered(
                f"{error.message}. Nothing more is done to the fleet, because an effect without "
                "its record could not be undone",
                "see that the store can be reached, then resume",
            ) from error

    def close(self) -> None:
        """Nothing is open."""

    def _demand_ours(self, key: str, data: bytes, after: Tail, *, in_doubt: bool) -> None:
        """Something stands where our record should: our own, of a try without an answer, or not."""
        there = self._objects.read(key)
        if there is None:
            raise JournalLost(
                f"{self._objects.place}/{key} is refused and not there: somebody removes objects",
                "see who else writes there, then resume",
            )
        if in_doubt and there.data == data:
            return
        try:
            raise Overtaken(codec.decode(there.data.rstrip(b"\n")))
        except CodecError as error:
            raise JournalDamaged(self.place, after, str(error)) from error

    def _names(self) -> list[str]:
        return [name for name in self._objects.names(self._folder) if NAME.fullmatch(name)]

    def _line(self, number: int) -> bytes:
        found = self._objects.read(self._key(number))
        return found.data.rstrip(b"\n") if found else b""

    def _key(self, number: int) -> str:
        return f"{self._folder}/{_name(number)}"


def _name(number: int) -> str:
    return f"{number:08}.json"
