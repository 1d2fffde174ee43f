"""A store that does not answer: nothing is lost, nothing stands twice, nothing goes on without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.lock import HeldLock, LockTiming, acquire, unlock
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.object_store import APPEND_BUDGET_S, ObjectStore
from rollout_kit.journal.objects import Unanswered
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.journal import JournalLost, LockLost

from .cases import VirtualClock, attached, completed, intended, owner, started
from .faulty import FaultyObjects
from .test_people import APPROVAL

QUIET = LockTiming(renew_s=3600.0)
ADA, BOB = owner(1), replace(owner(2), actor="bob")


class Place:
    """One rollout in a store that can be told to fail."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.objects = FaultyObjects()
        self.told: list[str] = []
        self.store = ObjectStore(self.objects, self.clock, self.told.append)

    def journal(self, fence: int = 1, actor: str = "ada") -> StoredJournal:
        return self.store.journal(
            "orders",
            "one",
            clock=self.clock,
            actor=actor,
            lock=MemoryLock(fence),
            attendance=Attendance(self.clock),
        )

    def lock(self, who: object = ADA, rollout: str = "one") -> HeldLock:
        place = self.store.lock("orders")
        return acquire(place, owner=who, rollout=rollout, clock=self.clock, timing=QUIET)  # type: ignore[arg-type]

    def down_until(self, second: float) -> None:
        self.objects.is_down = lambda: self.clock.elapsed_s < second

    def actors(self) -> list[tuple[int, str]]:
        return [(one.fence, one.actor) for one in self.store.tape("orders", "one").load().records]


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.mark.parametrize("faults", [["before"], ["after"], ["late"], ["late", "before", "after"]])
def test_an_append_without_an_answer_stands_once(place: Place, faults: list[str]) -> None:
    journal = place.journal()
    journal.append(started())
    place.objects.write_faults = faults
    record = journal.append(intended())
    journal.append(completed())

    assert record.sequence == 1
    assert place.store.tape("orders", "one").load().records == journal.read()
    assert len(journal.read()) == 3
    assert place.told == ["the store gives no answer; trying again for up to 90s"]


def test_an_append_outlasts_a_store_that_fails_for_a_minute(place: Place) -> None:
    journal = place.journal()
    journal.append(started())
    place.down_until(60.0)

    journal.append(intended())

    assert 60.0 <= place.clock.elapsed_s < 70.0
    assert len(place.actors()) == 2


def test_a_store_that_stays_away_ends_the_rollout_within_the_budget(place: Place) -> None:
    journal = place.journal()
    journal.append(started())
    place.down_until(1e9)

    with pytest.raises(JournalLost, match="Nothing more is done to the fleet") as caught:
        journal.append(intended())

    assert APPEND_BUDGET_S - 10.0 < place.clock.elapsed_s <= APPEND_BUDGET_S
    assert caught.value.hint == "see that the store can be reached, then resume"
    place.down_until(0.0)
    writes = place.objects.writes
    with pytest.raises(JournalLost):
        journal.append(intended())
    assert place.objects.writes == writes, "a writer that was told no asks no more"
    assert len(place.actors()) == 1


def test_a_signal_ends_the_trying_after_the_one_under_way(place: Place) -> None:
    journal = place.journal()
    journal.append(started())
    place.down_until(1e9)
    place.clock.stop_after_s = place.clock.elapsed_s

    with pytest.raises(JournalLost):
        journal.append(intended())

    assert place.clock.elapsed_s == 0.0
    assert place.objects.writes == 2


@pytest.mark.parametrize("faults", [[], ["before"], ["after"]])
def test_who_lost_the_rollout_cannot_append_even_in_doubt(place: Place, faults: list[str]) -> None:
    older = place.journal(fence=1)
    older.append(started())
    place.journal(fence=2, actor="bob").append(attached())
    place.objects.write_faults = faults

    with pytest.raises(LockLost, match="bob has taken this rollout over"):
        older.append(intended())

    assert place.actors() == [(1, "ada"), (2, "bob")]


def test_a_write_of_the_holder_before_that_arrives_late_is_part_of_the_journal(
    place: Place,
) -> None:
    """Read, then overtaken by a record under an older fence, then attached behind it."""
    older = place.journal(fence=1)
    older.append(started())
    place.objects.write_faults = ["late"]
    place.clock.stop_after_s = 0.0  # the process is gone after one try
    with pytest.raises(JournalLost):
        older.append(intended())
    place.clock.stop_after_s = None
    newer = place.journal(fence=2, actor="bob")
    assert len(newer.read()) == 1
    place.objects.arrive()

    record = newer.append(attached())

    assert record.sequence == 2
    assert place.actors() == [(1, "ada"), (1, "ada"), (2, "bob")]


def test_a_renewal_without_an_answer_that_took_effect_keeps_the_lock(place: Place) -> None:
    held = place.lock()
    for fault in ("after", "before", "late"):
        place.objects.write_faults = [fault]
        assert "no answer" in held._renew()
        assert held._renew() == "", fault
    held.check()
    held.release()
    assert place.lock(BOB).fence() == 2


def test_a_lock_forced_open_is_not_taken_back_by_who_got_no_answer(place: Place) -> None:
    held = place.lock()
    place.objects.write_faults = ["after"]
    held._renew()
    unlock(place.store.lock("orders"), by="bob", because="gone")

    assert "forced open by bob" in held._renew()
    with pytest.raises(LockLost):
        held.check()


def test_a_lock_that_somebody_else_has_taken_is_not_taken_back_by_a_renewal(place: Place) -> None:
    held = place.lock()
    unlock(place.store.lock("orders"), by="bob", because="gone")
    theirs = place.lock(BOB)

    assert "has taken this target over, for one" in held._renew()
    theirs.check()
    there = place.store.lock("orders").read()
    assert there is not None
    assert (there.owner, there.fence) == (BOB, 3)
    with pytest.raises(LockLost, match="bob"):
        held.check()


def test_a_lock_that_was_not_renewed_for_half_its_life_bars_the_next_effect(place: Place) -> None:
    held = place.lock()
    place.down_until(40.0)
    place.clock.elapsed_s = 29.0
    held.check()
    place.clock.elapsed_s = 31.0
    with pytest.raises(LockLost, match="last renewed 31s ago, half of its 1m are over"):
        held.check()
    place.clock.elapsed_s = 41.0
    held.check()


def test_who_stops_while_the_store_is_away_does_not_wait_for_it(place: Place) -> None:
    held = place.lock()
    place.down_until(1e9)
    held._renew()
    asked = place.objects.writes + place.objects.reads

    held.release()

    assert place.objects.writes + place.objects.reads == asked


def test_what_people_left_is_remembered_while_the_store_is_away(place: Place) -> None:
    people = place.store.people("orders", "one")
    assert people.leave(APPROVAL)
    assert people.read() == (APPROVAL,)
    place.clock.elapsed_s = 100.0
    place.down_until(160.0)
    assert people.read() == (APPROVAL,)
    abort = replace(APPROVAL, said=PersonSaid.ABORT)
    place.clock.elapsed_s = 161.0
    assert place.store.people("orders", "one").leave(abort)

    assert people.read() == (APPROVAL, abort)


def test_who_has_seen_no_word_of_people_does_not_take_silence_for_none(place: Place) -> None:
    place.down_until(1e9)
    with pytest.raises(Unanswered):
        place.store.people("orders", "one").read()


def test_the_store_is_not_asked_for_words_of_people_at_every_turn(place: Place) -> None:
    people = place.store.people("orders", "one")
    for tenth in range(100):
        place.clock.elapsed_s = tenth / 10
        people.read()

    assert place.objects.reads <= 2 * 6


@pytest.mark.parametrize("fault", ["before", "after", "late"])
def test_a_word_left_without_an_answer_stands_once(place: Place, fault: str) -> None:
    place.objects.write_faults = [fault]

    assert place.store.people("orders", "one").leave(APPROVAL)
    assert place.store.people("orders", "one").read() == (APPROVAL,)
    assert not place.store.people("orders", "one").leave(APPROVAL)
