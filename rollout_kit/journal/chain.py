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


class JournalDamaged(JournalLost):
    """A record in the middle is not what was written there. `offset`: bytes from the start."""

    def __init__(self, place: str, offset: int, reason: str) -> None:
        super().__init__(
            f"The journal {place} is damaged at byte {offset}: {reason}. "
            "What a rollout did and how to undo it is not known without that record",
            "restore the file from a copy, or look at the fleet and put it right by hand",
        )
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The records of a journal and where the next one goes."""

    records: tuple[Record, ...]
    end: int  # bytes up to the end of the last whole record
    last: str  # hash of the last line; zeros for an empty journal
    torn_bytes: int = 0  # what a crash left behind the end

    @property
    def fence(self) -> int:
        return self.records[-1].fence if self.records else 0


EMPTY = Chain(records=(), end=0, last=codec.FIRST)


def parse(data: bytes, place: str, after: Chain = EMPTY) -> Chain:
    """Read what follows `after`; `data` begins where that ends.

    Raises:
        JournalDamaged: a record does not parse, does not follow its predecessor, or has the wrong
            sequence number.
    """
    records = list(after.records)
    end, last = after.end, after.last
    for line in _whole_lines(data):
        try:
            record = codec.decode(line)
        except CodecError as error:
            if b"\0" in line and end + len(line) + 1 - after.end == len(data):
                break  # the last line, with pages missing: torn
            raise JournalDamaged(place, end, str(error)) from error
        if record.previous != last:
            reason = "its predecessor is not the record that it was written after"
            raise JournalDamaged(place, end, reason)
        if record.sequence != len(records):
            reason = f"it is record {record.sequence} where record {len(records)} was due"
            raise JournalDamaged(place, end, reason)
        records.append(record)
        end += len(line) + 1
        last = codec.digest(line)
    torn = len(data) - (end - after.end)
    return Chain(records=tuple(records), end=end, last=last, torn_bytes=torn)


def _whole_lines(data: bytes) -> Iterator[bytes]:
    start = 0
    while (stop := data.find(b"\n", start)) >= 0:
        yield data[start:stop]
        start = stop + 1
