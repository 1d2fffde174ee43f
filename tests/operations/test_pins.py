"""Which pins are served, and what nobody serves."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.model.execution_plan import ServedPin
from rollout_kit.model.observation import Absent
from rollout_kit.operations.api import Seen
from rollout_kit.operations.pins import (
    PinRules,
    coverage,
    serves,
    unmeasured_markers,
    unserved,
    unserved_markers,
)
from rollout_kit.operations.queues import read_markers, read_queue, read_runs
from rollout_kit.operations.reading import merged
from rollout_kit.operations.starts import new_starts, successors, why_no_successor
from rollout_kit.ports.errors import Unavailable
from tests.operations.worker_fleet import (
    MAIL,
    NEW,
    OLD,
    ORDERS,
    STALE_S,
    WorkerFleet,
    at,
    readers,
    scope_of,
)


def seen_by(fleet: WorkerFleet) -> Seen:
    reading = readers(fleet)
    looks = [read_queue(queue, reading, fleet.now_s) for queue in (ORDERS, MAIL)]
    looks += [read_runs("orders", reading, fleet.now_s), read_markers(reading, fleet.now_s)]
    return merged(looks, fleet.now_s)


def labels(fleet: WorkerFleet) -> list[str]:
    seen = seen_by(fleet)
    return [pin.label for pin in unserved(seen.observation, seen.situation, scope_of(fleet))]


def test_a_build_serves_itself_and_what_it_declares() -> None:
    rules = PinRules(serves=(ServedPin(cohort=NEW, serves=("old",)),))
    assert serves(rules, NEW, "new")
    assert serves(rules, NEW, "old")
    assert not serves(rules, OLD, "new")
    assert not serves(rules, at("new", MAIL), "old"), "a declaration is of one cohort"


def test_a_star_serves_every_pin_and_unpinned_runs_too() -> None:
    rules = PinRules(serves=(ServedPin(cohort=NEW, serves=("*",)),))
    assert serves(rules, NEW, "anything")
    assert serves(rules, NEW, None)


def test_open_runs_of_a_build_that_nobody_runs_are_unserved() -> None:
    fleet = WorkerFleet().deploy(OLD).run_open("a", "old").run_open("b", "gone")
    assert labels(fleet) == ["orders/critical@gone"]


def test_a_dead_cohort_serves_nothing() -> None:
    fleet = WorkerFleet().deploy(OLD).run_open("a", "old")
    fleet.kill(OLD)
    fleet.pass_time(STALE_S + 1)
    assert labels(fleet) == ["orders/critical@old"]


def test_a_drained_cohort_is_refused_its_polls_where_drain_is_a_gate() -> None:
    assert labels(WorkerFleet().deploy(OLD).drained(OLD).run_open("a", "old")) == [
        "orders/critical@old"
    ]
    label = WorkerFleet(selector=False, beats=True).deploy(OLD).drained(OLD)
    assert labels(label.run_open("a", "old")) == []


def test_unpinned_runs_go_to_anybody_under_a_selector_and_to_unversioned_workers_under_markers() -> (
    None
):
    assert labels(WorkerFleet().deploy(OLD).run_open("a", None)) == []
    by_marker = WorkerFleet(selector=False).deploy(OLD).run_open("a", None)
    assert labels(by_marker) == ["orders/critical@(unversioned)"]


def test_what_could_not_be_read_is_not_measured_and_not_unserved() -> None:
    fleet = WorkerFleet(undescribed=True).deploy(OLD).run_open("b", "gone")
    seen = seen_by(fleet)
    found = coverage(seen.observation, seen.situation, scope_of(fleet))
    assert labels(fleet) == []
    assert (found.described, found.listed, found.complete) == (0, 1, False)
    assert found.text == "0 of 1 open runs read"


def test_a_queue_that_was_not_read_leaves_its_pins_unmeasured() -> None:
    fleet = WorkerFleet().deploy(OLD).run_open("b", "gone")
    runs = read_runs("orders", readers(fleet), 0.0)
    fleet.fails = Unavailable("reset")
    seen = merged((runs, read_queue(ORDERS, readers(fleet), 0.0)), 0.0)
    assert unserved(seen.observation, seen.situation, scope_of(fleet)) == ()
    gaps = coverage(seen.observation, seen.situation, scope_of(fleet)).unmeasured
    assert gaps == ("orders/critical: whether gone is served",)


def test_ready_tasks_where_no_pin_in_use_is_served_count_as_unserved() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(at("other", MAIL)).run_open("a", "old")
    fleet.ready_tasks = 4
    seen = seen_by(fleet)
    (found,) = unserved(seen.observation, seen.situation, scope_of(fleet))
    assert (found.label, found.count) == ("orders/mail@old", 4)


def test_a_marker_that_no_started_cohort_serves_is_named_with_its_holder() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old", "b": "new"}, scheduler_marker="lost")
    fleet.deploy(OLD)
    seen = seen_by(fleet)
    found = unserved_markers(seen.observation, seen.situation, scope_of(fleet))
    assert [(item.holder, item.marker) for item in found] == [
        ("node b", "new"),
        ("scheduler", "lost"),
    ]


def test_a_selected_build_without_workers_is_unserved() -> None:
    fleet = WorkerFleet().deploy(OLD).select(OLD)
    fleet.kill(OLD)
    fleet.pass_time(STALE_S + 1)
    seen = seen_by(fleet)
    (found,) = unserved_markers(seen.observation, seen.situation, scope_of(fleet))
    assert (found.holder, found.marker) == ("selection of critical", "old")


def test_a_marker_whose_servers_cannot_be_counted_is_not_called_unserved() -> None:
    fleet = WorkerFleet(selector=False, beats=False, markers={"a": "old"}, can=frozenset())
    fleet.deploy(OLD)
    fleet.pass_time(STALE_S + 1)
    seen = seen_by(fleet)
    observation = seen.observation.with_facts({"node/a/marker": "old"})
    assert unserved_markers(observation, seen.situation, scope_of(fleet)) == ()
    (unknown,) = unmeasured_markers(observation, seen.situation, scope_of(fleet))
    assert unknown.marker == "old"


def test_new_starts_follow_the_selection() -> None:
    seen = seen_by(WorkerFleet().deploy(OLD).deploy(NEW).select(NEW))
    assert new_starts(seen.observation, ORDERS).pins == ("new",)
    assert successors(seen.observation, PinRules(), OLD) == (NEW,)
    assert successors(seen.observation, PinRules(), NEW) == ()
    assert "itself is selected" in why_no_successor(seen.observation, PinRules(), NEW)


def test_new_starts_follow_every_marker_on_the_way() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old", "b": "new"}).deploy(OLD).deploy(NEW)
    fleet.scheduler_marker = "old"
    observation = seen_by(fleet).observation
    assert new_starts(observation, ORDERS).pins == ("old", "new")
    assert successors(observation, PinRules(), OLD) == ()
    reason = why_no_successor(observation, PinRules(), OLD)
    assert "pinned to old (marker of node a, scheduler)" in reason


def test_a_cohort_that_serves_the_old_marker_succeeds_it() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old"}).deploy(OLD).deploy(NEW)
    rules = PinRules(serves=(ServedPin(cohort=NEW, serves=("old",)),))
    assert successors(seen_by(fleet).observation, rules, OLD) == (NEW,)


def test_a_cohort_that_is_meant_to_run_at_zero_succeeds_nobody() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).select(NEW)
    fleet.specs[NEW] = replace(fleet.specs[NEW], replicas=0)
    assert successors(seen_by(fleet).observation, PinRules(), OLD) == ()


def test_a_marker_that_was_not_read_names_no_successor() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "new"}).deploy(OLD).deploy(NEW)
    observation = seen_by(fleet).observation.with_facts({"node/a/marker": Absent.NO_ANSWER})
    assert successors(observation, PinRules(), OLD) == ()
    assert why_no_successor(observation, PinRules(), OLD) == "the marker of node a was not read"
