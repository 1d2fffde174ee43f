"""One rollout at a time on a target: take the lock, renew it from an own thread, give it back.

Whether a holder lives is judged by whether its lock changes, on the *watcher's* clock: the holder's
clock, and how the two differ, do not matter. Holders of this very machine need no watching.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.lock_place import LockPlace, LockState
from rollout_kit.journal.owner import Owner, is_gone
from rollout_kit.model.duration import span
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import JournalLost, LockLost

TTL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTiming:
    """Seconds. A lock that did not change for `ttl_s` has expired."""

    ttl_s: float = TTL_S
    renew_s: float = 10.0
    poll_s: float = 1.0


class LockTaken(Exception):
    """Somebody runs a rollout on this target now. `state`: who, since when, and which."""

    def __init__(self, state: LockState, ttl_s: float = TTL_S) -> None:
        self.state = state
        self.message = (
            f"{state.owner.label} is running {state.rollout} on this target{since(state)}"
        )
        self.hint = (
            "it ends when that rollout ends or holds (`rollout-kit status` shows how far it is), or "
            f"{span(ttl_s)} after its process has died; `--lock-wait 30m` waits for that. If "
            "it is certainly dead and cannot be waited for: `rollout-kit unlock --force`"
        )
        super().__init__(self.message)


class HeldLock:
    """The lock while we have it. `check` before every effect, `release` or `abandon` at the end."""

    def __init__(
        self,
        place: LockPlace,
        state: LockState,
        *,
        clock: Clock,
        timing: LockTiming,
        replaced: LockState | None,
    ) -> None:
        self.replaced = replaced  # what we took it over from: nobody has held it in between
        same = replaced is not None and replaced.rollout == state.rollout
        self.attendance = Attendance(clock, replaced.attended_s if replaced and same else 0.0)
        self._place = place
        self._state = state
        self._clock = clock
        self._timing = timing
        self._renewed_s = clock.monotonic_s()
        self._lost: LockLost | None = None
        self._is_failing = False
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock renewal", daemon=True)
        self._thread.start()

    def fence(self) -> int:
        return self._state.fence

    @property
    def state(self) -> LockState:
        return self._state

    def check(self) -> None:
        """See that the lock is still ours, and renewed within half a TTL; if it is not, renew now.

        Raises:
            LockLost: another process has the target, or the lock cannot be renewed.
        """
        if self._is_anothers():
            self._lost = self._lost or _taken_by(self._place)
        elif not self._lost and self._age_s() >= self._timing.ttl_s / 2:
            reason = self._renew()
            if reason and not self._lost:
                raise LockLost(
                    f"The lock {self._place.place} was last renewed {span(self._age_s())} ago, half "
                    f"of its {span(self._timing.ttl_s)} are over, and renewing it fails: {reason}",
                    "see that it can be written, then resume",
                )
        if self._lost:
            raise self._lost

    def is_lost(self) -> bool:
        return self._lost is not None

    def _is_anothers(self) -> bool:
        """Whether somebody forced it open or took it over; one that cannot be read is not: it ages."""
        try:
            there = self._place.read()
        except JournalLost:
            return False
        return not there or there.released or there.fence != self._state.fence

    def name(self, rollout: str) -> None:
        """Say which rollout this is, when it is another than the one given at the start."""
        if rollout != self._state.rollout:
            self.attendance = Attendance(self._clock)
        self._renew(rollout=rollout)
        self.check()

    def release(self) -> None:
        """Give the target back at once. Never raises: who comes next would wait one TTL instead.

        They do where renewing fails by now: an interrupted process has no time for a dead store.
        """
        self._end()
        if not self._is_failing:
            self._renew(released=True)

    def abandon(self) -> None:
        """Stop renewing and leave the lock to expire: a child of ours is still at work."""
        self._end()

    def _end(self) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stop.wait(self._timing.renew_s):
            self._renew()

    def _age_s(self) -> float:
        return self._clock.monotonic_s() - self._renewed_s

    def _renew(self, *, rollout: str = "", released: bool = False) -> str:
        """Replace the lock; empty, or why that was not possible (the next renewal tries again)."""
        with self._mutex:
            if self._lost:
                return self._lost.message
            new = replace(
                self._state,
                rollout=rollout or self._state.rollout,
                released=released,
                attended_s=self.attendance.seconds(),
                renewed_at=self._clock.now().isoformat(),
            )
            before_s = self._clock.monotonic_s()  # the lock is as old as the swap's beginning
            try:
                written = self._place.swap(self._state, new) or self._once_more(new)
                if written is None:
                    self._lost = _taken_by(self._place)
                    return self._lost.message
            except JournalLost as error:
                self._is_failing = True
                return error.message
            self._state, self._renewed_s, self._is_failing = written, before_s, False
            return ""

    def _once_more(self, new: LockState) -> LockState | None:
        """A renewal that got no answer may have arrived: then what stands there is ours all the same."""
        there = self._place.read()
        if there is None or (there.owner, there.fence) != (self._state.owner, self._state.fence):
            return None
        return None if there.released else self._place.swap(there, new)


def acquire(  # noqa: PLR0913 - which lock, who, what for, and the outside world it needs
    place: LockPlace,
    *,
    owner: Owner,
    rollout: str,
    clock: Clock,
    fence_floor: int = 0,
    wait_s: float = 0.0,
    timing: LockTiming | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> HeldLock:
    """Take the lock of a target, watching a silent holder for one TTL, a living one for `wait_s`.

    `fence_floor`: the highest fence in the target's journals, should the lock itself be gone.

    Raises:
        LockTaken: it is held, and its holder was seen to be alive.
        KeyboardInterrupt: a signal came while watching.
        JournalLost: the lock cannot be read or written.
    """
    timing = timing or LockTiming()
    until_s = clock.monotonic_s() + wait_s
    while True:
        left_s = max(0.0, until_s - clock.monotonic_s())
        seen = await_free(place, here=owner, clock=clock, wait_s=left_s, timing=timing, tell=tell)
        held = _take(place, seen, owner, rollout, clock, fence_floor)
        if held:
            return HeldLock(place, held, clock=clock, timing=timing, replaced=seen)
        if clock.interrupted():
            raise KeyboardInterrupt


def await_free(
    place: LockPlace,
    *,
    here: Owner,
    clock: Clock,
    wait_s: float,
    timing: LockTiming | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> LockState | None:
    """The lock as it stands once nobody holds it: absent, released, or its holder gone or silent.

    Raises:
        LockTaken: its holder was seen to be alive, and `wait_s` are over.
        KeyboardInterrupt: a signal came.
        JournalLost: the lock cannot be read.
    """
    timing = timing or LockTiming()
    until_s = clock.monotonic_s() + wait_s
    seen = place.read()
    since_s = clock.monotonic_s()
    is_told = lives = False
    while not (seen is None or seen.released or is_gone(seen.owner, here)):
        now_s = clock.monotonic_s()
        if now_s - since_s >= timing.ttl_s:
            return seen
        if lives and now_s >= until_s:
            raise LockTaken(seen, timing.ttl_s)
        if not is_told:
            tell(_watching(seen, timing, wait_s))
            is_told = True
        clock.sleep(timing.poll_s)
        if clock.interrupted():
            raise KeyboardInterrupt
        now = place.read()
        if now != seen:
            lives, seen, since_s = True, now, clock.monotonic_s()
    return seen


def since(state: LockState) -> str:
    """As a message goes on after naming the holder."""
    return f" since {state.taken_at[:19]}Z" if state.taken_at else ""


def _watching(seen: LockState, timing: LockTiming, wait_s: float) -> str:
    lives = f"; waiting for up to {span(round(wait_s))} until it is done" if wait_s else ""
    return (
        f"{seen.owner.label} holds this target{since(seen)}, for {seen.rollout}; watching for up to "
        f"{span(timing.ttl_s)} whether it lives{lives}"
    )


def unlock(place: LockPlace, *, by: str, because: str) -> LockState | None:
    """Open the lock whoever holds it; its holder stops before its next effect. The state it had."""
    while True:
        seen = place.read()
        if seen is None or seen.released:
            return seen
        note = f"forced open by {by}: {because}"
        if place.swap(seen, replace(seen, released=True, fence=seen.fence + 1, note=note)):
            return seen


def _take(
    place: LockPlace,
    seen: LockState | None,
    owner: Owner,
    rollout: str,
    clock: Clock,
    fence_floor: int,
) -> LockState | None:
    new = LockState(
        version=0,
        fence=max(seen.fence if seen else 0, fence_floor) + 1,
        owner=owner,
        rollout=rollout,
        attended_s=seen.attended_s if seen and seen.rollout == rollout else 0.0,
        taken_at=clock.now().isoformat(),
        renewed_at=clock.now().isoformat(),
    )
    return place.swap(seen, new)


def _taken_by(place: LockPlace) -> LockLost:
    now = place.read()
    if now is None:
        message = f"The lock {place.place} was removed while its rollout was running"
        return LockLost(message, "resume")
    if now.note:
        hint = "`resume` when that is settled; `rollback` puts its part back, `abort` leaves it"
        return LockLost(f"The lock of this rollout was {now.note}", hint)
    message = f"{now.owner.label} has taken this target over, for {now.rollout}"
    return LockLost(message, "leave it to them; `rollout-kit status` shows how far it is")
