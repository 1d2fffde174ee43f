"""Is a journal what was written? What `journal verify` says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from rollout_kit.journal.tape import Tape


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """A journal whose chain holds. `remarks`: what a reader should know all the same."""

    place: str
    records: int
    bytes: int
    first_at: datetime | None
    last_at: datetime | None
    attended_s: float
    fences: tuple[int, ...]
    remarks: tuple[str, ...]


def verify(tape: Tape) -> JournalReport:
    """Check every record. Raises `JournalDamaged` with its place, `JournalLost` if unreadable."""
    chain = tape.load()
    records = chain.records
    remarks = []
    if chain.torn_bytes:
        remarks.append(
            f"{chain.torn_bytes} bytes of a record that a crash cut off stand at the end; "
            "they count for nothing and go with the next append"
        )
    for before, after in pairwise(records):
        if after.fence < before.fence:
            remarks.append(
                f"record {after.sequence} has fence {after.fence} after fence {before.fence}: "
                "somebody wrote after the lock was taken from them"
            )
        if after.attended_s < before.attended_s:
            remarks.append(
                f"record {after.sequence} counts {after.attended_s}s attended, "
                f"less than the {before.attended_s}s before it"
            )
    return JournalReport(
        place=tape.place,
        records=len(records),
        bytes=chain.tail.end,
        first_at=records[0].at if records else None,
        last_at=records[-1].at if records else None,
        attended_s=records[-1].attended_s if records else 0.0,
        fences=tuple(sorted({record.fence for record in records})),
        remarks=tuple(remarks),
    )
