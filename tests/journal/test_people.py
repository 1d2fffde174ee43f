"""What people say is said once, and bound to what they saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout_kit.journal.people import PeopleFolder
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
def folder(tmp_path: Path) -> PeopleFolder:
    return PeopleFolder(tmp_path / "orders" / "r-1.people")


def test_nobody_has_said_anything_where_there_is_no_folder(folder: PeopleFolder) -> None:
    assert folder.read() == ()


def test_what_was_left_is_read(folder: PeopleFolder) -> None:
    assert folder.leave(APPROVAL)

    assert PeopleFolder(folder.folder).read() == (APPROVAL,)


def test_the_first_word_stands(folder: PeopleFolder) -> None:
    folder.leave(APPROVAL)

    assert not folder.leave(replace(APPROVAL, actor="bob"))
    assert folder.read() == (APPROVAL,)


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
def test_the_same_word_on_something_else_is_another(
    folder: PeopleFolder, other: PersonRecord
) -> None:
    later = replace(other, at=APPROVAL.at + timedelta(hours=1))
    assert folder.leave(later)
    assert folder.leave(APPROVAL)

    assert folder.read() == (APPROVAL, later)


def test_a_half_written_record_is_never_seen(folder: PeopleFolder) -> None:
    folder.leave(APPROVAL)
    (folder.folder / ".approve-0.json.17").write_text('{"is":')

    assert folder.read() == (APPROVAL,)


def test_a_record_that_cannot_be_read_stops_with_a_sentence(folder: PeopleFolder) -> None:
    folder.leave(APPROVAL)
    (folder.folder / "abort-1.json").write_text("{}")

    with pytest.raises(JournalLost, match=r"abort-1\.json is no record"):
        folder.read()
