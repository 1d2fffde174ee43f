"""`decide` looks at failures first, closes gaps before it holds, and rolls back in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.execution.decide import decide
from rollout_kit.execution.decisions import (
    Advance,
    CloseGroup,
    Decision,
    Finish,
    Hold,
    RollBack,
    Settle,
    SkipUndo,
    Sleep,
    Stop,
    TakeBaseline,
    UndoGroup,
    WatchFleet,
)
from rollout_kit.execution.live import Live
from rollout_kit.model.events import (
    ApprovalGiven,
    CohortLeftRunning,
    GroupUndone,
    GroupUndoStarted,
    GuardBreached,
    HoldKind,
    HoldReleased,
    OperationFailed,
    OperationSkipped,
    Outcome,
    RollbackStarted,
    RolloutFinished,
    RolloutHeld,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Difference, Observation
from rollout_kit.model.operation import Irreversible, Keep, OnFailure, RollbackPolicy, Undo
from rollout_kit.model.situation import Situation
from rollout_kit.model.state import RolloutState
from rollout_kit.operations.api import Seen
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from tests.execution.story import AT, baseline, completed, intended, op, started, state

A, B = op("api/a"), op("sched/b")
LIVE = Live(attached_at_s=0.0, guards_due_s=1e9, checked_step="api")


def after(found: RolloutState, live: Live = LIVE, now_s: float = 5.0) -> Decision:
    return decide(found, live, now_s)


def test_a_fresh_rollout_takes_its_baseline_before_anything_else() -> None:
    assert after(state(started(A, B))) == TakeBaseline()


def test_the_first_undecided_operation_of_the_plan_comes_next() -> None:
    found = state(started(A, B), baseline(), intended(A), completed(A))
    live = replace(LIVE, checked_step="sched")
    assert after(found, live) == Advance(operation=B)


def test_the_fleet_is_looked_at_when_a_new_step_begins() -> None:
    found = state(started(A, B), baseline(), OperationSkipped(operation="api/a", reason="x"))
    assert after(found) == WatchFleet()


def test_guards_are_due_during_an_operation_that_waits() -> None:
    live = replace(LIVE, guards_due_s=4.0, due_s={"api/a": 100.0})
    assert after(state(started(A), baseline(), intended(A)), live) == WatchFleet()


def test_a_waiting_operation_sleeps_until_it_is_due() -> None:
    live = replace(LIVE, due_s={"api/a": 9.0})
    found = state(started(A), baseline(), intended(A))
    assert after(found, live) == Sleep(until_s=9.0, operation="api/a")


def test_nothing_left_is_success() -> None:
    found = state(started(A), baseline(), intended(A), completed(A))
    assert after(found) == Finish(outcome=Outcome.SUCCEEDED, sentence="every operation is done")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (OnFailure.ROLLBACK, RollBack(cause="api/a: broke", operation="api/a")),
        (
            OnFailure.HOLD,
            Hold(
                held=RolloutHeld(kind=HoldKind.FAILURE, operation="api/a", reason="broke", hint="h")
            ),
        ),
        (OnFailure.ABORT, Finish(outcome=Outcome.ABORTED, sentence="api/a: broke")),
    ],
)
def test_a_failed_operation_leads_where_its_policy_says(
    policy: OnFailure, expected: Decision
) -> None:
    failing = op("api/a", on_failure=policy)
    found = state(
        started(failing, B),
        baseline(),
        OperationFailed(operation="api/a", reason="broke", hint="h"),
    )
    assert after(found) == expected


def test_failure_is_looked_at_before_guards_baseline_and_people() -> None:
    asked = PersonRecord(
        said=PersonSaid.HOLD,
        operation="",
        attempt=1,
        digest="d",
        fingerprint="",
        actor="x",
        because="y",
        at=AT,
    )
    live = replace(LIVE, guards_due_s=0.0, people=(asked,))
    found = state(started(A), OperationFailed(operation="api/a", reason="broke"))
    assert after(found, live) == RollBack(cause="api/a: broke", operation="api/a")


def test_after_something_irreversible_a_failure_holds_and_says_why() -> None:
    found = state(
        started(A, B),
        baseline(),
        intended(A, undo=Irreversible(reason="rows are gone")),
        completed(A),
        OperationFailed(operation="sched/b", reason="broke"),
    )
    decision = after(found)
    assert isinstance(decision, Hold)
    assert "rows are gone" in decision.held.hint


def test_forward_only_never_rolls_back() -> None:
    policy = RollbackPolicy(forward_only="the old one loses mail")
    found = state(
        started(A, rollback=policy), baseline(), OperationFailed(operation="api/a", reason="x")
    )
    assert isinstance(after(found), Hold)


def test_a_breached_guard_rolls_back_whatever_the_operation_says() -> None:
    holding = op("api/a", on_failure=OnFailure.HOLD)
    found = state(
        started(holding),
        baseline(),
        intended(holding),
        GuardBreached(guard="guard/served", sentence="3 > 0"),
    )
    assert after(found) == RollBack(cause="guard/served: 3 > 0", operation="guard/served")


def test_a_hold_at_a_breached_guard_says_what_mends_it() -> None:
    found = state(
        started(A, on_failure=OnFailure.HOLD),
        baseline(),
        GuardBreached(guard="guard/served", sentence="3 > 0", hint="start workers"),
    )
    held = RolloutHeld(
        kind=HoldKind.FAILURE, operation="guard/served", reason="3 > 0", hint="start workers"
    )
    assert after(found) == Hold(held=held)


def test_a_hold_inside_an_open_group_first_closes_the_gap() -> None:
    out = op("api/a", group="g", on_failure=OnFailure.HOLD)
    back = op("api/b", group="g", on_failure=OnFailure.HOLD)
    events = [
        started(out, back),
        baseline(),
        intended(out, undo=Undo(restore=(op("x"),))),
        completed(out),
        OperationFailed(operation="api/b", reason="broke"),
    ]
    decision = after(state(*events))
    assert isinstance(decision, UndoGroup)
    assert decision.started.group == "g"
    undoing = [*events, decision.started]
    step = after(state(*undoing))
    assert isinstance(step, Advance)
    assert step.operation.id == "undo/api/a/1"
    undone = [*undoing, intended(step.operation), completed(step.operation)]
    assert after(state(*undone)) == CloseGroup(group="g")
    closed = state(*undone, GroupUndone(group="g"))
    assert isinstance(after(closed), Hold)
    assert closed.standing("api/a") is None
    assert closed.attempt("api/a") == 2


def test_drift_inside_an_open_group_undoes_it_and_holds() -> None:
    out, back = op("api/a", group="g"), op("api/b", group="g")
    found = state(started(out, back), baseline(), intended(out), completed(out))
    moved = (Difference(fact="scheduler/image", expected="1", found="2"),)
    decision = after(found, replace(LIVE, drift=moved, drift_at="api/b"))
    assert isinstance(decision, UndoGroup)
    assert decision.started.hold is HoldKind.DRIFT


def test_a_hold_is_repeated_until_it_is_released() -> None:
    held = RolloutHeld(kind=HoldKind.FAILURE, operation="api/a", reason="broke")
    events = [started(A), baseline(), OperationFailed(operation="api/a", reason="broke"), held]
    assert after(state(*events)) == Hold(held=held, repeated=True)
    released = state(*events, HoldReleased(operation="api/a", actor="me"))
    assert after(released) == Advance(operation=A)
    assert released.attempt("api/a") == 2


def test_an_approval_lets_it_go_on() -> None:
    held = RolloutHeld(kind=HoldKind.APPROVAL, operation="api/a", reason="ok?")
    given = ApprovalGiven(operation="api/a", actor="me", because="yes", fingerprint="")
    assert after(state(started(A), baseline(), held, given)) == Advance(operation=A)


def test_rollback_runs_lists_in_reverse_and_restores_before_it_retires() -> None:
    events = [
        started(A, B),
        baseline(),
        intended(A, undo=Undo(restore=(op("a1"), op("a2")), retire=(op("a3"),))),
        completed(A),
        intended(B, undo=Undo(restore=(op("b1"),), retire=(op("b2"),))),
        RollbackStarted(cause="c", actor="me"),
    ]
    order = []
    while isinstance(step := after(state(*events)), Advance):
        order.append(step.operation.id)
        events += [intended(step.operation), completed(step.operation)]
    assert order == [
        "undo/sched/b/1",
        "undo/api/a/1",
        "undo/api/a/2",
        "undo/sched/b/2",
        "undo/api/a/3",
    ]
    assert step == Settle()
    settled = after(state(*events), replace(LIVE, settled=True))
    assert settled == Finish(outcome=Outcome.ROLLED_BACK, sentence="c")


def test_a_failed_undo_stops_its_list_but_not_the_others() -> None:
    events = [
        started(A, B),
        baseline(),
        intended(A, undo=Undo(restore=(op("a1"),))),
        intended(B, undo=Undo(restore=(op("b1"), op("b2")))),
        RollbackStarted(cause="c", actor="me"),
        OperationFailed(operation="undo/sched/b/1", reason="no"),
    ]
    step = after(state(*events))
    assert isinstance(step, Advance)
    assert step.operation.id == "undo/api/a/1"
    events += [intended(step.operation), completed(step.operation)]
    end = after(state(*events), replace(LIVE, settled=True))
    assert isinstance(end, Finish)
    assert end.outcome is Outcome.ROLLBACK_INCOMPLETE
    assert "undo/sched/b/1: no" in end.sentence


def test_residue_is_named_and_does_not_hide_as_success() -> None:
    cohort = CohortRef(namespace="default", task_queue="orders", build_id="new")
    events = [
        started(A),
        baseline(),
        intended(A, undo=Undo(retire=(op("a1"),))),
        RollbackStarted(cause="c", actor="me"),
        CohortLeftRunning(
            operation="undo/api/a/1", cohort=cohort, runs=("w-1",), reason="1 open run"
        ),
    ]
    end = after(state(*events), replace(LIVE, settled=True))
    assert end == Finish(outcome=Outcome.ROLLED_BACK_WITH_RESIDUE, sentence="c")


def test_what_the_settling_look_finds_makes_it_incomplete() -> None:
    events = [
        started(A),
        baseline(),
        intended(A, undo=Keep(reason="k")),
        RollbackStarted(cause="c", actor="m"),
    ]
    moved = (Difference(fact="node/a/marker", expected="1", found="2"),)
    end = after(state(*events), replace(LIVE, settled=True, unrestored=moved))
    assert isinstance(end, Finish)
    assert end.outcome is Outcome.ROLLBACK_INCOMPLETE


def test_an_undo_that_still_waits_at_the_deadline_is_skipped_and_listed() -> None:
    events = [
        started(A, rollback=RollbackPolicy(within_s=60.0)),
        baseline(),
        intended(A, undo=Undo(restore=(op("a1"),))),
        RollbackStarted(cause="c", actor="me"),
    ]
    live = replace(
        LIVE, due_s={"undo/api/a/1": 1000.0}, waiting_for={"undo/api/a/1": "node not ready"}
    )
    looking = after(state(*events), live, now_s=100.0)
    assert isinstance(looking, Advance), "look first, time out second"
    look = Seen(observation=Observation(), situation=Situation(), at_s=100.0)
    live = replace(live, history={"undo/api/a/1": (look,)})
    decision = after(state(*events), live, now_s=100.5)
    assert isinstance(decision, SkipUndo)
    assert "node not ready" in decision.reason


def test_a_gap_that_the_rollback_opened_is_closed_after_the_deadline_too() -> None:
    out, back = op("api/out", group="api/n"), op("api/back", group="api/n")
    undone = replace(op("x"), id="undo/api/back/1")
    events = [
        started(out, back, rollback=RollbackPolicy(within_s=60.0)),
        baseline(),
        intended(out, undo=Undo(restore=(op("attach"),))),
        intended(back, undo=Undo(restore=(op("detach"), op("await")))),
        RollbackStarted(cause="c", actor="me"),
    ]
    waiting = dict.fromkeys(("undo/api/back/1", "undo/api/back/2"), 1000.0)
    look = Seen(observation=Observation(), situation=Situation(), at_s=100.0)
    live = replace(LIVE, due_s=waiting, history=dict.fromkeys(waiting, (look,)))
    assert isinstance(after(state(*events), live, now_s=100.5), SkipUndo), "nothing is open yet"
    detached = [*events, intended(undone), completed(undone)]
    closing = after(state(*detached), live, now_s=100.5)
    assert closing == Sleep(until_s=1000.0, operation="undo/api/back/2")


def test_a_finished_rollout_does_nothing_more() -> None:
    found = state(started(A), baseline(), RolloutFinished(outcome=Outcome.SUCCEEDED, sentence="s"))
    assert after(found) == Stop()


def test_a_finished_rollout_can_still_be_rolled_back() -> None:
    found = state(
        started(A),
        baseline(),
        intended(A, undo=Undo(restore=(op("a1"),))),
        completed(A),
        RolloutFinished(outcome=Outcome.SUCCEEDED, sentence="s"),
        RollbackStarted(cause="c", actor="me"),
    )
    assert isinstance(after(found), Advance)


def test_a_request_to_abort_waits_for_the_end_of_an_open_group() -> None:
    asked = PersonRecord(
        said=PersonSaid.ABORT,
        operation="",
        attempt=1,
        digest="d",
        fingerprint="",
        actor="x",
        because="y",
        at=AT,
    )
    live = replace(LIVE, people=(asked,))
    out, back = op("api/a", group="g"), op("api/b", group="g")
    opened = state(started(out, back), baseline(), intended(out), completed(out))
    assert after(opened, live) == Advance(operation=back)
    assert isinstance(after(state(started(A), baseline()), live), Finish)


def test_a_request_to_abort_ends_a_rollback_where_no_gap_is_open() -> None:
    out, sched = op("api/a", group="g"), op("sched/b")
    x, y = op("undo/x"), op("undo/y")
    undoing = (
        started(out, sched),
        baseline(),
        intended(sched, undo=Undo(restore=(x,))),
        completed(sched),
        intended(out, undo=Undo(restore=(x, y))),
        completed(out),
        RollbackStarted(cause="c", actor="me"),
    )
    asked = PersonRecord(
        said=PersonSaid.ABORT,
        operation="",
        attempt=len(undoing),
        digest="d",
        fingerprint="",
        actor="ann",
        because="look first",
        at=AT,
    )
    live = replace(LIVE, people=(asked,))
    ended = after(state(*undoing), live)
    assert ended == Finish(
        outcome=Outcome.ABORTED,
        sentence="rollback aborted by ann: look first. Not undone: undo/api/a/1, undo/sched/b/1",
    )
    first = replace(x, id="undo/api/a/1")
    gap = (*undoing, intended(first), completed(first))
    closing = after(state(*gap), live)
    assert isinstance(closing, Advance), "the node is put back first"
    assert closing.operation.id == "undo/api/a/2"
    earlier = replace(LIVE, people=(replace(asked, attempt=len(undoing) - 1),))
    assert isinstance(after(state(*undoing), earlier), Advance), "that was about the way forward"


def test_the_groups_own_undo_that_fails_becomes_a_rollback() -> None:
    out = op("api/a", group="g", on_failure=OnFailure.HOLD)
    found = state(
        started(out),
        baseline(),
        intended(out, undo=Undo(restore=(op("x"),))),
        OperationFailed(operation="api/a", reason="broke"),
        GroupUndoStarted(group="g", operation="api/a", hold=HoldKind.FAILURE, reason="broke"),
        OperationFailed(operation="undo/api/a/1", reason="no"),
    )
    assert isinstance(after(found), RollBack)
