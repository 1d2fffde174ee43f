"""One rollout at a time on a target: take the lock, renew it from an own thread, give it back.

Whether a holder lives is judged by whether its lock changes, on the *watcher's* clock: the holder's
clock, and how the two differ, do not matter. Holders of this very machine need no watching.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.lock_file import LockFile, LockState
from rollout_kit.journal.owner import Owner, is_gone
from rollout_kit.model.duration import span
from rollout_kit.ports.clock import Clock
from rollout_kit.ports.journal import JournalLost, LockLost


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTiming:
    """Seconds. A lock that did not change for `ttl_s` has expired."""

    ttl_s: float = 60.0
    renew_s: float = 10.0
    poll_s: float = 1.0


class LockTaken(Exception):
    """Somebody runs a rollout on this target now. `state`: who, and which."""

    def __init__(self, state: LockState) -> None:
        self.state = state
        self.message = f"{state.owner.label} is running {state.rollout} on this target"
        self.hint = (
            "wait for it (`rollout-kit status` shows how far it is); if that process is certainly "
            "dead, `rollout-kit unlock --force` opens the lock"
        )
        super().__init__(self.message)


class HeldLock:
    """The lock while we have it. `check` before every effect, `release` or `abandon` at the end."""

    def __init__(
        self, file: LockFile, state: LockState, *, clock: Clock, timing: LockTiming, found_s: float
    ) -> None:
        self.attendance = Attendance(clock, found_s)
        self._file = file
        self._state = state
        self._clock = clock
        self._timing = timing
        self._renewed_s = clock.monotonic_s()
        self._lost: LockLost | None = None
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock renewal", daemon=True)
        self._thread.start()

    def fence(self) -> int:
        """The number that every record of this holder carries."""
        return self._state.fence

    @property
    def state(self) -> LockState:
        return self._state

    def check(self) -> None:
        """See that the last renewal is younger than half a TTL; if it is not, renew now.

        Raises:
            LockLost: another process has the target, or the lock cannot be renewed.
        """
        if not self._lost and self._age_s() >= self._timing.ttl_s / 2:
            reason = self._renew()
            if reason and not self._lost:
                raise LockLost(
                    f"The lock {self._file.path} was last renewed {span(self._age_s())} ago, half "
                    f"of its {span(self._timing.ttl_s)} are over, and renewing it fails: {reason}",
                    "see that the state folder can be written, then resume",
                )
        if self._lost:
            raise self._lost

    def name(self, rollout: str) -> None:
        """Say which rollout this is, when it is another than the one given at the start."""
        if rollout != self._state.rollout:
            self.attendance = Attendance(self._clock)
        self._renew(rollout=rollout)
        self.check()

    def release(self) -> None:
        """Give the target back at once. Never raises: who comes next would wait one TTL instead."""
        self._end()
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
                written = self._file.swap(self._state, new)
                if written is None:
                    self._lost = _taken_by(self._file)
                    return self._lost.message
            except JournalLost as error:
                return error.message
            self._state, self._renewed_s = written, before_s
            return ""


def acquire(  # noqa: PLR0913 - who, what for, and the outside world it needs
    folder: Path,
    *,
    owner: Owner,
    rollout: str,
    clock: Clock,
    fence_floor: int = 0,
    timing: LockTiming | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> HeldLock:
    """Take the lock of the target whose state is in `folder`, watching a silent holder for one TTL.

    `fence_floor`: the highest fence in the target's journals, should the lock file be gone.

    Raises:
        LockTaken: it is held, and its holder was seen to be alive.
        KeyboardInterrupt: a signal came while watching.
        JournalLost: the lock cannot be read or written.
    """
    timing = timing or LockTiming()
    file = LockFile(folder)
    seen = file.read()
    since_s = clock.monotonic_s()
    told = False
    while True:
        if seen is None or seen.released or is_gone(seen.owner, owner):
            expired = True
        else:
            expired = clock.monotonic_s() - since_s >= timing.ttl_s
        if expired:
            held = _take(file, seen, owner, rollout, clock, fence_floor)
            if held:
                found_s = seen.attended_s if seen and seen.rollout == rollout else 0.0
                return HeldLock(file, held, clock=clock, timing=timing, found_s=found_s)
        elif not told and seen:
            tell(_watching(seen, timing))
            told = True
        if not expired:
            clock.sleep(timing.poll_s)
        if clock.interrupted():
            raise KeyboardInterrupt
        now = file.read()
        if now != seen:
            if now and not now.released and not is_gone(now.owner, owner):
                raise LockTaken(now)
            seen = now


def _watching(seen: LockState, timing: LockTiming) -> str:
    since = f" since {seen.taken_at[:19]}Z" if seen.taken_at else ""
    return (
        f"{seen.owner.label} holds this target{since}, for {seen.rollout}; watching for up to "
        f"{span(timing.ttl_s)} whether it lives"
    )


def unlock(folder: Path, *, by: str, because: str) -> LockState | None:
    """Open the lock whoever holds it; its holder stops before its next effect. The state it had."""
    file = LockFile(folder)
    while True:
        seen = file.read()
        if seen is None or seen.released:
            return seen
        note = f"forced open by {by}: {because}"
        if file.swap(seen, replace(seen, released=True, fence=seen.fence + 1, note=note)):
            return seen


def _take(
    file: LockFile,
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
    return file.swap(seen, new)


def _taken_by(file: LockFile) -> LockLost:
    now = file.read()
    if now is None:
        return LockLost(f"The lock {file.path} was removed while its rollout was running", "resume")
    if now.note:
        return LockLost(f"The lock of this rollout was {now.note}", "resume when that is settled")
    return LockLost(
        f"{now.owner.label} has taken this target over, for {now.rollout}",
        "leave it to them; `rollout-kit status` shows how far it is",
    )
