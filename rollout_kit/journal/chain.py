"""The bytes of a journal as records: the hash chain checked, a torn end told apart from damage.

Torn is what a crash leaves of an append that never returned: a last line without its newline, or one
with pages that never reached the disk (NUL bytes). Everything else that does not fit is damage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollout_kit.journal import codec
from rollout_kit.model.codec import CodecError
from rollout_kit.model.events import Record
from rollout_kit.ports.journal import JournalLost


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Where the next record goes, and what it must follow."""

    count: int = 0  # records so far: the next one's sequence number
    end: int = 0  # bytes up to the end of the last whole record
    last: str = codec.FIRST  # hash of the last line
    fence: int = 0  # of the last record

    def behind(self, line: bytes, fence: int) -> Tail:
        """The tail once `line` stands there."""
        return Tail(
            count=self.count + 1,
            end=self.end + len(line) + 1,
            last=codec.digest(line),
            fence=fence,
        )


START = Tail()


class JournalDamaged(JournalLost):
    """A record is not what was written there. `offset`: bytes from the start; `record`: its number."""

    def __init__(self, place: str, tail: Tail, reason: str) -> None:
        super().__init__(
            f"The journal {place} is damaged at byte {tail.end} (record {tail.count}): {reason}. "
            "What a rollout did and how to undo it is not known without that record",
            "restore the journal from a copy, or look at the fleet and put it right by hand",
        )
        self.offset = tail.end
        self.record = tail.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Records that were read, and where the next one goes."""

    records: tuple[Record, ...] = ()
    tail: Tail = START
    torn_bytes: int = 0  # what a crash left behind the tail


EMPTY = Chain()


def parse(data: bytes, place: str, after: Tail = START) -> Chain:
    """The records of `data`, which begins where `after` ends.

    Raises:
        JournalDamaged: a record does not parse, does not follow its predecessor, or has the wrong
            sequence number.
    """
    records: list[Record] = []
    tail = after
    for line in _whole_lines(data):
        try:
            record = codec.decode(line)
        except CodecError as error:
            if b"\0" in line and tail.end + len(line) + 1 - after.end == len(data):
                break  # the last line, with pages missing: torn
            raise JournalDamaged(place, tail, str(error)) from error
        if record.previous != tail.last:
            reason = "its predecessor is not the record that it was written after"
            raise JournalDamaged(place, tail, reason)
        if record.sequence != tail.count:
            reason = f"it is record {record.sequence} where record {tail.count} was due"
            raise JournalDamaged(place, tail, reason)
        records.append(record)
        tail = tail.behind(line, record.fence)
    return Chain(records=tuple(records), tail=tail, torn_bytes=len(data) - (tail.end - after.end))


def _whole_lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while (stop := data.find(b"\n", start)) >= 0:
        yield data[start:stop]
        start = stop + 1
