"""One rollout at a time on a target, whoever dies and whatever the clocks say."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_kit.journal.lock import HeldLock, LockTaken, LockTiming, acquire, unlock
from rollout_kit.journal.lock_file import LockFile
from rollout_kit.journal.lock_place import LockState
from rollout_kit.journal.owner import Owner, is_gone, this_process
from rollout_kit.ports.journal import JournalLost, LockLost

from .cases import VirtualClock, owner

# Renewals come from the tests, not from the thread: its first would be an hour away.
QUIET = LockTiming(ttl_s=60.0, renew_s=3600.0, poll_s=1.0)
ADA, BOB = owner(1), replace(owner(2), actor="bob")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def take(
    folder: Path, clock: VirtualClock, who: Owner = ADA, rollout: str = "r-1", floor: int = 0
) -> HeldLock:
    return acquire(
        LockFile(folder), owner=who, rollout=rollout, clock=clock, timing=QUIET, fence_floor=floor
    )


def test_a_free_lock_is_taken_at_once_and_names_its_rollout(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path / "state" / "orders", clock)

    assert (held.fence(), clock.elapsed_s) == (1, 0.0)
    seen = LockFile(tmp_path / "state" / "orders").read()
    assert seen is not None
    assert (seen.owner, seen.rollout, seen.released) == (ADA, "r-1", False)


def test_a_released_lock_is_taken_at_once_under_a_higher_fence(
    tmp_path: Path, clock: VirtualClock
) -> None:
    take(tmp_path, clock).release()

    assert take(tmp_path, clock, BOB).fence() == 2
    assert clock.elapsed_s == 0.0


def test_the_fence_stays_above_the_journals_where_the_lock_file_is_gone(
    tmp_path: Path, clock: VirtualClock
) -> None:
    assert take(tmp_path, clock, floor=8).fence() == 9


def test_a_holder_that_renews_is_left_alone_from_its_first_sign_of_life(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path, clock)
    clock.on_sleep = [lambda: held._renew() if clock.elapsed_s == 7.0 else None]

    with pytest.raises(LockTaken) as caught:
        take(tmp_path, clock, BOB)

    assert clock.elapsed_s == 7.0
    assert caught.value.message == (
        "ada (process 1 on elsewhere) is running r-1 on this target since 2026-04-28T10:00:00Z"
    )
    assert "1m after its process has died; `--lock-wait 30m` waits" in caught.value.hint


def test_who_has_to_watch_a_holder_is_told_at_once_who_it_is_and_since_when(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held, told = take(tmp_path, clock), list[tuple[float, str]]()
    clock.on_sleep.append(held._renew)

    with pytest.raises(LockTaken):
        acquire(
            LockFile(tmp_path),
            owner=BOB,
            rollout="r-2",
            clock=clock,
            timing=QUIET,
            tell=lambda text: told.append((clock.elapsed_s, text)),
        )

    sentence = (
        f"{ADA.label} holds this target since 2026-04-28T10:00:00Z, for r-1; "
        "watching for up to 1m whether it lives"
    )
    assert told == [(0.0, sentence)]


def test_a_holder_that_is_silent_for_one_ttl_of_the_watchers_clock_has_lost_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    dead = take(tmp_path, clock)

    held = take(tmp_path, clock, BOB)

    assert clock.elapsed_s == 60.0
    assert held.fence() == 2
    with pytest.raises(
        LockLost, match=r"bob \(process 2 on elsewhere\) has taken this target over"
    ):
        dead.check()


def test_an_abandoned_lock_expires_instead_of_being_given_back(
    tmp_path: Path, clock: VirtualClock
) -> None:
    take(tmp_path, clock).abandon()

    take(tmp_path, clock, BOB)

    assert clock.elapsed_s == 60.0


def test_a_dead_process_of_this_machine_has_lost_it_at_once(
    tmp_path: Path, clock: VirtualClock
) -> None:
    here = this_process({})
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    take(tmp_path, clock, replace(here, pid=child.pid, started=""))
    child.kill()
    child.wait()

    assert take(tmp_path, clock, here).fence() == 2
    assert clock.elapsed_s == 0.0


def test_who_is_gone_is_told_only_on_this_very_machine() -> None:
    here = this_process({})
    dead = replace(here, pid=2**22 + 1)

    assert is_gone(dead, here)
    assert not is_gone(here, here)
    assert not is_gone(replace(dead, host="other"), here)
    assert not is_gone(replace(dead, boot_id="other"), here)
    assert not is_gone(replace(dead, pid_namespace="other"), here)
    assert not is_gone(replace(dead, boot_id=""), replace(here, boot_id=""))
    assert is_gone(replace(here, started="1"), here), "another process has its number now"


def test_a_zombie_is_gone() -> None:
    here = this_process({})
    child = subprocess.Popen([sys.executable, "-c", ""])
    state = ""
    for _ in range(500):
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        time.sleep(0.01)
    assert state == "Z"

    assert is_gone(replace(here, pid=child.pid, started=""), here)
    child.wait()


def test_of_two_watchers_one_gets_an_expired_lock(tmp_path: Path, clock: VirtualClock) -> None:
    take(tmp_path, clock)
    file = LockFile(tmp_path)
    seen = file.read()
    assert seen is not None

    assert file.swap(seen, replace(seen, owner=BOB, fence=2)) is not None
    assert file.swap(seen, replace(seen, owner=ADA, fence=2)) is None


def test_the_lock_is_renewed_before_an_effect_when_half_of_its_time_is_over(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path, clock)
    version = held.state.version
    clock.elapsed_s = 29.0
    held.check()
    assert held.state.version == version

    clock.elapsed_s = 30.0
    held.check()

    assert held.state.version == version + 1


def test_a_laptop_that_slept_too_long_learns_that_it_was_replaced(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path, clock)
    take(tmp_path, VirtualClock(), BOB)
    clock.elapsed_s = 3600.0

    with pytest.raises(LockLost, match="bob"):
        held.check()


def test_a_lock_that_cannot_be_renewed_stops_the_next_effect(
    tmp_path: Path, clock: VirtualClock
) -> None:
    folder = tmp_path / "orders"
    held = take(folder, clock)
    folder.rename(tmp_path / "moved")
    folder.write_text("")  # a file where the folder was
    clock.elapsed_s = 31.0

    with pytest.raises(LockLost, match=r"last renewed 31s ago, half of its 1m are over"):
        held.check()


def test_the_renewal_carries_the_attended_seconds_to_the_next_process(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path, clock)
    clock.elapsed_s = 40.0
    held.check()

    after = take(tmp_path, clock, BOB)

    assert clock.elapsed_s == 100.0
    assert after.attendance.seconds() == 40.0
    assert take_other(tmp_path, clock).attendance.seconds() == 0.0


def take_other(folder: Path, clock: VirtualClock) -> HeldLock:
    return take(folder, clock, ADA, rollout="r-2")


def test_a_lock_can_be_named_for_another_rollout(tmp_path: Path, clock: VirtualClock) -> None:
    held = take(tmp_path, clock)
    clock.elapsed_s = 5.0

    held.name("r-2")

    seen = LockFile(tmp_path).read()
    assert seen is not None
    assert (seen.rollout, held.attendance.seconds()) == ("r-2", 0.0)


def test_a_forced_unlock_stops_the_holder_and_says_who_did_it(
    tmp_path: Path, clock: VirtualClock
) -> None:
    held = take(tmp_path, clock)

    seen = unlock(LockFile(tmp_path), by="bob", because="the runner is gone")

    assert seen is not None
    assert seen.owner == ADA
    assert take(tmp_path, clock, BOB).fence() == 3
    assert clock.elapsed_s == 0.0
    clock.elapsed_s = 31.0
    with pytest.raises(LockLost):
        held.check()


def test_a_forced_unlock_is_named_to_the_holder(tmp_path: Path, clock: VirtualClock) -> None:
    held = take(tmp_path, clock)
    unlock(LockFile(tmp_path), by="bob", because="the runner is gone")

    with pytest.raises(LockLost, match="forced open by bob: the runner is gone"):
        held.check()


def test_a_signal_ends_the_watching(tmp_path: Path, clock: VirtualClock) -> None:
    take(tmp_path, clock)
    clock.stop_after_s = 5.0

    with pytest.raises(KeyboardInterrupt):
        take(tmp_path, clock, BOB)

    assert clock.elapsed_s == 5.0


def test_the_thread_renews_by_itself(tmp_path: Path, clock: VirtualClock) -> None:
    timing = LockTiming(ttl_s=60.0, renew_s=0.01)
    held = acquire(LockFile(tmp_path), owner=ADA, rollout="r-1", clock=clock, timing=timing)
    deadline = time.monotonic() + 10
    while held.state.version < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    held.release()

    assert held.state.version >= 4
    assert held.state.released


def test_a_damaged_lock_file_is_a_sentence(tmp_path: Path, clock: VirtualClock) -> None:
    (tmp_path / "lock.json").write_text("{")

    with pytest.raises(JournalLost, match="no lock that this program can read"):
        take(tmp_path, clock)


def test_the_label_names_the_ci_run() -> None:
    assert LockState(version=1, fence=1, owner=ADA, rollout="r").owner.label == (
        "ada (process 1 on elsewhere)"
    )
    environment = {
        "GITHUB_RUN_ID": "12",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/orders",
        "GITHUB_ACTOR": "ada",
    }
    who = this_process(environment)
    assert who.label.startswith("ada (process ")
    assert who.label.endswith(", https://github.com/acme/orders/actions/runs/12)")
