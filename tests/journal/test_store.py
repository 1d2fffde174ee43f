"""Rollouts are found by target, id, prefix, or as the newest unfinished, wherever they lie."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.folder_store import FolderStore
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.journal.store import RolloutNotFound, RolloutStore, new_rollout_id
from rollout_kit.model.events import Event, RollbackStarted

from .cases import VirtualClock, attached, finished, intended, started


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "state")


def begin(
    store: RolloutStore, rollout: str, *events: Event, target: str = "orders", minute: int = 0
) -> None:
    """A rollout with these events, all of them from one minute after the start."""
    clock = VirtualClock(elapsed_s=minute * 60.0)
    journal = store.journal(
        target,
        rollout,
        clock=clock,
        actor="ada",
        lock=MemoryLock(),
        attendance=Attendance(clock),
        warn=print,
    )
    for event in events:
        journal.append(event)
    journal.close()


def write(
    store: FolderStore, rollout: str, *events: Event, target: str = "orders", minute: int = 0
) -> Path:
    begin(store, rollout, *events, target=target, minute=minute)
    return store.path(target, rollout)


def test_a_state_folder_that_is_not_there_has_no_rollouts(store: RolloutStore) -> None:
    assert store.rollouts() == ()
    with pytest.raises(RolloutNotFound) as caught:
        store.find(None)
    assert "--state" in caught.value.hint


def test_rollouts_come_newest_first_with_plan_and_outcome(store: RolloutStore) -> None:
    begin(store, "one", started(), attached(), finished(), minute=1)
    begin(store, "two", started(), attached(), minute=2)
    begin(store, "three", started(), target="billing", minute=3)

    assert [(e.rollout, e.outcome) for e in store.rollouts("orders")] == [
        ("two", None),
        ("one", "succeeded"),
    ]
    assert [e.rollout for e in store.rollouts()] == ["three", "two", "one"]
    assert store.rollouts("orders")[0].plan == "orders"
    assert store.rollouts("orders")[0].digest == "d" * 64


def test_the_newest_unfinished_is_the_default(store: RolloutStore) -> None:
    begin(store, "old", started(), minute=1)
    begin(store, "new", started(), minute=2)
    begin(store, "done", started(), finished(), minute=3)

    assert store.find(None).rollout == "new"


@pytest.mark.parametrize(
    ("events", "is_finished"),
    [
        ((started(), finished()), True),
        ((started(), finished(), attached()), True),
        ((started(), finished(), attached(), RollbackStarted(cause="c", actor="a")), False),
        ((started(), attached()), False),
    ],
)
def test_a_rollout_is_finished_until_somebody_rolls_it_back(
    store: RolloutStore, events: tuple[Event, ...], is_finished: bool
) -> None:
    begin(store, "one", *events)

    assert store.rollouts()[0].finished is is_finished


def test_a_rollout_whose_first_record_was_cut_off_has_not_begun(folder: FolderStore) -> None:
    path = write(folder, "one", started())
    path.write_bytes(path.read_bytes()[:-1])

    assert folder.rollouts() == ()


def test_a_torn_end_does_not_hide_a_rollout(folder: FolderStore) -> None:
    path = write(folder, "one", started(), intended())
    path.write_bytes(path.read_bytes() + b'{"half')

    assert folder.find("one").outcome is None


def test_an_id_or_its_unique_beginning_finds_it(store: RolloutStore) -> None:
    begin(store, "orders-1", started())
    begin(store, "orders-11", started())
    begin(store, "billing-2", started(), finished())

    assert store.find("orders-1").rollout == "orders-1"
    assert store.find("bil").rollout == "billing-2"
    with pytest.raises(RolloutNotFound, match=r'2 rollouts in .* begin with "orders"'):
        store.find("orders")
    with pytest.raises(RolloutNotFound, match='No rollout "x"'):
        store.find("x")


def test_unfinished_rollouts_of_several_targets_ask_which(store: RolloutStore) -> None:
    begin(store, "a-1", started(), target="a")
    begin(store, "b-1", started(), target="b")

    with pytest.raises(RolloutNotFound) as caught:
        store.find(None)

    assert caught.value.hint == "say which with --target: a, b"
    assert store.find(None, "a").rollout == "a-1"


@pytest.mark.parametrize("target", ["../..", "..", ".", "a/b", "ü b", "orders-prod"])
def test_no_target_name_leads_out_of_the_state_folder(folder: FolderStore, target: str) -> None:
    path = write(folder, "one", started(), target=target)

    assert path.parent.parent.resolve() == folder.state.resolve()
    assert folder.people(target, "one").folder.parent == path.parent


@pytest.mark.parametrize("target", ["../..", "..", ".", "a/b", "ü b", "a%2Fb", "orders-prod"])
def test_a_target_is_found_again_whatever_its_name(store: RolloutStore, target: str) -> None:
    begin(store, "one.people", started(), target=target)
    begin(store, "two", started(), target=target)

    assert store.targets() == (target,)
    assert store.ids(target) == {"one.people", "two"}
    assert [entry.target for entry in store.rollouts(target)] == [target, target]
    assert store.ids("other") == set()


def test_an_id_says_plan_and_time() -> None:
    now = datetime(2026, 4, 28, 10, 15, 30, tzinfo=UTC)

    assert new_rollout_id("orders", now, b"\x3f\x9c\x00") == "orders-20260428T101530Z-3f9c"


def test_what_a_driver_keeps_beside_the_journals_is_no_target(folder: FolderStore) -> None:
    write(folder, "orders-1", started("orders-1"))
    (folder.state / "pulumi" / "acme%2Fprod").mkdir(parents=True)
    (folder.state / "pulumi" / "acme%2Fprod" / "open.jsonl").touch()
    assert folder.targets() == ("orders",)
