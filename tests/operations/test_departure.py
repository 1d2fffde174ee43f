"""When a cohort may go, and when it has gone. Each safety rule is broken on purpose once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.execution_plan import ServedPin
from rollout_kit.operations.api import Seen
from rollout_kit.operations.departure import (
    leases_held,
    markers_lost,
    needing,
    not_the_last,
    quiesced,
    retired,
)
from rollout_kit.operations.liveness import Proof
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.queues import read_leaving
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import Answers
from tests.operations.worker_fleet import (
    MAIL,
    NEW,
    OLD,
    POLL_S,
    STALE_S,
    WorkerFleet,
    at,
    readers,
)

RULES = PinRules()
NEW_SERVES_OLD = (ServedPin(cohort=NEW, serves=("old",)),)


def two_builds() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).deploy(NEW).select(NEW)


def by_marker() -> WorkerFleet:
    fleet = WorkerFleet(selector=False, markers={"a": "new", "b": "new"}, scheduler_marker="new")
    return fleet.deploy(OLD).deploy(NEW)


def seen_by(fleet: WorkerFleet) -> Seen:
    return read_leaving(OLD, readers(fleet), fleet.now_s)


def watched(fleet: WorkerFleet, *pauses_s: float) -> list[Seen]:
    looks = [seen_by(fleet)]
    for pause_s in pauses_s:
        fleet.pass_time(pause_s)
        looks.append(seen_by(fleet))
    return looks


# --- quiesced


def test_one_listing_proves_nothing() -> None:
    found = quiesced(watched(two_builds()), RULES, OLD)
    assert not found.holds
    assert "a second look 2s after the first" in found.reason


def test_two_complete_listings_one_poll_timeout_apart_prove_it() -> None:
    assert not quiesced(watched(two_builds(), POLL_S - 0.1), RULES, OLD).holds
    assert quiesced(watched(two_builds(), POLL_S), RULES, OLD).holds


def test_a_run_in_between_starts_the_proof_anew() -> None:
    fleet = two_builds()
    first = watched(fleet)
    fleet.run_open("w", "old")
    between = watched(fleet)
    fleet.close("w")
    fleet.pass_time(POLL_S)
    history = [*first, *between, *watched(fleet)]
    assert not quiesced(history, RULES, OLD).holds
    fleet.pass_time(POLL_S)
    assert quiesced([*history, *watched(fleet)], RULES, OLD).holds


def test_an_open_run_that_is_pinned_to_it_is_named() -> None:
    found = quiesced(watched(two_builds().run_open("invoice-7", "old"), POLL_S), RULES, OLD)
    assert not found.holds
    assert "1 open run (invoice-7) pinned to critical@old" in found.reason


def test_an_incomplete_listing_cannot_prove_it() -> None:
    fleet = two_builds().run_open("w", "old")
    fleet.undescribed = True
    found = quiesced(watched(fleet, POLL_S), RULES, OLD)
    assert not found.holds
    assert found.reason == "cannot be proved yet: 0 of 1 open runs read in orders"


def test_a_namespace_that_cannot_be_listed_cannot_prove_it() -> None:
    fleet = two_builds()
    looks = watched(fleet)
    fleet.fails = Unavailable("reset")
    fleet.pass_time(POLL_S)
    assert not quiesced([*looks, *watched(fleet)], RULES, OLD).holds


def test_runs_on_other_queues_count_for_their_activities_come_here() -> None:
    fleet = two_builds().deploy(at("old", MAIL)).run_open("w", "old", MAIL)
    assert needing(watched(fleet), RULES, OLD).workflow_ids == ("w",)


def test_the_same_build_on_another_queue_is_no_other_cohort() -> None:
    fleet = two_builds().deploy(at("old", MAIL)).run_open("w", "old", MAIL)
    found = needing(watched(fleet), RULES, OLD)
    assert found.workflow_ids == ("w",), "critical@old still gets the activities of mail's run"


def test_an_independent_queue_stands_alone() -> None:
    fleet = two_builds().deploy(at("old", MAIL)).run_open("w", "old", MAIL)
    rules = PinRules(independent_queues=(MAIL,))
    assert needing(watched(fleet), rules, OLD).workflow_ids == ()
    own = needing(watched(fleet), rules, at("old", MAIL))
    assert own.workflow_ids == ("w",)


def test_runs_that_a_proved_cohort_serves_do_not_need_it() -> None:
    fleet = two_builds().run_open("w", "old")
    assert needing(watched(fleet), PinRules(serves=NEW_SERVES_OLD), OLD).runs == ()


def test_a_cohort_that_only_runs_serves_nobody_until_it_is_proved() -> None:
    fleet = WorkerFleet(selector=False, beats=False, markers={"a": "new"}).deploy(OLD).deploy(NEW)
    fleet.run_open("w", "old").pass_time(STALE_S + 1)
    fleet.ready_tasks = 1
    rules = PinRules(serves=NEW_SERVES_OLD)
    assert needing(watched(fleet), rules, OLD).workflow_ids == ("w",)
    undoing = Proof(undoing=True)
    assert needing(watched(fleet), rules, OLD, undoing).runs == (), "an undo asks for started"
    assert needing(watched(fleet.lease(NEW)), rules, OLD).workflow_ids == ()


def test_under_marker_routing_runs_of_any_namespace_count() -> None:
    fleet = by_marker()
    fleet.other_namespaces = ("billing",)
    fleet.run_open("w", "old", type(OLD.queue)(namespace="billing", task_queue="pay"))
    assert needing(watched(fleet), RULES, OLD).workflow_ids == ("w",)


def test_a_workflow_that_continues_as_new_for_ever_is_named() -> None:
    fleet = two_builds().run_open("poller", "old", run_id="1")
    looks = watched(fleet)
    del fleet.runs["1"]
    fleet.run_open("poller", "old", run_id="2").pass_time(POLL_S)
    found = quiesced([*looks, *watched(fleet)], RULES, OLD)
    assert "poller continues as new, will not quiesce" in found.reason


# --- leases


def test_leases_that_were_not_read_are_not_none() -> None:
    """Rule 14: nobody has counted them, so nobody is stopped for want of them."""
    seen = seen_by(two_builds())
    numbers = replace(seen.situation.cohort(OLD), leases=None)
    cohorts = {**seen.situation.cohorts, OLD.path: numbers}
    unread = replace(seen, situation=replace(seen.situation, cohorts=cohorts))
    assert leases_held(unread, RULES, OLD) == "the leases of critical@old could not be read"


def test_a_held_lease_is_counted_and_an_empty_list_is_none() -> None:
    fleet = two_builds()
    assert leases_held(seen_by(fleet), RULES, OLD) == ""
    assert leases_held(seen_by(fleet.lease(OLD, 2)), RULES, OLD) == "critical@old holds 2 leases"


def test_a_list_that_was_cut_off_proves_nothing_by_itself() -> None:
    fleet = two_builds().lease(NEW, 60).run_open("w", "old")
    assert "was cut off" in leases_held(seen_by(fleet), RULES, OLD)


def test_free_slots_prove_what_a_cut_off_list_cannot() -> None:
    fleet = two_builds().lease(NEW, 60).run_open("w", "old")
    fleet.slots_shown = True
    assert leases_held(seen_by(fleet), RULES, OLD) == ""


def test_no_run_that_it_could_work_on_proves_it_too() -> None:
    fleet = two_builds().lease(NEW, 60).run_open("w", "new")
    assert leases_held(seen_by(fleet), RULES, OLD) == ""
    fleet.run_open("u", None)
    assert "was cut off" in leases_held(seen_by(fleet), RULES, OLD), "an unpinned run may be its"


# --- retired (rule 8)


def gone() -> WorkerFleet:
    fleet = two_builds().drained(OLD)
    fleet.specs[OLD] = type(fleet.specs[OLD])(image="app:old", replicas=0)
    fleet.kill(OLD)
    return fleet


def test_counts_have_to_stay_zero_for_a_stale_limit_and_a_poll() -> None:
    fleet = gone()
    fleet.pass_time(STALE_S + 1)
    window_s = STALE_S + POLL_S
    assert "proved after 6s" in retired(watched(fleet, window_s - 0.5), OLD)
    assert retired(watched(fleet, window_s), OLD) == ""


def test_stale_is_not_dead_while_a_process_lives() -> None:
    fleet = WorkerFleet(beats=False).deploy(OLD, 1).deploy(NEW).select(NEW).drained(OLD)
    fleet.pass_time(STALE_S + 1)
    assert "1 processes of critical@old still run" in retired(watched(fleet, 99.0), OLD)


def test_a_row_that_came_back_in_between_starts_the_window_anew() -> None:
    fleet = gone()
    fleet.pass_time(STALE_S + 1)
    looks = watched(fleet, 3.0)
    fleet.registrations[0].beat_s = fleet.now_s
    looks += watched(fleet)
    fleet.pass_time(STALE_S + 0.5)
    assert retired([*looks, *watched(fleet)], OLD) != ""


def test_what_nobody_counted_is_not_gone() -> None:
    fleet = gone()
    fleet.pass_time(STALE_S + 1)
    looks = watched(fleet, 6.0)
    fleet.fails = Unavailable("reset")
    assert "no intent" in retired([*looks, *watched(fleet)], OLD)
    fleet.fails, fleet.can = None, frozenset({Answers.SPEC})
    assert "nothing can count the processes" in retired(watched(fleet), OLD)


def test_without_a_recorded_intent_nothing_is_retired() -> None:
    fleet = gone()
    fleet.records[OLD].intent = "active"
    fleet.pass_time(STALE_S + 1)
    assert "no intent to drain" in retired(watched(fleet, 10.0), OLD)


# --- the last one alive (rule 7), and lost markers (rule 19)


def test_the_only_cohort_alive_is_never_taken_away() -> None:
    fleet = two_builds()
    fleet.kill(NEW)
    fleet.pass_time(STALE_S + 1)
    reason = not_the_last(watched(fleet), RULES, OLD)
    assert "not proved to work: critical@new" in reason
    assert not_the_last(watched(two_builds()), RULES, OLD) == ""


def test_forward_it_takes_proof_and_in_an_undo_a_start() -> None:
    fleet = WorkerFleet(selector=False, beats=False, markers={"a": "new"}).deploy(OLD).deploy(NEW)
    fleet.pass_time(STALE_S + 1)
    looks = watched(fleet)
    assert "not proved" in not_the_last(looks, RULES, OLD)
    assert not_the_last(looks, RULES, OLD, Proof(undoing=True)) == ""
    assert not_the_last(looks, RULES, OLD, Proof(answered=True)) == ""


@pytest.mark.parametrize("holder", ["a", "scheduler"])
def test_a_marker_that_would_be_left_alone_is_named(holder: str) -> None:
    fleet = by_marker()
    if holder == "scheduler":
        fleet.scheduler_marker = "old"
    else:
        fleet.markers["a"] = "old"
    (lost,) = markers_lost(seen_by(fleet), RULES, OLD)
    assert (lost.holder, lost.marker) == ("node a" if holder == "a" else "scheduler", "old")
    assert markers_lost(seen_by(by_marker()), RULES, OLD) == ()
    assert markers_lost(seen_by(fleet), PinRules(serves=NEW_SERVES_OLD), OLD) == ()
