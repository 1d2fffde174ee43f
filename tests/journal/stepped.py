"""The real lock and journal, stopped wherever a step of the model ends: two processes in one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.lock import HeldLock, LockTaken, LockTiming, acquire, unlock
from rollout_kit.journal.lock_place import LockPlace, LockState
from rollout_kit.journal.object_store import ObjectStore
from rollout_kit.journal.objects import MemoryObjects, Unanswered, Version
from rollout_kit.journal.store import RolloutStore
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.ports.journal import LockLost

from .cases import VirtualClock, attached, intended, owner, started
from .lock_model import NEVER, Act, Stage

TTL_S = 60.0
TICK_S = 30.0  # the model's TTL is two ticks
TIMING = LockTiming(ttl_s=TTL_S, renew_s=3600.0, poll_s=0.0)


class Killed(BaseException):
    """What ends a process at the point where it stands."""


class Stepped:
    """A call that runs only while it is let, up to the next place where it pauses."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._is_killed = False
        self.is_over = False
        self.result: object = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self) -> None:
        self._go.release()
        assert self._stands.acquire(timeout=20)

    def pause(self) -> None:
        """Called by what runs in it."""
        self._stands.release()
        self._go.acquire()
        if self._is_killed:
            raise Killed

    def kill(self) -> None:
        self._is_killed = True
        while not self.is_over:
            self.step()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._is_killed:
                self.result = self._call()
        except (Killed, LockTaken, LockLost) as error:
            self.error = error
        self.is_over = True
        self._stands.release()


class SteppedPlace:
    """A lock that pauses before each swap of the call that is under way."""

    def __init__(self, place: LockPlace) -> None:
        self._place = place
        self.call: Stepped | None = None

    @property
    def place(self) -> str:
        return self._place.place

    def read(self) -> LockState | None:
        return self._place.read()

    def swap(self, seen: LockState | None, new: LockState) -> LockState | None:
        if self.call is not None:
            self.call.pause()
        return self._place.swap(seen, new)


class SteppedObjects(MemoryObjects):
    """One process's way to the shared objects: each record it creates stands still before it lands."""

    def __init__(self, shared: MemoryObjects) -> None:
        super().__init__()
        self._objects = shared._objects
        self._shared = shared
        self.call: Stepped | None = None
        self.sent: tuple[str, bytes] | None = None
        self.has_landed = False

    def create(self, key: str, data: bytes) -> Version | None:
        if self.call is None or self.sent is not None:
            return self._shared.create(key, data)
        self.sent, self.has_landed = (key, data), False
        self.call.pause()
        if self.has_landed:
            raise Unanswered("the answer was lost")
        self.sent = None
        return self._shared.create(key, data)

    def replace(self, key: str, data: bytes, seen: Version) -> Version | None:
        return self._shared.replace(key, data, seen)

    def land(self) -> None:
        """What was sent is there, and nobody knows."""
        assert self.sent is not None
        assert self._shared.create(*self.sent) is not None
        self.has_landed = True


class SteppedClock(VirtualClock):
    """Time passes by the test alone; who sleeps pauses."""

    call: Stepped | None = None

    def sleep(self, seconds: float) -> None:
        if self.call is not None:
            self.call.pause()


class RealWriter:
    """One of the two processes. It is told to take the model's steps, one by one."""

    def __init__(self, place: Path | MemoryObjects, number: int) -> None:
        self._number = number
        self.clock = SteppedClock(elapsed_s=1000.0 * number)
        self._objects = SteppedObjects(place) if isinstance(place, MemoryObjects) else None
        self._store: RolloutStore = (
            FolderStore(place)
            if isinstance(place, Path)
            else ObjectStore(self._objects or place, VirtualClock())  # tries again at once
        )
        self.late: list[tuple[str, bytes]] = []  # what it had sent when it died
        self._append_call: Stepped | None = None
        self.stage = Stage.GONE
        self.held: HeldLock | None = None
        self.journal: StoredJournal | None = None
        self._call: Stepped | None = None
        self._renewal: Stepped | None = None
        self._wrote = 0
        self._starts = 0

    def take(self, act: str) -> None:
        getattr(self, f"_{act}")()
        if self.held is not None and self.held._lost is not None:
            self._crash()

    def _look(self) -> None:
        self._starts += 1
        self._place = SteppedPlace(self._store.lock("t"))
        who = owner(1, host=f"machine-{self._number}-{self._starts}")
        self._call = Stepped(
            lambda: acquire(self._place, owner=who, rollout="r", clock=self.clock, timing=TIMING)
        )
        self._place.call = self.clock.call = self._call
        self.stage = Stage.WATCHING
        self._call.step()

    def _poll(self) -> None:
        assert self._call is not None
        self._call.step()
        if not self._call.is_over:
            return
        self._place.call = self.clock.call = None
        if isinstance(self._call.error, LockTaken):
            self.stage = Stage.GONE
            return
        assert isinstance(self._call.result, HeldLock), self._call.error
        self.held = self._call.result
        self.journal = self._store.journal(
            "t",
            "r",
            clock=self.clock,
            actor=f"{self._number}",
            lock=self.held,
            attendance=self.held.attendance,
        )
        self.stage = Stage.HOLDING
        self._wrote = 0

    def _renew(self) -> None:
        assert self.held is not None
        self._renewal = Stepped(self.held._renew)
        self._place.call = self._renewal
        self._renewal.step()
        assert not self._renewal.is_over, "it stands before its swap"

    def _renewed(self) -> None:
        assert self._renewal is not None
        self._renewal.step()
        assert self._renewal.is_over
        self._renewal = self._place.call = None

    def _read(self) -> None:
        assert self.journal is not None
        self.journal.read()

    def _append(self) -> None:
        assert self.journal is not None
        first = not self.journal.read()
        event = started() if first else intended() if self._wrote else attached()
        journal = self.journal
        self._append_call = Stepped(lambda: journal.append(event))
        if self._objects is not None:
            self._objects.call = self._append_call
        self._answer()

    def _land(self) -> None:
        assert self._objects is not None
        self._objects.land()

    def _answer(self) -> None:
        assert self._append_call is not None
        self._append_call.step()
        if not self._append_call.is_over:
            return
        if self._objects is not None:
            self._objects.call = self._objects.sent = None
        if isinstance(self._append_call.error, LockLost):
            self._crash()
        else:
            self._wrote += 1

    def _check(self) -> None:
        assert self.held is not None
        try:
            self.held.check()
        except LockLost:
            self._crash()

    def _send(self) -> None:
        """The effect itself is the fleet's affair."""

    def _release(self) -> None:
        assert self.held is not None
        self.held.release()
        self._crash()

    def _crash(self) -> None:
        objects = self._objects
        if objects is not None and objects.sent is not None:
            self.late.append(objects.sent)
        for call in (self._call, self._renewal, self._append_call):
            if call is not None and not call.is_over:
                call.kill()
        if self.held is not None:
            self.held.abandon()
        if self.journal is not None:
            self.journal.close()
        self.stage = Stage.GONE
        if objects is not None:
            objects.call = objects.sent = None
        self.held = self.journal = self._renewal = self._append_call = None

    @property
    def age_s(self) -> float:
        assert self.held is not None
        return self.held._age_s()


class RealWorld:
    """Two processes, one folder or one bucket."""

    def __init__(self, place: Path | MemoryObjects) -> None:
        self._objects = place if isinstance(place, MemoryObjects) else None
        self._store: RolloutStore = (
            FolderStore(place) if isinstance(place, Path) else ObjectStore(place, VirtualClock())
        )
        self.writers = (RealWriter(place, 0), RealWriter(place, 1))
        self._late: list[tuple[str, bytes]] = []

    def take(self, act: Act) -> None:
        match act.name:
            case "tick":
                for number in (0, 1) if act.who == NEVER else (act.who,):
                    self.writers[number].clock.elapsed_s += TICK_S
            case "force":
                unlock(self._store.lock("t"), by="ann", because="it hangs")
            case "arrive":
                assert self._objects is not None
                self._objects.create(*self._late.pop(act.who))
            case name:
                self.writers[act.who].take(name)
        for writer in self.writers:
            self._late += writer.late
            writer.late.clear()

    def lock(self) -> tuple[int, bool]:
        """Its fence, and whether it is free."""
        there = self._store.lock("t").read()
        return (there.fence, there.released) if there else (0, True)

    def journal(self) -> tuple[tuple[int, int], ...]:
        records = self._store.tape("t", "r").load().records
        return tuple((record.sequence, record.fence) for record in records)

    def close(self) -> None:
        for writer in self.writers:
            writer.take("crash")
