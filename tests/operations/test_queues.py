"""Looking at a queue: facts that are known, facts that are not, numbers joined from both sides."""

from __future__ import annotations

from rollout_kit.model.observation import Absent
from rollout_kit.model.situation import Count
from rollout_kit.operations.queues import queue_fact, read_leaving, read_queue
from rollout_kit.operations.starts import known
from rollout_kit.ports.errors import InFlight, Refused, Trouble, Unavailable
from rollout_kit.ports.infra import Answers, CohortSpec
from tests.operations.worker_fleet import MAIL, NEW, OLD, ORDERS, WorkerFleet, at, readers


def test_a_cohort_shows_what_server_and_driver_say_of_it() -> None:
    fleet = WorkerFleet().deploy(OLD, 3).select(OLD)
    seen = read_queue(ORDERS, readers(fleet), fleet.now_s)
    facts = {name: seen.observation.cohort(OLD, name) for name in ("drain_intent", "selected")}
    assert facts == {"drain_intent": "active", "selected": True}
    assert seen.observation.cohort(OLD, "image") == "app:old"
    assert seen.observation.cohort(OLD, "replicas") == 3
    numbers = seen.situation.cohort(OLD)
    assert (numbers.active, numbers.processes, numbers.registered) == (3, 3, 3)
    assert seen.observation.can("promote")


def test_where_rows_show_no_selection_it_is_none_and_markers_route() -> None:
    seen = read_queue(ORDERS, readers(WorkerFleet(selector=False).deploy(OLD)), 0.0)
    assert seen.observation.cohort(OLD, "selected") is None
    assert seen.observation.can("marker-routing")
    assert not seen.observation.can("drain-refuses-polls")


def test_a_cohort_that_only_the_driver_knows_appears_without_an_intent() -> None:
    fleet = WorkerFleet().deploy(OLD)
    fleet.specs[NEW] = CohortSpec(image="app:new", replicas=0)
    seen = read_queue(ORDERS, readers(fleet), 0.0)
    assert NEW in seen.observation.cohorts()
    assert "cohort/orders/critical/new/drain_intent" not in seen.facts
    assert known(seen.observation, NEW) is False
    assert seen.observation.cohort(NEW, "image") is None, "a stopped cohort runs no image"
    assert seen.situation.cohort(NEW).active == 0, "a table that was read and has no row says zero"


def test_a_server_that_gives_no_answer_leaves_no_number_and_no_verdict() -> None:
    fleet = WorkerFleet().deploy(OLD)
    fleet.fails = Unavailable("connection reset")
    seen = read_queue(ORDERS, readers(fleet), 0.0, (OLD,))
    assert seen.observation.cohort(OLD, "drain_intent") is Absent.NO_ANSWER
    assert seen.observation.get(queue_fact(ORDERS)) is Absent.NO_ANSWER
    assert known(seen.observation, OLD) is None
    assert seen.situation.cohort(OLD).active is None, "a missing count is never zero"
    assert seen.situation.cohort(OLD).leases is None
    assert "connection reset" in " ".join(seen.situation.unread.values())


def test_a_slow_or_refused_read_says_which_of_the_two_it_was() -> None:
    fleet = WorkerFleet().deploy(OLD)
    fleet.fails = InFlight("3 of 9")
    pending = read_queue(ORDERS, readers(fleet), 0.0, (OLD,))
    assert pending.observation.cohort(OLD, "drain_intent") is Absent.PENDING
    fleet.fails = Refused("403", trouble=Trouble.AUTH)
    refused = read_queue(ORDERS, readers(fleet), 0.0, (OLD,))
    assert refused.observation.cohort(OLD, "drain_intent") is Absent.NOT_READ


def test_a_driver_that_cannot_count_leaves_processes_unmeasured() -> None:
    fleet = WorkerFleet(can=frozenset({Answers.SPEC})).deploy(OLD)
    numbers = read_queue(ORDERS, readers(fleet), 0.0).situation.cohort(OLD)
    assert numbers.processes is None
    assert numbers.registered is None


def test_leases_are_joined_to_cohorts_by_worker_id() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).lease(OLD, 3)
    seen = read_queue(ORDERS, readers(fleet), 0.0)
    assert seen.situation.cohort(OLD).leases == Count(at_least=3)
    assert seen.situation.cohort(OLD).worked_ago_s == 0.0
    assert seen.situation.cohort(NEW).leases == Count(at_least=0)
    assert seen.situation.cohort(NEW).worked_ago_s is None


def test_more_than_fifty_leases_are_at_least_so_many() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).lease(OLD, 60)
    seen = read_queue(ORDERS, readers(fleet), 0.0)
    assert seen.situation.cohort(OLD).leases == Count(at_least=50, complete=False)
    assert seen.situation.cohort(NEW).leases == Count(at_least=0, complete=False)


def test_a_lease_of_a_worker_that_nobody_knows_may_be_anybodys() -> None:
    fleet = WorkerFleet().deploy(OLD)
    fleet.leases["t"] = "stranger"
    seen = read_queue(ORDERS, readers(fleet), 0.0)
    assert seen.situation.cohort(OLD).leases == Count(at_least=0, complete=False)


def test_a_dead_worker_is_not_counted_as_a_registered_process() -> None:
    fleet = WorkerFleet().deploy(OLD, 2)
    fleet.kill(OLD)
    numbers = read_queue(ORDERS, readers(fleet), 0.0).situation.cohort(OLD)
    assert (numbers.active, numbers.processes, numbers.registered) == (2, 0, 0)


def test_what_a_leaving_cohort_is_needed_for_is_looked_for_on_every_queue_its_pin_has_reached() -> (
    None
):
    fleet = WorkerFleet().deploy(OLD).deploy(at("old", MAIL)).run_open("w", "old", MAIL)
    seen = read_leaving(OLD, readers(fleet), 0.0)
    assert at("old", MAIL) in seen.observation.cohorts()


def test_under_marker_routing_every_namespace_is_listed_and_the_markers_are_read() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "old"}, other_namespaces=("billing",))
    fleet.deploy(OLD)
    seen = read_leaving(OLD, readers(fleet), 0.0)
    assert set(seen.situation.open_runs) == {"orders", "billing"}
    assert seen.observation.node("a", "marker") == "old"


def test_under_a_selector_only_the_cohorts_own_namespace_is_listed() -> None:
    fleet = WorkerFleet(other_namespaces=("billing",)).deploy(OLD)
    assert set(read_leaving(OLD, readers(fleet), 0.0).situation.open_runs) == {"orders"}
