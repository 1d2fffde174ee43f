"""promote_build: all new starts to one build, and back to the one before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.operation import ChangeKind, Done, Failed, Keep, Operation, Undo, Waiting
from rollout_kit.operations.cohort_acts import PromoteBuildArguments
from rollout_kit.operations.starts import selected_on
from rollout_kit.ports.errors import NotYet
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    ORDERS,
    STALE_S,
    WorkerFleet,
    carry_out,
    change,
    kind_of,
    look,
    operation,
    ready,
    sentence,
    undo_all,
)


def promote(n: int = 2) -> Operation:
    arguments = PromoteBuildArguments(cohort=NEW, others=(OLD,), n=n)
    return operation("promote_build", arguments)


def both() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).select(OLD).deploy(NEW)


def burnt() -> WorkerFleet:
    fleet = both()
    fleet.records[NEW].rolled_back = True
    return fleet


WORLDS: dict[str, tuple[Callable[[], WorkerFleet], ChangeKind]] = {
    "another is selected": (both, ChangeKind.UPDATE),
    "it is selected": (lambda: both().select(NEW), ChangeKind.NO_OP),
    "it is draining": (lambda: both().drained(NEW), ChangeKind.BLOCKED),
    "it was rolled back once": (burnt, ChangeKind.BLOCKED),
    "unknown build": (lambda: WorkerFleet().deploy(OLD).select(OLD), ChangeKind.BLOCKED),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_it_would_do_follows_from_facts(name: str) -> None:
    world, expected = WORLDS[name]
    assert change(world(), promote()) is expected


def test_its_sentence_names_both_builds() -> None:
    assert sentence(both(), promote()) == (
        "give all new starts on critical to critical@new instead of critical@old"
    )


def test_rule_15_a_build_that_is_not_there_gets_no_start() -> None:
    fleet = both()
    fleet.kill(NEW)
    fleet.pass_time(STALE_S + 1)
    verdict = ready(fleet, promote())
    assert isinstance(verdict, Waiting)
    assert "has to be started before it gets new starts" in verdict.progress


def test_rule_13_conflicting_fingerprints_stop_it() -> None:
    fleet = both()
    fleet.conflicts = ("pay",)
    assert isinstance(ready(fleet, promote()), Failed)


def test_exactly_one_is_selected_afterwards() -> None:
    fleet = both()
    assert isinstance(carry_out(fleet, promote()), Done)
    seen = look(fleet, promote())
    assert selected_on(seen.observation, ORDERS) == NEW
    assert seen.observation.cohort(OLD, "selected") is False
    expected = kind_of(promote()).expect(promote(), look(both(), promote()).observation)
    assert expected.cohort(OLD, "selected") is False
    assert expected.cohort(NEW, "selected") is True


def test_before_the_first_compatibility_heartbeat_the_server_says_not_yet() -> None:
    fleet = both()
    fleet.compatibility_beats = False
    with pytest.raises(NotYet):
        carry_out(fleet, promote())


def test_its_undo_selects_what_was_selected_once_that_is_there() -> None:
    fleet = both()
    undo = kind_of(promote()).compensate(promote(), look(fleet, promote()).facts)
    carry_out(fleet, promote())
    assert isinstance(undo, Undo)
    assert [op.kind for op in undo.restore] == ["await_cohort", "promote_build"]
    undo_all(fleet, undo.restore)
    assert selected_on(look(fleet, promote()).observation, ORDERS) == OLD


def test_its_undo_waits_for_a_build_that_is_gone() -> None:
    fleet = both()
    undo = kind_of(promote()).compensate(promote(), look(fleet, promote()).facts)
    carry_out(fleet, promote())
    fleet.kill(OLD)
    fleet.pass_time(STALE_S + 1)
    assert isinstance(undo, Undo)
    (verdict,) = undo_all(fleet, undo.restore)
    assert isinstance(verdict, Waiting)
    assert selected_on(look(fleet, promote()).observation, ORDERS) == NEW


def test_where_nothing_was_selected_it_stays_and_is_harmless() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW)
    undo = kind_of(promote()).compensate(promote(), look(fleet, promote()).facts)
    assert isinstance(undo, Keep)


def test_it_touches_the_selection_and_nothing_that_a_rollback_restores_otherwise() -> None:
    assert kind_of(promote()).touches(promote()) == (
        "cohort/orders/critical/new/selected",
        "cohort/orders/critical/old/selected",
    )
