"""Is a journal what was written? Every single bit of it asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.journal import codec
from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import JournalDamaged, parse
from rollout_kit.journal.file_journal import FileTape
from rollout_kit.journal.memory_journal import MemoryJournal, MemoryStore, MemoryTape
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.verify import JournalReport, verify
from rollout_kit.model.events import Event

from .cases import VirtualClock, attached, completed, finished, intended, started

STORY = (started(), attached(), intended(), completed("cut – ☃ \u2028\ud800"), finished())


def written(*events: Event, clock: VirtualClock | None = None) -> bytes:
    store, clock = MemoryStore(), clock or VirtualClock()
    journal = MemoryJournal(
        store, clock=clock, actor="ada", lock=MemoryLock(), attendance=Attendance(clock)
    )
    for event in events:
        journal.append(event)
        clock.elapsed_s += 1.0
    return store.data


WHOLE = written(*STORY)
SMALL = written(attached(), completed("cut ☃"), finished())


def report(data: bytes) -> JournalReport:
    return verify(MemoryTape(MemoryStore(data)))


def ends(data: bytes) -> list[int]:
    """Where each line has its newline."""
    return [place for place, byte in enumerate(data) if byte == ord("\n")]


def damage_of(data: bytes) -> JournalDamaged | None:
    try:
        report(data)
    except JournalDamaged as damage:
        return damage
    return None


def test_a_whole_journal_says_what_it_is() -> None:
    found = report(WHOLE)

    assert (found.rollout, found.outcome, found.records) == ("orders-1", "succeeded", 5)
    assert (found.bytes, found.versions, found.remarks) == (len(WHOLE), (codec.VERSION,), ())
    assert found.last == codec.digest(WHOLE.splitlines()[-1])


@pytest.mark.parametrize("bit", range(8))
def test_no_bit_of_any_byte_can_flip_unnoticed(bit: int) -> None:
    """Damage is named with the record that it lies in; at the very end it may look like a crash."""
    stops = ends(SMALL)
    for place, byte in enumerate(SMALL):
        data = SMALL[:place] + bytes([byte ^ 1 << bit]) + SMALL[place + 1 :]
        line = next(number for number, stop in enumerate(stops) if place <= stop)
        start = stops[line - 1] + 1 if line else 0
        damage = damage_of(data)
        if damage is None:
            assert line == len(stops) - 1, (place, bit)
            assert (found := report(data)).records == len(stops) - 1
            assert found.remarks[0].startswith(f"{len(SMALL) - start} bytes of a record"), place
        else:
            assert (damage.offset, damage.record) == (start, line), (place, bit)
            assert f"at byte {start} (record {line})" in damage.message


@given(st.data())
def test_no_byte_can_become_another_unnoticed(drawn: st.DataObject) -> None:
    place = drawn.draw(st.integers(0, len(WHOLE) - 1))
    byte = drawn.draw(st.integers(0, 255).filter(lambda value: value != WHOLE[place]))
    data = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]

    if damage_of(data) is None:
        assert report(data).remarks
        assert report(data).records < 5


def test_a_journal_cut_at_a_records_end_is_told_by_its_last_lines_hash() -> None:
    """That records are missing at the end, a journal alone cannot show: whoever noted the hash can."""
    cut = WHOLE[: ends(WHOLE)[-2] + 1]

    assert report(cut).remarks == ()
    assert report(cut).outcome == ""
    assert report(cut).last != report(WHOLE).last


def test_a_record_that_is_missing_in_the_middle_is_damage_at_its_place() -> None:
    lines = WHOLE.splitlines(keepends=True)

    with pytest.raises(JournalDamaged, match=r"its predecessor is not the record") as caught:
        report(b"".join([*lines[:2], *lines[3:]]))

    assert (caught.value.offset, caught.value.record) == (ends(WHOLE)[1] + 1, 2)


def test_a_torn_last_record_is_a_remark() -> None:
    found = report(WHOLE[:-7])

    assert found.records == 4
    assert found.remarks == (
        f"{len(WHOLE) - 7 - ends(WHOLE)[-2] - 1} bytes of a record that a crash cut off stand at the end; "
        "they count for nothing and go with the next append",
    )


def test_a_clock_that_was_set_back_is_a_remark() -> None:
    clock = VirtualClock()
    store = MemoryStore()
    journal = MemoryJournal(
        store, clock=clock, actor="ada", lock=MemoryLock(), attendance=Attendance(VirtualClock())
    )
    journal.append(started())
    clock.elapsed_s = -90.0
    journal.append(attached())

    assert verify(MemoryTape(store)).remarks == (
        "record 1 is dated 1m30s before the one it follows: the clock was set, or two machines' "
        "clocks differ",
    )


def test_what_a_newer_program_added_is_a_remark_and_is_kept_in_a_copy() -> None:
    *first, last = WHOLE.splitlines(keepends=True)
    data = json.loads(last)
    del data["sum"]
    data["event"]["colour"] = "blue"
    newer = codec.seal(json.dumps(data, separators=(",", ":")).encode()) + b"\n"
    tape = MemoryTape(MemoryStore(b"".join([*first, newer])))

    assert verify(tape).remarks == (
        "record 4 says things that this program does not know: a newer rollout-kit wrote them; "
        "a copy keeps them",
    )
    assert b"colour" in tape.lines()[-1]


def test_nothing_has_begun_in_an_empty_one() -> None:
    found = report(b"")

    assert (found.rollout, found.outcome, found.records, found.versions) == ("", "", 0, ())


def test_old_journals_are_whole(tmp_path: Path) -> None:
    for path in (Path(__file__).parent / "versions").glob("*.jsonl"):
        found = verify(FileTape(path))
        assert found.remarks == (), path
        assert found.outcome, path


def test_a_flip_in_the_last_line_of_version_1_is_what_its_form_cannot_show() -> None:
    """The reason why version 2 has a checksum: kept here so that nobody promises more of version 1."""
    path = Path(__file__).parent / "versions" / "v1-succeeded.jsonl"
    data = path.read_bytes().replace(b"every operation is done", b"every operation is gone")

    assert parse(data, "here").records
