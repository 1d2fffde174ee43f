"""await_retired: gone is proved, or said by a person; never assumed."""

from __future__ import annotations

from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    NeedsPerson,
    Operation,
    PinnedRuns,
    Waiting,
)
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import Answers, CohortSpec
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    POLL_S,
    STALE_S,
    WorkerFleet,
    carry_out,
    change,
    operation,
    sentence,
)


def retired(policy: PinnedRuns = PinnedRuns.WAIT) -> Operation:
    arguments = LeavingArguments(cohort=OLD, others=(NEW,), pinned_runs=policy)
    return operation("await_retired", arguments)


def stopped() -> WorkerFleet:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).select(NEW).drained(OLD)
    fleet.specs[OLD] = CohortSpec(image="app:old", replicas=0)
    fleet.kill(OLD)
    return fleet


def test_preview_says_how_long_the_proof_takes() -> None:
    assert change(stopped(), retired()) is ChangeKind.CHECK
    assert sentence(stopped(), retired()).endswith("is proved gone for 6 s")


def test_rule_8_it_takes_until_rows_are_stale_and_a_whole_window_after() -> None:
    fleet = stopped()
    began_s = fleet.now_s
    assert isinstance(carry_out(fleet, retired()), Done)
    assert fleet.now_s - began_s >= STALE_S + STALE_S + POLL_S


def test_rule_8_a_live_process_is_never_gone_however_stale_its_row() -> None:
    fleet = WorkerFleet(beats=False).deploy(OLD, 1).deploy(NEW).select(NEW).drained(OLD)
    verdict = carry_out(fleet, retired(), for_s=30.0)
    assert isinstance(verdict, Waiting)
    assert "1 processes of critical@old still run" in verdict.progress


def test_where_nothing_can_count_processes_a_person_says_it() -> None:
    fleet = stopped()
    fleet.can = frozenset({Answers.SPEC})
    assert isinstance(carry_out(fleet, retired()), NeedsPerson)


def test_a_driver_that_does_not_answer_is_waited_for_and_no_person_asked() -> None:
    fleet = stopped()
    fleet.driver_fails = Unavailable("reset")
    assert isinstance(carry_out(fleet, retired(), for_s=5.0), Waiting)


def test_a_kept_cohort_satisfies_it() -> None:
    fleet = WorkerFleet().deploy(OLD).deploy(NEW).select(NEW).run_open("w", "old")
    assert change(fleet, retired(PinnedRuns.KEEP)) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, retired(PinnedRuns.KEEP)), Done)


def test_what_never_came_is_gone() -> None:
    fleet = WorkerFleet().deploy(NEW).select(NEW)
    mine = operation("await_retired", LeavingArguments(cohort=OLD, others=(NEW,), ours=True))
    said = "neither the server nor the driver knows critical@old"
    assert carry_out(fleet, mine) == Done(sentence=said)
    assert isinstance(carry_out(fleet, retired(), for_s=5.0), Waiting), (
        "what the plan names has to be proved gone"
    )
