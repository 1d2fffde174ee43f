"""stop_cohort: the last write of a drain; everything is asked once more just before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Keep,
    Operation,
    PinnedRuns,
    Undo,
    Waiting,
)
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.ports.infra import Answers, CohortSpec
from tests.operations.worker_fleet import (
    MAIL,
    NEW,
    OLD,
    STALE_S,
    WorkerFleet,
    at,
    carry_out,
    change,
    kind_of,
    look,
    operation,
    ready,
    sentence,
    undo_all,
)


def stop(policy: PinnedRuns = PinnedRuns.WAIT) -> Operation:
    return operation("stop_cohort", LeavingArguments(cohort=OLD, others=(NEW,), pinned_runs=policy))


def drained() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).deploy(NEW).select(NEW).drained(OLD)


def stopped() -> WorkerFleet:
    fleet = drained()
    fleet.specs[OLD] = CohortSpec(image="app:old", replicas=0)
    return fleet


def unmanaged() -> WorkerFleet:
    fleet = drained()
    del fleet.specs[OLD]
    return fleet


WORLDS: dict[str, tuple[Callable[[], WorkerFleet], ChangeKind]] = {
    "drained": (drained, ChangeKind.UPDATE),
    "stopped": (stopped, ChangeKind.NO_OP),
    "not the driver's": (unmanaged, ChangeKind.BLOCKED),
    "nobody in its place": (lambda: WorkerFleet().deploy(OLD).drained(OLD), ChangeKind.BLOCKED),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_it_would_do_follows_from_facts(name: str) -> None:
    world, expected = WORLDS[name]
    assert change(world(), stop()) is expected


def test_a_cohort_that_the_driver_does_not_run_is_named() -> None:
    assert "does not run critical@old" in sentence(unmanaged(), stop())


def resumed() -> WorkerFleet:
    fleet = drained()
    fleet.records[OLD].intent = "active"
    return fleet


def alone() -> WorkerFleet:
    fleet = drained()
    fleet.kill(NEW)
    fleet.pass_time(STALE_S + 1)
    return fleet


def by_marker() -> WorkerFleet:
    """The selection is gone from this world: node b still pins to old, which new does not serve."""
    fleet = drained()
    fleet.markers = {"b": "old"}
    return fleet


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (resumed, "critical@old is not drained"),
        (alone, "not proved to work: critical@new"),
        (by_marker, "nobody else serves what these pin new runs to: node b (old)"),
        (lambda: drained().lease(OLD), "critical@old holds 1 leases"),
        (lambda: drained().run_open("w", "old"), "1 open run (w) pinned to critical@old"),
        (
            lambda: drained().deploy(at("old", MAIL)).run_open("w", "old", MAIL),
            "1 open run (w) pinned to critical@old",
        ),
    ],
    ids=["intent", "rule 7", "rule 19", "lease", "rule 9", "rule 9, another queue"],
)
def test_it_is_not_stopped_while(world: Callable[[], WorkerFleet], reason: str) -> None:
    verdict = ready(world(), stop())
    assert isinstance(verdict, Waiting)
    assert reason in verdict.progress


def test_when_nothing_is_against_it_its_workers_stop() -> None:
    fleet = drained()
    assert isinstance(carry_out(fleet, stop()), Done)
    assert fleet.wrote == ["set critical@old to 0 of app:old"]
    assert look(fleet, stop()).situation.cohort(OLD).processes == 0


def test_a_crash_between_stop_and_proof_is_waited_out_and_not_repeated() -> None:
    fleet = drained()
    fleet.specs[OLD] = CohortSpec(image="app:old", replicas=0)
    verdict = carry_out(fleet, stop(), for_s=3.0)
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "2 processes of critical@old still run"
    fleet.kill(OLD)
    assert isinstance(carry_out(fleet, stop()), Done)
    assert fleet.wrote == []


def test_stranded_runs_do_not_hold_it() -> None:
    assert isinstance(ready(drained().run_open("w", "old"), stop(PinnedRuns.STRAND)), Done)


def test_a_kept_cohort_runs_on() -> None:
    fleet = resumed().run_open("w", "old")
    assert change(fleet, stop(PinnedRuns.KEEP)) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, stop(PinnedRuns.KEEP)), Done)
    assert fleet.wrote == []


def test_without_a_spec_nothing_could_put_it_back_so_it_waits() -> None:
    fleet = WorkerFleet(can=frozenset({Answers.PROCESSES})).deploy(OLD).deploy(NEW).select(NEW)
    assert isinstance(ready(fleet.drained(OLD), stop()), Waiting)


def test_its_undo_starts_what_ran_and_leaves_the_intent_to_the_drains_own_undo() -> None:
    fleet = drained()
    undo = kind_of(stop()).compensate(stop(), look(fleet, stop()).facts)
    carry_out(fleet, stop())
    assert isinstance(undo, Undo)
    assert [type(v) for v in undo_all(fleet, undo.restore)] == [Done, Done]
    assert fleet.specs[OLD] == CohortSpec(image="app:old", replicas=2)
    assert look(fleet, stop()).observation.cohort(OLD, "drain_intent") == "draining"


def test_what_did_not_run_before_is_not_started() -> None:
    assert isinstance(kind_of(stop()).compensate(stop(), look(stopped(), stop()).facts), Keep)


def test_what_this_rollout_never_brought_needs_no_stop() -> None:
    """Killed before its deploy was sent: the driver knows nothing of it, and that is as it was before."""
    fleet = WorkerFleet().deploy(NEW).select(NEW)
    mine = operation("stop_cohort", LeavingArguments(cohort=OLD, others=(NEW,), ours=True))
    assert change(fleet, mine) is ChangeKind.NO_OP
    assert carry_out(fleet, mine) == Done(sentence="the driver runs nothing of critical@old")
    assert change(fleet, stop()) is ChangeKind.BLOCKED
