"""resume_cohort: take back a drain; the undo drains again."""

from __future__ import annotations

import pytest

from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import ChangeKind, Done, Keep, Operation, Undo, Waiting
from rollout_kit.operations.cohort_acts import ResumeCohortArguments
from rollout_kit.ports.errors import Unavailable
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    WorkerFleet,
    carry_out,
    change,
    context,
    kind_of,
    look,
    operation,
    sentence,
    undo_all,
)


def resume() -> Operation:
    return operation("resume_cohort", ResumeCohortArguments(cohort=NEW, others=(OLD,)))


def draining() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).select(OLD).deploy(NEW).drained(NEW)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (draining, ChangeKind.UPDATE),
        (lambda: WorkerFleet().deploy(NEW), ChangeKind.NO_OP),
        (lambda: WorkerFleet().deploy(OLD), ChangeKind.BLOCKED),
    ],
    ids=["draining", "not draining", "unknown to the server"],
)
def test_it_resumes_what_drains_and_refuses_what_nobody_knows(
    world: object, expected: ChangeKind
) -> None:
    assert callable(world)
    assert change(world(), resume()) is expected


def test_rule_10_an_unknown_build_is_refused_with_the_ones_there_are() -> None:
    text = sentence(WorkerFleet().deploy(OLD), resume())
    assert "knows no critical@new" in text
    assert "it knows: critical@old" in text


def test_a_queue_that_gives_no_answer_blocks_and_judges_nothing() -> None:
    fleet = draining()
    fleet.fails = Unavailable("reset")
    assert change(fleet, resume()) is ChangeKind.BLOCKED
    assert look(fleet, resume()).observation.cohort(NEW, "drain_intent") is Absent.NO_ANSWER


def test_resumed_its_workers_are_active_at_once() -> None:
    fleet = draining()
    assert isinstance(carry_out(fleet, resume()), Done)
    assert fleet.wrote == ["resume critical@new"]
    assert look(fleet, resume()).situation.cohort(NEW).active == 2


def test_after_a_lost_answer_a_second_look_sees_that_it_took_effect() -> None:
    fleet = draining()
    fleet.resume(NEW)
    assert change(fleet, resume()) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, resume()), Done)
    assert fleet.wrote == ["resume critical@new"], "not sent a second time"


def test_it_may_move_the_selection_of_its_queue_and_says_so() -> None:
    paths = kind_of(resume()).touches(resume())
    assert "cohort/orders/critical/old/selected" in paths
    assert "cohort/orders/critical/new/drain_intent" in paths


def test_its_undo_drains_again_once_another_is_there() -> None:
    fleet = draining()
    before = look(fleet, resume()).facts
    carry_out(fleet, resume())
    undo = kind_of(resume()).compensate(resume(), before)
    assert isinstance(undo, Undo)
    assert undo.restore == ()
    assert [type(v) for v in undo_all(fleet, undo.retire)] == [Done]
    assert look(fleet, resume()).observation.cohort(NEW, "drain_intent") == "draining"


def test_what_was_not_draining_stays() -> None:
    fleet = WorkerFleet().deploy(NEW)
    undo = kind_of(resume()).compensate(resume(), look(fleet, resume()).facts)
    assert isinstance(undo, Keep)


def test_verify_waits_while_it_still_drains() -> None:
    fleet = draining()
    seen = look(fleet, resume())
    verdict = kind_of(resume()).verify(resume(), [seen], context(fleet, resume()))
    assert isinstance(verdict, Waiting)
