"""Whole records that do not belong where they stand: only chain and number tell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollout_kit.journal import codec
from rollout_kit.journal.chain import JournalDamaged, parse
from rollout_kit.model.events import GroupUndone, Record


def line(sequence: int, previous: str) -> bytes:
    return codec.encode(
        Record(
            sequence=sequence,
            at=datetime(2026, 5, 4, tzinfo=UTC),
            attended_s=0.0,
            actor="me",
            fence=1,
            previous=previous,
            event=GroupUndone(group=f"g-{sequence}"),
        )
    )


FIRST = line(0, codec.FIRST)


def test_a_record_in_its_place_is_read() -> None:
    chain = parse(FIRST + b"\n" + line(1, codec.digest(FIRST)) + b"\n", "here")
    assert [record.sequence for record in chain.records] == [0, 1]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (line(1, codec.digest(b"another journal's")), "its predecessor is not"),
        (line(7, codec.digest(FIRST)), "it is record 7 where record 1 was due"),
    ],
    ids=["of another chain", "of another number"],
)
def test_a_whole_record_that_does_not_belong_there_is_damage(second: bytes, reason: str) -> None:
    with pytest.raises(JournalDamaged, match=reason) as damage:
        parse(FIRST + b"\n" + second + b"\n", "here")
    assert damage.value.record == 1
