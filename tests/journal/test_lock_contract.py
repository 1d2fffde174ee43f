"""The lock of a target, wherever it lies: taken, watched, waited for, forced open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.journal.lock import HeldLock, LockTaken, LockTiming, acquire, await_free, unlock
from rollout_kit.journal.owner import Owner, this_process
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.journal import JournalLost, LockLost

from .cases import VirtualClock, owner

QUIET = LockTiming(renew_s=3600.0)  # renewals come from the tests
ADA, BOB = owner(1), replace(owner(2), actor="bob")


def take(
    store: RolloutStore, clock: VirtualClock, who: Owner = ADA, wait_s: float = 0.0
) -> HeldLock:
    place = store.lock("orders")
    return acquire(place, owner=who, rollout="r-1", clock=clock, timing=QUIET, wait_s=wait_s)


def test_a_lock_is_per_target(store: RolloutStore, clock: VirtualClock) -> None:
    take(store, clock)

    assert store.lock("billing").read() is None
    seen = store.lock("orders").read()
    assert seen is not None
    assert (seen.owner, seen.rollout, seen.fence, seen.taken_at[:19]) == (
        ADA,
        "r-1",
        1,
        "2026-04-28T10:00:00",
    )


def test_released_taken_again_and_renewed(store: RolloutStore, clock: VirtualClock) -> None:
    first = take(store, clock)
    first.release()
    second = take(store, clock, BOB)
    clock.elapsed_s = 30.0
    second.check()

    assert (second.fence(), clock.elapsed_s) == (2, 30.0)
    assert second.replaced == first.state
    assert second.state == store.lock("orders").read()


def test_a_living_holder_is_left_alone_and_a_silent_one_is_not(
    store: RolloutStore, clock: VirtualClock
) -> None:
    held = take(store, clock)
    clock.on_sleep = [lambda: held._renew() if clock.elapsed_s == 7.0 else None]
    with pytest.raises(
        LockTaken, match=r"ada .* is running r-1 on this target since 2026-04-28T10"
    ):
        take(store, clock, BOB)
    assert clock.elapsed_s == 7.0

    taken = take(store, clock, BOB)

    assert (clock.elapsed_s, taken.fence()) == (67.0, 2)
    with pytest.raises(LockLost, match=r"bob \(process 2 on elsewhere\) has taken this target"):
        held.check()


def test_who_waits_gets_it_when_the_holder_is_done(
    store: RolloutStore, clock: VirtualClock
) -> None:
    held = take(store, clock)

    def live() -> None:
        if clock.elapsed_s == 300.0:
            held.release()
        elif clock.elapsed_s < 300.0 and clock.elapsed_s % 10 == 0:
            held._renew()

    clock.on_sleep = [live]

    assert take(store, clock, BOB, wait_s=600.0).fence() == 2
    assert clock.elapsed_s == 300.0


def test_who_waits_gets_it_when_the_holder_has_died_meanwhile(
    store: RolloutStore, clock: VirtualClock
) -> None:
    held = take(store, clock)
    clock.on_sleep = [lambda: held._renew() if clock.elapsed_s in (10.0, 20.0) else None]

    take(store, clock, BOB, wait_s=600.0)

    assert clock.elapsed_s == 80.0


def test_who_has_waited_long_enough_is_told_who_has_it(
    store: RolloutStore, clock: VirtualClock
) -> None:
    held = take(store, clock)
    clock.on_sleep = [lambda: held._renew() if clock.elapsed_s % 10 == 0 else None]

    with pytest.raises(LockTaken):
        take(store, clock, BOB, wait_s=120.0)

    assert clock.elapsed_s == 120.0


def test_waiting_until_it_is_free_writes_nothing(store: RolloutStore, clock: VirtualClock) -> None:
    take(store, clock).release()
    seen = store.lock("orders").read()

    found = await_free(store.lock("orders"), here=BOB, clock=clock, wait_s=60.0)

    assert found == seen == store.lock("orders").read()
    assert await_free(store.lock("other"), here=BOB, clock=clock, wait_s=0.0) is None
    assert store.lock("other").read() is None


def test_a_dead_process_of_this_machine_is_not_waited_for(
    store: RolloutStore, clock: VirtualClock
) -> None:
    here = this_process({})
    take(store, clock, replace(here, pid=2**22 + 1))

    assert take(store, clock, here).fence() == 2
    assert clock.elapsed_s == 0.0


def test_a_forced_lock_is_named_to_its_holder(store: RolloutStore, clock: VirtualClock) -> None:
    held = take(store, clock)
    seen = unlock(store.lock("orders"), by="bob", because="the runner is gone")

    assert seen is not None
    assert seen.owner == ADA
    clock.elapsed_s = 31.0
    with pytest.raises(LockLost, match="forced open by bob: the runner is gone"):
        held.check()
    assert take(store, clock, BOB).fence() == 3


def test_a_swap_from_another_state_is_refused(store: RolloutStore, clock: VirtualClock) -> None:
    held = take(store, clock)
    before = held.state
    held._renew()
    place = store.lock("orders")
    place.read()

    assert place.swap(before, replace(before, owner=BOB)) is None
    assert place.swap(None, replace(before, owner=BOB)) is None
    assert place.read() == held.state


def test_what_is_no_lock_is_a_sentence(store: RolloutStore, clock: VirtualClock) -> None:
    from rollout_kit.journal.folder_store import FolderStore
    from rollout_kit.journal.object_store import ObjectStore

    if isinstance(store, FolderStore):
        store.folder("orders").mkdir(parents=True)
        (store.folder("orders") / "lock.json").write_bytes(b"{")
    else:
        assert isinstance(store, ObjectStore)
        store._objects.create("orders/lock.json", b"{")

    with pytest.raises(JournalLost, match="no lock that this program can read"):
        take(store, clock)
