"""What every journal does: in memory, as a file, and in object stores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.chain import JournalDamaged, parse
from rollout_kit.journal.file_journal import FileTape
from rollout_kit.journal.memory_journal import MemoryStore, MemoryTape
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.object_journal import ObjectTape
from rollout_kit.journal.objects import Found, MemoryObjects, Objects, Version
from rollout_kit.journal.patience import Patience
from rollout_kit.journal.remote_objects import RemoteObjects
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.journal.tape import Tape
from rollout_kit.ports.journal import LockLost

from .cases import VirtualClock, attached, completed, intended, started, story
from .conftest import BUCKETS, bucket_of


class Bench:
    """One journal's place: attach to it as often as you like, look at its bytes and change them."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.warnings: list[str] = []

    def tape(self) -> Tape:
        raise NotImplementedError

    def attach(self, fence: int = 1, actor: str = "ada") -> StoredJournal:
        return StoredJournal(
            self.tape(),
            clock=self.clock,
            actor=actor,
            lock=MemoryLock(fence),
            attendance=Attendance(self.clock),
            warn=self.warnings.append,
        )

    data: bytes


class InMemory(Bench):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()

    def tape(self) -> Tape:
        return MemoryTape(self.store)

    @property
    def data(self) -> bytes:  # type: ignore[override]
        return self.store.data

    @data.setter
    def data(self, value: bytes) -> None:
        self.store.data = value


class InFile(Bench):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def tape(self) -> Tape:
        return FileTape(self.path)

    @property
    def data(self) -> bytes:  # type: ignore[override]
        return self.path.read_bytes()

    @data.setter
    def data(self, value: bytes) -> None:
        self.path.write_bytes(value)


class InObjects(Bench):
    """Over objects. `data` is all of them behind one another; changing it changes each line's own."""

    folder = "orders/one"

    def __init__(self, objects: Objects) -> None:
        super().__init__()
        self.objects = objects

    def tape(self) -> Tape:
        patience = Patience(clock=self.clock, budget_s=90.0, tell=self.warnings.append)
        return ObjectTape(self.objects, self.folder, patience)

    def put(self, number: int, line: bytes | None) -> None:
        """As somebody with other tools would; None takes the object away."""
        key = f"{self.folder}/{number:08}.json"
        if isinstance(self.objects, MemoryObjects):
            self.objects.overwrite(key, line)
            return
        assert isinstance(self.objects, RemoteObjects)
        import obstore

        if line is None:
            obstore.delete(self.objects._writer, key)
        else:
            obstore.put(self.objects._writer, key, line)

    @property
    def data(self) -> bytes:  # type: ignore[override]
        names = self.objects.names(self.folder)
        found = self.objects.read_all([f"{self.folder}/{name}" for name in names])
        return b"".join(line for line in found if line is not None)

    @data.setter
    def data(self, value: bytes) -> None:
        lines = value.splitlines(keepends=True)
        there = len(self.objects.names(self.folder))
        for number in range(max(len(lines), there)):
            self.put(number, lines[number] if number < len(lines) else None)


def bench_of(kind: str, request: pytest.FixtureRequest) -> Bench:
    match kind:
        case "memory":
            return InMemory()
        case "file":
            folder: Path = request.getfixturevalue("tmp_path")
            return InFile(folder / "state" / "orders" / "one.jsonl")
        case "objects":
            return InObjects(MemoryObjects())
        case _:
            return InObjects(RemoteObjects(bucket_of(kind, request), os.environ))


@pytest.fixture(params=["memory", "file", "objects", *BUCKETS])
def bench(request: pytest.FixtureRequest) -> Bench:
    return bench_of(request.param, request)


@pytest.fixture(params=["memory", "file"])
def bytes_(request: pytest.FixtureRequest) -> Bench:
    return told(bench_of(request.param, request))


@pytest.fixture(params=["objects", *BUCKETS])
def objects(request: pytest.FixtureRequest) -> InObjects:
    found = told(bench_of(request.param, request))
    assert isinstance(found, InObjects)
    return found


@pytest.fixture(params=["memory", "file", "objects"])
def near(request: pytest.FixtureRequest) -> Bench:
    """What is looked at hundreds of times."""
    return told(bench_of(request.param, request))


def told(bench: Bench) -> Bench:
    journal = bench.attach()
    for event in story():
        journal.append(event)
    return bench


@pytest.fixture
def written(bench: Bench) -> Bench:
    return told(bench)


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


def test_a_torn_tail_at_every_byte_is_dropped_and_written_over(bytes_: Bench) -> None:
    whole = bytes_.data
    lines = whole.splitlines(keepends=True)
    kept = b"".join(lines[:-1])
    for cut in range(len(kept) + 1, len(whole)):
        bytes_.data = whole[:cut]
        bytes_.warnings.clear()
        journal = bytes_.attach(fence=2)

        assert len(journal.read()) == 4, cut
        assert journal.append(completed("again")).sequence == 4

        after = bytes_.attach().read()
        assert [record.fence for record in after] == [1, 1, 1, 1, 2]
        if isinstance(bytes_, InFile):
            assert bytes_.warnings == [
                f"{bytes_.path}: dropped {cut - len(kept)} bytes of a record that a crash cut off; "
                "what it announced had not begun"
            ]


def test_a_last_record_with_pages_that_never_reached_the_disk_is_torn(bytes_: Bench) -> None:
    lines = bytes_.data.splitlines(keepends=True)
    bytes_.data = b"".join(lines[:-1]) + b"\0" * (len(lines[-1]) - 5) + b'd"}}\n'

    assert len(bytes_.attach().read()) == 4


def test_a_bad_record_in_the_middle_stops_with_its_place(near: Bench) -> None:
    whole = near.data
    lines = whole.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    for place in range(start, start + len(lines[2]) - 1):
        near.data = whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :]

        with pytest.raises(JournalDamaged) as caught:
            near.attach().read()

        assert caught.value.offset in (start, start + len(lines[2])), place
        assert f"byte {caught.value.offset}" in str(caught.value)


def test_a_record_in_the_middle_whose_pages_are_gone_is_damage_and_not_torn(near: Bench) -> None:
    whole = near.data
    lines = whole.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    gone = b"\0" * (len(lines[2]) - 5) + b'd"}}\n'
    near.data = b"".join((*lines[:2], gone, *lines[3:]))

    with pytest.raises(JournalDamaged) as caught:
        near.attach().read()

    assert caught.value.offset == start


def test_what_changes_after_it_was_read_is_noticed_by_who_reads_it_next(near: Bench) -> None:
    assert len(near.attach().read()) == len(story())
    near.data = near.data.replace(b'"actor":"ada"', b'"actor":"eve"', 1)
    with pytest.raises(JournalDamaged):
        near.attach().read()


def test_a_record_taken_out_or_moved_is_noticed(near: Bench) -> None:
    first, second, third, *rest = near.data.splitlines(keepends=True)
    for lines in ([first, third, *rest], [first, third, second, *rest], [second, third, *rest]):
        near.data = b"".join(lines)
        with pytest.raises(JournalDamaged):
            near.attach().read()


def test_a_missing_record_in_the_middle_is_damage_and_is_named(objects: InObjects) -> None:
    objects.put(2, None)

    with pytest.raises(JournalDamaged, match=r"\(record 2\): 00000002\.json is missing"):
        objects.attach().read()
    with pytest.raises(JournalDamaged):
        objects.attach(fence=2).append(attached())


@pytest.mark.parametrize("number", [0, 2, 4])
def test_an_object_that_is_cut_off_is_damage(objects: InObjects, number: int) -> None:
    line = objects.data.splitlines(keepends=True)[number]
    for cut in (b"", line[:-1], line[: len(line) // 2]):
        objects.put(number, cut)

        with pytest.raises(JournalDamaged):
            objects.attach().read()


def test_what_else_lies_among_the_records_is_left_alone(objects: InObjects) -> None:
    objects.objects.create(f"{objects.folder}/notes.txt", b"mine")
    objects.objects.create(f"{objects.folder}/people/approve-1.json", b"{}")

    assert len(objects.attach().read()) == len(story())


def test_a_long_journal_is_read_in_order(objects: InObjects) -> None:
    journal = objects.attach()
    for number in range(60):
        journal.append(completed(f"number {number}"))

    assert [record.sequence for record in objects.attach().read()] == list(range(65))


def test_an_append_costs_one_request_however_long_the_journal_is() -> None:
    asked: list[str] = []

    class Counting(MemoryObjects):
        def create(self, key: str, data: bytes) -> Version | None:
            asked.append("create")
            return super().create(key, data)

        def read(self, key: str) -> Found | None:
            asked.append("read")
            return super().read(key)

        def names(self, folder: str) -> list[str]:
            asked.append("names")
            return super().names(folder)

    journal = InObjects(Counting()).attach()
    journal.read()
    asked.clear()
    for number in range(50):
        journal.append(completed(f"number {number}"))

    assert asked == ["create"] * 50


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
