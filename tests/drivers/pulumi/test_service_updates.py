"""Whose the update is that a service has under way: going by the name that it was sent with alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import locks, service_updates
from rollout_kit.drivers.pulumi.locks import Claim, Standing
from rollout_kit.drivers.pulumi.marks import Machine, Mark, Marks
from rollout_kit.drivers.pulumi.service_updates import UnderWay, judge, under_way

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HERE = Machine(host="ci-1", boot_id="boot", pid_namespace="pid:1")
MARK = Mark(
    operation="r/op/1",
    machine=HERE,
    at=NOW,
    pids=((70, "s70"),),
    sent={"rollout-kit/a": (70, "s70")},
)
OURS = UnderWay(kind="update", message="r/op/1", name="rollout-kit/a", since=NOW)
ELSEWHERE = replace(MARK, machine=replace(HERE, host="ci-2"))
UNTOLD = Machine(host="ci-1")


@pytest.mark.parametrize(
    ("found", "claim", "here", "alive", "standing"),
    [
        (OURS, Claim(mark=MARK), HERE, False, Standing.OURS_AND_DEAD),
        (OURS, Claim(mark=MARK), HERE, True, Standing.OURS_AND_ALIVE),
        (
            replace(OURS, name="rollout-kit/b"),
            Claim(mark=MARK),
            HERE,
            False,
            Standing.OURS_ELSEWHERE,
        ),
        (replace(OURS, name=""), Claim(mark=MARK), HERE, False, Standing.OURS_ELSEWHERE),
        (OURS, Claim(operation="r/op/1"), HERE, False, Standing.OURS_ELSEWHERE),
        (OURS, Claim(operation="r/op/2"), HERE, False, Standing.FOREIGN),
        (OURS, Claim(), HERE, False, Standing.FOREIGN),
        (
            replace(OURS, name="", message="by hand"),
            Claim(mark=MARK),
            HERE,
            False,
            Standing.FOREIGN,
        ),
        (OURS, Claim(mark=ELSEWHERE), HERE, False, Standing.OURS_ELSEWHERE),
        (OURS, Claim(mark=replace(MARK, machine=UNTOLD)), UNTOLD, False, Standing.OURS_ELSEWHERE),
    ],
)
def test_an_update_is_dead_only_where_its_own_sender_was_here_and_is_gone(
    found: UnderWay, claim: Claim, here: Machine, alive: bool, standing: Standing
) -> None:
    assert judge(found, claim, here, lambda pid, start: alive) is standing


def test_a_sender_that_was_not_seen_to_run_proves_nothing(tmp_path: Path) -> None:
    """Killed between sending and our record of who sent: that process may live."""
    marks = Marks(tmp_path)
    marks.begin("r/op/1")
    first = marks.sending()
    marks.started(70, "s70")
    second = marks.sending()
    assert first != second
    found = marks.found()
    assert found is not None
    assert found.sent == {first: (70, "s70")}
    update = replace(OURS, name=second)
    standing = judge(update, Claim(mark=found), found.machine, lambda pid, start: False)
    assert standing is Standing.OURS_ELSEWHERE


def test_who_sent_it_stays_on_record_while_it_is_mended(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.begin("r/op/1")
    name = marks.sending()
    marks.started(70, "s70")
    found = marks.found()
    assert found is not None
    marks.carry_over(found, ())
    again = marks.found()
    assert again is not None
    assert (again.sent, again.pids) == ({name: (70, "s70")}, ((70, "s70"),))


def test_the_newest_of_a_history_is_under_way_until_it_has_ended() -> None:
    newest = {
        "kind": "update",
        "message": "r/op/1",
        "agent": "rollout-kit/a",
        "startTime": "2026-11-22T12:00:00.000Z",
        "result": "in-progress",
    }
    assert under_way(newest) == OURS
    assert under_way({**newest, "result": "succeeded"}) is None
    assert under_way(None) is None
    assert OURS.lock.owner == 'an update "r/op/1" (since 2026-11-22 12:00:00Z)'


@pytest.mark.parametrize(
    ("backend", "is_one"),
    [
        ("https://api.pulumi.com", True),
        ("http://pulumi.internal:8080", True),
        ("s3://state", False),
        ("file:///state", False),
        ("", False),
    ],
)
def test_a_service_is_told_from_its_address(backend: str, is_one: bool) -> None:
    assert service_updates.in_service(backend) is is_one
    assert locks.in_bucket(backend) is backend.startswith("s3")
