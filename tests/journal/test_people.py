"""What people say is said once, and bound to what they saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout_kit.journal.people import People, PeopleFolder
from rollout_kit.journal.store import RolloutStore
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from rollout_kit.ports.journal import JournalLost

APPROVAL = PersonRecord(
    said=PersonSaid.APPROVE,
    operation="approve/../../etc",
    attempt=1,
    digest="d",
    fingerprint="f",
    actor="ada",
    because="canary is clean",
    at=datetime(2026, 4, 28, tzinfo=UTC),
)


@pytest.fixture
def people(store: RolloutStore) -> People:
    return store.people("orders", "r-1")


def test_nobody_has_said_anything_where_there_is_nothing(people: People) -> None:
    assert people.read() == ()


def test_what_was_left_is_read(people: People, store: RolloutStore) -> None:
    assert people.leave(APPROVAL)

    assert store.people("orders", "r-1").read() == (APPROVAL,)
    assert store.people("orders", "r-2").read() == ()


def test_the_first_word_stands(people: People) -> None:
    people.leave(APPROVAL)

    assert not people.leave(replace(APPROVAL, actor="bob"))
    assert people.read() == (APPROVAL,)


@pytest.mark.parametrize(
    "other",
    [
        replace(APPROVAL, fingerprint="g"),
        replace(APPROVAL, attempt=2),
        replace(APPROVAL, operation="other"),
        replace(APPROVAL, digest="e"),
        replace(APPROVAL, said=PersonSaid.PROVE),
    ],
)
def test_the_same_word_on_something_else_is_another(people: People, other: PersonRecord) -> None:
    later = replace(other, at=APPROVAL.at + timedelta(hours=1))
    assert people.leave(later)
    assert people.leave(APPROVAL)

    assert people.read() == (APPROVAL, later)


@pytest.fixture
def folder(tmp_path: Path) -> PeopleFolder:
    return PeopleFolder(tmp_path / "orders" / "r-1.people")


def test_a_half_written_record_is_never_seen(folder: PeopleFolder) -> None:
    folder.leave(APPROVAL)
    (folder.folder / ".approve-0.json.17").write_text('{"is":')

    assert folder.read() == (APPROVAL,)


def test_a_record_that_cannot_be_read_stops_with_a_sentence(folder: PeopleFolder) -> None:
    folder.leave(APPROVAL)
    (folder.folder / "abort-1.json").write_text("{}")

    with pytest.raises(JournalLost, match=r"abort-1\.json is no record"):
        folder.read()
