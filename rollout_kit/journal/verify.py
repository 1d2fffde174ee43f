"""Is a journal what was written? What `journal verify` says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from rollout_kit.journal import codec
from rollout_kit.journal.tape import Tape
from rollout_kit.model.duration import span
from rollout_kit.model.state import fold


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """A journal whose chain holds. `remarks`: what a reader should know all the same."""

    place: str
    rollout: str  # "": nothing has begun
    outcome: str  # "": unfinished
    records: int
    bytes: int
    versions: tuple[int, ...]  # of the records' form
    last: str  # SHA-256 of the last line: whoever noted it can tell that nothing was cut off
    attended_s: float
    fences: tuple[int, ...]
    remarks: tuple[str, ...]


def verify(tape: Tape) -> JournalReport:
    """Check every record. Raises `JournalDamaged` with its place, `JournalLost` if unreadable."""
    chain = tape.load()
    records = chain.records
    lines = tape.lines()[: len(records)]
    state = fold(records)
    remarks = []
    if chain.torn_bytes:
        remarks.append(
            f"{chain.torn_bytes} bytes of a record that a crash cut off stand at the end; "
            "they count for nothing and go with the next append"
        )
    for record, line in zip(records, lines, strict=True):
        if codec.knows_less(record, line):
            remarks.append(
                f"record {record.sequence} says things that this program does not know: a newer "
                "rollout-kit wrote them; a copy keeps them"
            )
    for before, after in pairwise(records):
        if after.at < before.at:
            earlier = span((before.at - after.at).total_seconds())
            remarks.append(
                f"record {after.sequence} is dated {earlier} before the one it follows: the clock "
                "was set, or two machines' clocks differ"
            )
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
        rollout=state.started.rollout if state.started else "",
        outcome=state.finished.outcome.value if state.finished else "",
        records=len(records),
        bytes=chain.tail.end,
        versions=tuple(sorted({codec.version_of(line) for line in lines})),
        last=chain.tail.last,
        attended_s=records[-1].attended_s if records else 0.0,
        fences=tuple(sorted({record.fence for record in records})),
        remarks=tuple(remarks),
    )
