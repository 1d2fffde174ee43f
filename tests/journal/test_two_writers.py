"""Several processes want one rollout: whatever happens in whatever order, lock and journal hold.

Each process has clocks of its own, minutes apart from all others. It takes the lock, renews it or sleeps
past it, appends, gets no answer, is cut off in the middle of a line, dies, gives the lock back, is forced
out. Time is virtual, the stores are the product's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from rollout_kit.journal import codec
from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.lock import HeldLock, LockTaken, LockTiming, acquire, unlock
from rollout_kit.journal.lock_place import LockPlace
from rollout_kit.journal.memory_journal import MemoryStore, MemoryTape
from rollout_kit.journal.object_lock import ObjectLock
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import MemoryObjects, Unanswered, Version
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.journal.tape import Tape
from rollout_kit.model.events import Event, Record
from rollout_kit.ports.journal import JournalLost, LockLost

from .cases import START, attached, completed, intended, owner, started

TARGET, ROLLOUT = "orders-prod", "orders-1"
TTL_S = 60.0
QUIET = LockTiming(ttl_s=TTL_S, renew_s=3600.0, poll_s=5.0)  # renewals come from the rules


@dataclass
class Time:
    """The time that really passes; it does so where a process sleeps, or by a rule."""

    elapsed_s: float = 0.0


@dataclass
class OwnClock:
    """One machine's clock: it runs as fast as all others, and shows something else."""

    time: Time
    ahead_s: float = 0.0
    renewing: list[HeldLock] = field(default_factory=list)  # who lives while this one waits

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time.elapsed_s + self.ahead_s)

    def monotonic_s(self) -> float:
        return 1e6 + self.time.elapsed_s + self.ahead_s

    def sleep(self, seconds: float) -> None:
        self.time.elapsed_s += seconds
        for held in self.renewing:
            held._renew()

    def interrupted(self) -> bool:
        return False


@dataclass(eq=False)
class Process:
    """One process that has, or had, the lock."""

    held: HeldLock
    journal: StoredJournal
    clock: OwnClock
    number: int
    is_out: bool = False  # it was told that it lost
    is_over: bool = False  # it gave the lock back, or died
    is_attached: bool = False


class FlakyObjects(MemoryObjects):
    """An object store whose next answer may be lost, before or after it wrote."""

    lose: str = ""

    def create(self, key: str, data: bytes) -> Version | None:
        lose, self.lose = self.lose, ""
        if lose == "before":
            raise Unanswered("no answer")
        found = super().create(key, data)
        if lose == "after":
            raise Unanswered("no answer")
        return found


class Bench:
    """Where one rollout's journal and its target's lock lie; how an append goes wrong there."""

    def lock(self) -> LockPlace:
        raise NotImplementedError

    def tape(self, clock: OwnClock) -> Tape:
        raise NotImplementedError

    def data(self) -> bytes:
        raise NotImplementedError

    @contextmanager
    def no_answer(self, *, written: bool) -> Iterator[None]:
        """The next append has no answer."""
        raise NotImplementedError

    def tear(self, part: bytes) -> None:
        """What a crash leaves of an append."""

    def close(self) -> None:
        pass


class InMemory(Bench):
    def __init__(self) -> None:
        self.store, self.objects = MemoryStore(), MemoryObjects()

    def lock(self) -> LockPlace:
        return ObjectLock(self.objects, TARGET)

    def tape(self, clock: OwnClock) -> Tape:
        return MemoryTape(self.store)

    def data(self) -> bytes:
        return self.store.data

    @contextmanager
    def no_answer(self, *, written: bool) -> Iterator[None]:
        add = MemoryTape.add

        def lost(tape: MemoryTape, line: bytes, after: object) -> None:
            if written:
                add(tape, line, after)  # type: ignore[arg-type]
            raise JournalLost("no answer")

        with mock.patch.object(MemoryTape, "add", lost):
            yield

    def tear(self, part: bytes) -> None:
        whole = self.store.data.rpartition(b"\n")
        self.store.data = whole[0] + whole[1] + part


class InFile(Bench):
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = FolderStore(Path(self.folder.name))
        self.path = self.store.path(TARGET, ROLLOUT)
        self.syncs = mock.patch("os.fsync")  # nobody pulls the plug here
        self.syncs.start()

    def lock(self) -> LockPlace:
        return self.store.lock(TARGET)

    def tape(self, clock: OwnClock) -> Tape:
        return self.store.tape(TARGET, ROLLOUT)

    def data(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    @contextmanager
    def no_answer(self, *, written: bool) -> Iterator[None]:
        def full(descriptor: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        def broken(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        name, fault = ("os.fsync", broken) if written else ("os.write", full)
        with mock.patch(name, fault):
            yield

    def tear(self, part: bytes) -> None:
        whole = self.data().rpartition(b"\n")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(len(whole[0]) + len(whole[1]))
            file.seek(0, 2)
            file.write(part)

    def close(self) -> None:
        self.syncs.stop()
        self.folder.cleanup()


class InObjects(Bench):
    def __init__(self) -> None:
        self.objects = FlakyObjects()

    def lock(self) -> LockPlace:
        return ObjectLock(self.objects, TARGET)

    def tape(self, clock: OwnClock) -> Tape:
        return ObjectStore(self.objects, clock).tape(TARGET, ROLLOUT)

    def data(self) -> bytes:
        folder = f"{TARGET}/{ROLLOUT}"
        keys = [f"{folder}/{name}" for name in self.objects.names(folder)]
        return b"".join(found for found in self.objects.read_all(keys) if found)

    @contextmanager
    def no_answer(self, *, written: bool) -> Iterator[None]:
        self.objects.lose = "after" if written else "before"
        yield
        self.objects.lose = ""


class TwoWriters(RuleBasedStateMachine):
    """What must hold is said in the invariants and after each append; the rules only do."""

    processes = Bundle("processes")

    def bench_of(self) -> Bench:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.bench = self.bench_of()
        self.time = Time()
        self.all: list[Process] = []
        self.lines: list[bytes] = []
        """What was journaled, as first seen. It may only grow."""
        self.by: list[int] = []  # the process that wrote each
        self.forced_at_s = -TTL_S

    def teardown(self) -> None:
        for process in self.all:
            process.held.abandon()
            process.journal.close()
        self.bench.close()

    # --- the lock ------------------------------------------------------------------------------

    @rule(
        target=processes,
        ahead_s=st.sampled_from([-600.0, 0.0, 45.0]),
        alive=st.sampled_from([False, False, False, True]),
        writes=st.booleans(),
    )
    def take(self, ahead_s: float, alive: bool, writes: bool) -> Process | object:
        """Another process wants the lock. `alive`: whoever has it renews it meanwhile."""
        clock = OwnClock(self.time, ahead_s)
        before = self.bench.lock().read()
        current = [p.held for p in self.all if before and p.held.fence() == before.fence]
        clock.renewing = current if alive else []
        try:
            held = acquire(
                self.bench.lock(),
                owner=owner(1, host=f"machine-{len(self.all)}"),
                rollout=ROLLOUT,
                clock=clock,
                timing=QUIET,
            )
        except LockTaken:
            assert alive, "nobody renewed it, and yet it did not expire"
            assert current
            return multiple()
        finally:
            clock.renewing = []
        assert held.fence() > (before.fence if before else 0)
        renewed_s = max((p.held.state.attended_s for p in self.all), default=0.0)
        assert held.attendance.seconds() >= renewed_s, "forgot what was attended"
        process = Process(
            held=held, journal=self._journal(held, clock), clock=clock, number=len(self.all)
        )
        self.all.append(process)
        if writes:
            self.append(process)
        return process

    def _journal(self, held: HeldLock, clock: OwnClock) -> StoredJournal:
        return StoredJournal(
            self.bench.tape(clock),
            clock=clock,
            actor=f"process {len(self.all)}",
            lock=held,
            attendance=held.attendance,
        )

    @rule(seconds=st.sampled_from([1.0, 10.0, 29.0, 31.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.time.elapsed_s += seconds

    @rule(process=processes)
    def renew(self, process: Process) -> None:
        process.held._renew()

    @rule(process=consumes(processes), gives_back=st.booleans())
    def end(self, process: Process, gives_back: bool) -> None:
        """It is done, or killed."""
        if gives_back:
            process.held.release()
            there = self.bench.lock().read()
            assert there is not None
            assert there.released or there.fence > process.held.fence(), "kept what it gave back"
        process.held.abandon()
        process.is_over = True

    @rule()
    def force_open(self) -> None:
        seen = self.bench.lock().read()
        unlock(self.bench.lock(), by="ann", because="it hangs")
        if seen is not None and not seen.released:
            self.forced_at_s = self.time.elapsed_s

    @staticmethod
    def _may_act(process: Process) -> bool:
        try:
            process.held.check()
        except LockLost:
            return False
        assert process.held._age_s() < TTL_S / 2, "believes it of a lock that it did not renew"
        return True

    # --- the journal ---------------------------------------------------------------------------

    @rule(process=processes)
    def append(self, process: Process) -> None:
        try:
            record = process.journal.append(self._event(process))
        except JournalLost as lost:
            self._was_lost(process, lost)
            return
        self._wrote(process, record)

    @rule(process=processes, written=st.booleans())
    def append_without_an_answer(self, process: Process, written: bool) -> None:
        """It may be there or not; who does not know stops, or looks."""
        with self.bench.no_answer(written=written):
            try:
                record = process.journal.append(self._event(process))
            except JournalLost:
                process.is_out = True
                self._look(process)
                return
        self._wrote(process, record)

    @rule(process=consumes(processes), kept=st.floats(0.0, 1.0), pages=st.booleans())
    def append_cut_off(self, process: Process, kept: float, pages: bool) -> None:
        """The machine loses power while an append that was allowed is under way."""
        if self._may_append(process):
            after = codec.digest(self.lines[-1]) if self.lines else codec.FIRST
            record = Record(
                sequence=len(self.lines),
                at=process.clock.now(),
                attended_s=0.0,
                actor="torn",
                fence=process.held.fence(),
                previous=after,
                event=completed(),
            )
            line = codec.encode(record) + b"\n"
            cut = max(1, min(int(len(line) * kept), len(line) - 1))
            self.bench.tear(line[:cut] if not pages else line[:cut] + b"\0" * (len(line) - cut))
        self.end(process, gives_back=False)

    @rule(process=processes)
    def append_and_act(self, process: Process) -> None:
        """As the executor does it: ask, announce, ask, act."""
        if not self._may_act(process):
            return
        self.append(process)
        if process.is_out or not self._may_act(process):
            return
        newer = [p for p in self.all if p.held.fence() > process.held.fence()]
        assert not any(p.number in self.by for p in newer), "acted after who took over had begun"

    def _event(self, process: Process) -> Event:
        if not self.lines:
            return started()
        return intended() if process.is_attached else attached(process.number)

    def _may_append(self, process: Process) -> bool:
        """As the rules have it: nobody under a newer fence has written, and nothing went wrong."""
        fences = [self.all[number].held.fence() for number in self.by]
        return not process.is_out and all(f <= process.held.fence() for f in fences)

    def _wrote(self, process: Process, record: Record) -> None:
        assert self._may_append(process), "wrote under an old fence, or after it had lost"
        assert (record.sequence, record.fence) == (len(self.lines), process.held.fence())
        process.is_attached = True
        self._look(process)
        assert codec.decode(self.lines[-1]) == record
        assert len(self.lines) == record.sequence + 1

    def _was_lost(self, process: Process, lost: JournalLost) -> None:
        assert not self._may_append(process), f"lost for no reason: {lost.message}"
        process.is_out = True

    def _look(self, process: Process) -> None:
        """Take note of what was written just now, and by whom."""
        now = [line for line in self.bench.data().split(b"\n")[:-1] if b"\0" not in line]
        self.by += [process.number] * (len(now) - len(self.lines))
        self.lines += now[len(self.lines) :]

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def the_chain_is_whole_and_nothing_written_was_lost(self) -> None:
        chain = self.bench.tape(OwnClock(self.time)).load()
        lines = self.bench.data().split(b"\n")[: len(chain.records)]
        assert lines == self.lines

        records = chain.records
        assert [record.sequence for record in records] == list(range(len(records)))
        fences = [record.fence for record in records]
        assert fences == sorted(fences), "a record of an old fence after one of a newer"
        attended = [record.attended_s for record in records]
        assert attended == sorted(attended), "attended time ran backwards"

    @invariant()
    def at_most_one_believes_that_it_may_act(self) -> None:
        """Without looking at the lock: that is what a process does between two renewals."""
        held = [p.held for p in self.all if not p.is_over]
        may = [h.fence() for h in held if h._lost is None and h._age_s() < TTL_S / 2]
        if self.time.elapsed_s - self.forced_at_s >= TTL_S / 2:
            assert len(may) <= 1, may

    @invariant()
    def whoever_takes_it_up_knows_of_all_attended_seconds(self) -> None:
        for process in self.all:
            known = process.journal.read() if process.is_attached else ()
            if known:
                assert process.held.attendance.seconds() >= known[-1].attended_s


def machine(bench: type[Bench], examples: int = 40, *, same_each_time: bool = True) -> type:
    found = type(f"TwoWriters{bench.__name__}", (TwoWriters,), {"bench_of": lambda self: bench()})
    found.TestCase.settings = settings(  # type: ignore[attr-defined]
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        derandomize=same_each_time,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return found.TestCase  # type: ignore[attr-defined,no-any-return]


TestInMemory = machine(InMemory)
TestInFile = machine(InFile)
TestInObjects = machine(InObjects)


@pytest.mark.crash
@pytest.mark.parametrize("bench", [InMemory, InFile, InObjects])
def test_nor_does_a_longer_search_of_other_orders_find_one(bench: type[Bench]) -> None:
    machine(bench, 500, same_each_time=False)("runTest").runTest()
