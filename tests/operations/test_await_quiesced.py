"""await_quiesced: what becomes of open runs, by the plan's word."""

from __future__ import annotations

import pytest

from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    LeftRunning,
    Operation,
    PinnedRuns,
    RollbackPolicy,
    Waiting,
)
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.ports.infra import CohortSpec
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    POLL_S,
    WorkerFleet,
    carry_out,
    change,
    operation,
)


def quiesced(policy: PinnedRuns = PinnedRuns.WAIT, **more: object) -> Operation:
    arguments = LeavingArguments(cohort=OLD, others=(NEW,), pinned_runs=policy)
    return operation("await_quiesced", arguments, rollback=RollbackPolicy(**more))  # type: ignore[arg-type]


def promoted() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).deploy(NEW).select(NEW)


def test_without_open_runs_it_takes_one_poll_timeout() -> None:
    fleet = promoted()
    began_s = fleet.now_s
    assert isinstance(carry_out(fleet, quiesced()), Done)
    assert POLL_S <= fleet.now_s - began_s < POLL_S + 1.5


def test_it_waits_for_open_runs_and_names_them() -> None:
    verdict = carry_out(promoted().run_open("invoice-7", "old"), quiesced(), for_s=5.0)
    assert isinstance(verdict, Waiting)
    assert "invoice-7" in verdict.progress


def test_keep_does_not_wait() -> None:
    fleet = promoted().run_open("w", "old")
    began_s = fleet.now_s
    verdict = carry_out(fleet, quiesced(PinnedRuns.KEEP))
    assert isinstance(verdict, Done)
    assert verdict.sentence == "critical@old is kept: it serves 1 open run (w)"
    assert fleet.now_s == began_s


def test_keep_without_open_runs_is_wait() -> None:
    fleet = promoted()
    began_s = fleet.now_s
    assert isinstance(carry_out(fleet, quiesced(PinnedRuns.KEEP)), Done)
    assert fleet.now_s - began_s >= POLL_S


def test_strand_lists_what_it_strands_once_all_of_it_is_known() -> None:
    fleet = promoted().run_open("w", "old")
    fleet.undescribed = True
    assert isinstance(carry_out(fleet, quiesced(PinnedRuns.STRAND), for_s=3.0), Waiting)
    fleet.undescribed = False
    verdict = carry_out(fleet, quiesced(PinnedRuns.STRAND))
    assert isinstance(verdict, Done)
    assert verdict.sentence == "stranded with critical@old: 1 open run (w)"


@pytest.mark.parametrize("policy", list(PinnedRuns))
def test_what_is_drained_and_stopped_needs_no_looking(policy: PinnedRuns) -> None:
    fleet = promoted().drained(OLD)
    fleet.specs[OLD] = CohortSpec(image="app:old", replicas=0)
    assert change(fleet, quiesced(policy)) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, quiesced(policy)), Done)


def test_rule_10_an_unknown_build_is_refused() -> None:
    assert change(WorkerFleet().deploy(NEW), quiesced()) is ChangeKind.BLOCKED


def test_a_rollback_lets_them_finish_for_most_of_its_time() -> None:
    fleet = promoted().run_open("w", "old")
    verdict = carry_out(fleet, quiesced(within_s=8.0), undoing=True)
    assert isinstance(verdict, LeftRunning)
    assert (verdict.cohort, verdict.runs) == (OLD, ("w",))


def test_a_rollback_does_not_call_residue_what_it_could_not_read() -> None:
    fleet = promoted().run_open("w", "old")
    fleet.undescribed = True
    assert isinstance(carry_out(fleet, quiesced(within_s=8.0), for_s=20.0, undoing=True), Waiting)
