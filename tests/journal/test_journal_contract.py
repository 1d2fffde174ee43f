"""What every journal does, in memory and as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import JournalDamaged, parse
from rollout_kit.journal.file_journal import FileJournal
from rollout_kit.journal.memory_journal import MemoryJournal, MemoryStore
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.ports.journal import Journal, LockLost

from .cases import VirtualClock, attached, completed, intended, started, story


class Bench:
    """One journal's place: attach to it as often as you like, look at its bytes."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.store = MemoryStore()
        self.clock = VirtualClock()
        self.warnings: list[str] = []

    def attach(self, fence: int = 1, actor: str = "ada") -> Journal:
        lock, attendance = MemoryLock(fence), Attendance(self.clock)
        if self.path is None:
            return MemoryJournal(
                self.store, clock=self.clock, actor=actor, lock=lock, attendance=attendance
            )
        return FileJournal(
            self.path,
            clock=self.clock,
            actor=actor,
            lock=lock,
            attendance=attendance,
            warn=self.warnings.append,
        )

    @property
    def data(self) -> bytes:
        return self.store.data if self.path is None else self.path.read_bytes()

    @data.setter
    def data(self, value: bytes) -> None:
        if self.path is None:
            self.store.data = value
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(value)


@pytest.fixture(params=["memory", "file"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    is_file = request.param == "file"
    return Bench(tmp_path / "state" / "orders" / "one.jsonl" if is_file else None)


@pytest.fixture
def written(bench: Bench) -> Bench:
    journal = bench.attach()
    for event in story():
        journal.append(event)
    return bench


def test_an_empty_journal_has_no_records(bench: Bench) -> None:
    assert bench.attach().read() == ()


def test_what_was_appended_is_read_by_the_next_process(written: Bench) -> None:
    records = written.attach().read()

    assert tuple(record.event for record in records) == story()
    assert [record.sequence for record in records] == [0, 1, 2, 3, 4]
    assert {record.actor for record in records} == {"ada"}


def test_append_gives_the_record_that_it_wrote(bench: Bench) -> None:
    journal = bench.attach(fence=7)
    bench.clock.elapsed_s = 1.5

    record = journal.append(started())

    assert (record.sequence, record.fence, record.attended_s) == (0, 7, 1.5)
    assert record.at == bench.clock.now()
    assert journal.read() == (record,)


def test_mappings_keep_their_order(bench: Bench) -> None:
    bench.attach().append(started())

    event = bench.attach().read()[0].event

    assert list(event.execution_plan.steps) == ["b", "a"]  # type: ignore[union-attr]


def test_attended_seconds_go_on_from_the_last_record(bench: Bench) -> None:
    first = bench.attach()
    first.append(started())
    bench.clock.elapsed_s = 100.0
    first.append(attached())
    bench.clock.elapsed_s = 5000.0  # nobody ran it meanwhile
    second = bench.attach(fence=2)
    second.read()
    bench.clock.elapsed_s = 5010.0

    assert second.append(attached()).attended_s == 110.0


def test_a_torn_tail_at_every_byte_is_dropped_and_written_over(written: Bench) -> None:
    whole = written.data
    lines = whole.splitlines(keepends=True)
    kept = b"".join(lines[:-1])
    for cut in range(len(kept) + 1, len(whole)):
        written.data = whole[:cut]
        written.warnings.clear()
        journal = written.attach(fence=2)

        assert len(journal.read()) == 4, cut
        assert journal.append(completed("again")).sequence == 4

        after = written.attach().read()
        assert [record.fence for record in after] == [1, 1, 1, 1, 2]
        if written.path:
            assert written.warnings == [
                f"{written.path}: dropped {cut - len(kept)} bytes of a record that a crash cut off; "
                "what it announced had not begun"
            ]


def test_a_last_record_with_pages_that_never_reached_the_disk_is_torn(written: Bench) -> None:
    lines = written.data.splitlines(keepends=True)
    written.data = b"".join(lines[:-1]) + b"\0" * (len(lines[-1]) - 5) + b'd"}}\n'

    assert len(written.attach().read()) == 4


def test_a_bad_record_in_the_middle_stops_with_its_place(written: Bench) -> None:
    whole = written.data
    lines = whole.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    for place in range(start, start + len(lines[2]) - 1):
        written.data = whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :]

        with pytest.raises(JournalDamaged) as caught:
            written.attach().read()

        assert caught.value.offset in (start, start + len(lines[2])), place
        assert f"byte {caught.value.offset}" in str(caught.value)


def test_a_record_taken_out_or_moved_is_noticed(written: Bench) -> None:
    first, second, third, *rest = written.data.splitlines(keepends=True)
    for lines in ([first, third, *rest], [first, third, second, *rest], [second, third, *rest]):
        written.data = b"".join(lines)
        with pytest.raises(JournalDamaged):
            written.attach().read()


def test_the_older_of_two_writers_is_shut_out(bench: Bench) -> None:
    older = bench.attach(fence=1, actor="ada")
    older.append(started())
    newer = bench.attach(fence=2, actor="bob")
    newer.append(attached())

    with pytest.raises(LockLost, match=r"bob has taken this rollout over.*fence 2, ours is 1"):
        older.append(intended())

    assert [record.actor for record in bench.attach().read()] == ["ada", "bob"]
    assert newer.append(intended()).sequence == 2


def test_a_writer_with_an_old_fence_cannot_append_even_where_it_read_everything(
    bench: Bench,
) -> None:
    bench.attach(fence=5).append(started())

    with pytest.raises(LockLost):
        bench.attach(fence=4).append(attached())

    assert len(bench.attach().read()) == 1


def test_of_two_writers_with_one_fence_the_second_to_append_is_shut_out(bench: Bench) -> None:
    one, two = bench.attach(actor="one"), bench.attach(actor="two")
    one.read(), two.read()
    one.append(started())

    with pytest.raises(LockLost):
        two.append(started())


def test_a_shut_out_writer_stays_out(bench: Bench) -> None:
    older = bench.attach(fence=1)
    older.append(started())
    bench.attach(fence=2).append(attached())
    for _ in range(2):
        with pytest.raises(LockLost):
            older.append(intended())


def test_lines_are_plain_ascii_and_one_each(written: Bench) -> None:
    assert written.data.isascii()
    assert written.data.count(b"\n") == len(story())
    assert len(parse(written.data, "here").records) == len(story())
