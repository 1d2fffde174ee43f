"""await_lease_free: nothing in hand any more, and no late poll either."""

from __future__ import annotations

from rollout_kit.model.operation import ChangeKind, Done, Operation, PinnedRuns, Waiting
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


def lease_free(policy: PinnedRuns = PinnedRuns.WAIT) -> Operation:
    arguments = LeavingArguments(cohort=OLD, others=(NEW,), pinned_runs=policy)
    return operation("await_lease_free", arguments)


def drained() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).deploy(NEW).select(NEW).drained(OLD)


def test_it_waits_while_a_lease_is_held() -> None:
    verdict = carry_out(drained().lease(OLD), lease_free(), for_s=5.0)
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "critical@old holds 1 leases"


def test_a_poll_from_before_the_drain_may_bring_one_more_so_it_watches_that_long() -> None:
    fleet = drained()
    began_s = fleet.now_s
    assert isinstance(carry_out(fleet, lease_free()), Done)
    assert fleet.now_s - began_s >= POLL_S


def test_where_drain_is_a_label_one_look_is_all_there_is() -> None:
    fleet = WorkerFleet(selector=False, markers={"a": "new"}).deploy(OLD).deploy(NEW).drained(OLD)
    began_s = fleet.now_s
    assert isinstance(carry_out(fleet, lease_free()), Done)
    assert fleet.now_s == began_s


def test_what_is_gone_or_kept_needs_no_looking() -> None:
    gone = drained()
    gone.specs[OLD] = CohortSpec(image="app:old", replicas=0)
    assert change(gone.lease(NEW), lease_free()) is ChangeKind.NO_OP
    kept = WorkerFleet().deploy(OLD).deploy(NEW).select(NEW).run_open("w", "old").lease(OLD)
    assert change(kept, lease_free(PinnedRuns.KEEP)) is ChangeKind.NO_OP
    assert isinstance(carry_out(kept, lease_free(PinnedRuns.KEEP)), Done)
    assert change(kept, lease_free()) is ChangeKind.CHECK
