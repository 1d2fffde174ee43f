"""remove_cohort: the last of an undo where a configuration remembers what ever ran."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.operation import ChangeKind, Done, Failed, Operation, Waiting
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import JobState, JobStatus
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    WorkerFleet,
    carry_out,
    change,
    context,
    key_of,
    kind_of,
    look,
    operation,
    ready,
    sentence,
)


def remove() -> Operation:
    return operation("remove_cohort", LeavingArguments(cohort=NEW, others=(OLD,), ours=True))


def stopped() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).select(OLD).deploy(NEW, 2).deploy(NEW, 0)


def silent() -> WorkerFleet:
    fleet = stopped()
    fleet.driver_fails = Unavailable("stack is locked")
    return fleet


def lost() -> WorkerFleet:
    fleet = WorkerFleet().deploy(OLD).select(OLD)
    fleet.jobs[key_of(remove())] = JobStatus(state=JobState.LOST)
    return fleet


WORLDS: dict[str, tuple[Callable[[], WorkerFleet], ChangeKind]] = {
    "stopped": (stopped, ChangeKind.UPDATE),
    "not configured": (lambda: WorkerFleet().deploy(OLD).select(OLD), ChangeKind.NO_OP),
    "somebody started it again": (lambda: stopped().deploy(NEW, 1), ChangeKind.BLOCKED),
    "the driver is silent": (silent, ChangeKind.BLOCKED),
    "not configured, but its removal was cut off": (lost, ChangeKind.UPDATE),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_it_would_do_follows_from_facts(name: str) -> None:
    world, expected = WORLDS[name]
    assert change(world(), remove()) is expected


def test_only_a_stopped_one_is_removed_and_the_sentence_says_so() -> None:
    said = sentence(stopped().deploy(NEW, 1), remove())
    assert said == "critical@new is to run 1 workers: only a stopped one is removed"


def test_it_is_done_when_the_driver_knows_it_no_more() -> None:
    fleet = stopped()
    assert isinstance(carry_out(fleet, remove()), Done)
    assert fleet.wrote == ["remove critical@new"]
    expected = kind_of(remove()).expect(remove(), look(stopped(), remove()).observation)
    assert not {key for key in expected.facts if "/new/" in key and key.endswith("/replicas")}
    assert change(fleet, remove()) is ChangeKind.NO_OP


def test_a_process_of_it_that_lives_is_waited_for() -> None:
    fleet = stopped().deploy(NEW, 1)
    fleet.specs[NEW] = fleet.specs[NEW].__class__(image="app:new", replicas=0)
    assert isinstance(ready(fleet, remove()), Waiting)
    assert isinstance(ready(stopped(), remove()), Done)


def test_work_that_failed_is_no_removal() -> None:
    fleet = stopped()
    del fleet.specs[NEW]
    fleet.jobs[key_of(remove())] = JobStatus(state=JobState.FAILED, detail="the API said no")
    verdict = kind_of(remove()).verify(remove(), [look(fleet, remove())], context(fleet, remove()))
    assert isinstance(verdict, Failed)
    assert "the API said no" in verdict.reason
