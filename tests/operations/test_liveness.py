"""Started and proved: what counts as alive, and what is merely not measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.operations.api import Seen
from rollout_kit.operations.liveness import conflicting, proved, started, worked
from rollout_kit.operations.queues import read_queue, read_runs
from rollout_kit.operations.reading import merged
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import Answers
from tests.operations.worker_fleet import NEW, OLD, ORDERS, STALE_S, WorkerFleet, readers


def seen_by(fleet: WorkerFleet) -> Seen:
    looks = (
        read_queue(ORDERS, readers(fleet), fleet.now_s),
        read_runs("orders", readers(fleet), fleet.now_s),
    )
    return merged(looks, fleet.now_s)


def heartbeating() -> WorkerFleet:
    return WorkerFleet().deploy(OLD, 2)


def silent() -> WorkerFleet:
    """Official workers of the older generation: alive, polling, and stale for ever."""
    fleet = WorkerFleet(selector=False, beats=False).deploy(OLD, 2)
    fleet.pass_time(STALE_S + 1)
    return fleet


def killed() -> WorkerFleet:
    fleet = heartbeating()
    fleet.kill(OLD)
    fleet.pass_time(STALE_S + 1)
    return fleet


def uncounted() -> WorkerFleet:
    fleet = silent()
    fleet.can = frozenset({Answers.SPEC})
    return fleet


def unread() -> WorkerFleet:
    fleet = heartbeating()
    fleet.fails = Unavailable("reset")
    return fleet


@pytest.mark.parametrize(
    ("world", "n", "expected"),
    [
        (heartbeating, 1, True),
        (heartbeating, 2, True),
        (heartbeating, 3, False),
        (silent, 2, True),
        (silent, 3, False),
        (killed, 1, False),
        (uncounted, 1, None),
        (unread, 1, None),
    ],
)
def test_started_counts_active_rows_or_registered_processes(
    world: object, n: int, expected: bool | None
) -> None:
    assert callable(world)
    assert started((seen_by(world()),), OLD, n) is expected


def test_rows_that_drain_by_the_cohorts_own_intent_are_there_all_the_same() -> None:
    fleet = heartbeating().drained(OLD)
    fleet.can = frozenset()
    assert started((seen_by(fleet),), OLD, 2) is True


def test_a_lease_within_the_stale_limit_starts_one_worker_that_nothing_else_shows() -> None:
    fleet = uncounted()
    before = seen_by(fleet.lease(OLD))
    fleet.leases.clear()
    fleet.pass_time(STALE_S - 1)
    assert started((before, seen_by(fleet)), OLD) is True
    fleet.pass_time(2)
    assert started((before, seen_by(fleet)), OLD) is None


def test_what_it_did_before_the_stale_limit_starts_nobody() -> None:
    """Seen in one look: the server says how long ago, in seconds."""
    fleet = uncounted()
    seen = seen_by(fleet)

    def ago(seconds: float) -> Seen:
        numbers = replace(
            seen.situation.cohort(OLD), worked_ago_s=seconds, worked_since_start=False
        )
        cohorts = {**seen.situation.cohorts, OLD.path: numbers}
        return replace(seen, situation=replace(seen.situation, cohorts=cohorts))

    assert worked((ago(STALE_S - 1),), OLD) is True
    assert worked((ago(STALE_S + 1),), OLD) is False


def test_processes_without_a_registration_are_not_started() -> None:
    fleet = heartbeating()
    fleet.pass_time(STALE_S + 1)
    for worker in fleet.registrations:
        worker.alive = False
    fleet.pass_time(STALE_S + 1)
    fleet.registrations.append(type(worker)(worker_id="x", cohort=NEW, beat_s=fleet.now_s))
    assert started((seen_by(fleet),), OLD) is False


def test_a_heartbeating_cohort_is_proved_by_its_rows() -> None:
    assert proved((seen_by(heartbeating()),), OLD, 2) is True


def test_a_silent_cohort_is_proved_by_work_and_by_nothing_less() -> None:
    fleet = silent().run_open("w", "old")
    fleet.ready_tasks = 1
    assert proved((seen_by(fleet),), OLD, 2) is False
    assert proved((seen_by(fleet.lease(OLD)),), OLD, 2) is True


def test_a_silent_idle_cohort_is_proved_by_an_answered_smoke_run() -> None:
    fleet = silent()
    assert proved((seen_by(fleet),), OLD, 2) is False
    assert proved((seen_by(fleet),), OLD, 2, answered=True) is True


def test_an_old_answer_does_not_vouch_for_a_cohort_that_leaves_its_work_lying() -> None:
    fleet = silent().run_open("w", "old")
    fleet.ready_tasks = 3
    assert proved((seen_by(fleet),), OLD, 2, answered=True) is False


def test_what_could_not_be_measured_is_neither_proved_nor_refuted() -> None:
    assert proved((seen_by(unread()),), OLD) is None


def test_conflicting_fingerprints_stop_the_rollout_and_name_the_types() -> None:
    fleet = WorkerFleet(conflicts=("pay",)).deploy(NEW)
    found = conflicting(seen_by(fleet).situation, NEW)
    assert found is not None
    assert "different code for pay" in found.reason
    assert conflicting(seen_by(heartbeating()).situation, OLD) is None
