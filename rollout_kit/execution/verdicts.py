"""What a verification leads to: a record, a moment at which to look again, or a hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rollout_kit.execution import drift, people, putting_back, requests
from rollout_kit.model.events import (
    CohortLeftRunning,
    GateDecided,
    GroupUndoStarted,
    HoldKind,
    OperationAwaited,
    OperationCompleted,
    OperationFailed,
    RolloutHeld,
    UndoSkipped,
)
from rollout_kit.model.gate import Verdict
from rollout_kit.model.operation import (
    Done,
    Failed,
    LeftRunning,
    NeedsPerson,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.state import Standing
from rollout_kit.operations.api import Context, Seen
from rollout_kit.operations.registry import KINDS
from rollout_kit.operations.symptoms import hint_for

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

PERSON_LOOK_AFTER_S = 5.0
GATE = "judge_gate"
APPROVAL = "await_approval"
COMMAND = "run_command"


def settle(run: Executor, op: Operation, seen: Seen, verdict: Verification, ctx: Context) -> None:
    """Turn what `verify` answered into a record, or into a moment at which to look again."""
    if isinstance(verdict, NeedsPerson) and (
        op.id in run.state.proofs or op.id in run.state.approvals
    ):
        verdict = Done(sentence="said by a person")
    match verdict:
        case Done():
            _decided(run, op, Verdict.PASS, verdict.sentence)
            found = run.state.operations.get(op.id)
            wrote = found is not None and found.standing is Standing.INTENDED
            facts = seen.observation.only(KINDS[op.kind].touches(op)).facts if wrote else {}
            run.append(
                OperationCompleted(
                    operation=op.id, facts=facts, wrote=wrote, sentence=verdict.sentence
                )
            )
        case Waiting():
            _wait(run, op, verdict)
        case Failed() if verdict.hold and not ctx.undoing:
            hold(run, op, HoldKind(verdict.hold), verdict.reason, verdict.hint)
        case Failed():
            _decided(run, op, Verdict.FAIL, verdict.reason)
            run.append(OperationFailed(operation=op.id, reason=verdict.reason, hint=verdict.hint))
        case NeedsPerson() if ctx.undoing or _in_place(run, op):
            _await(run, op)
            requests.ask_word(run, op, verdict, seen)
            _wait(run, op, Waiting(retry_after_s=PERSON_LOOK_AFTER_S, progress=verdict.reason))
        case NeedsPerson():
            kinds = {GATE: HoldKind.INCONCLUSIVE, APPROVAL: HoldKind.APPROVAL}
            _await(run, op)
            hold(run, op, kinds.get(op.kind, HoldKind.PERSON), verdict.reason, verdict.hint)
        case LeftRunning():
            run.append(
                CohortLeftRunning(
                    operation=op.id, cohort=verdict.cohort, runs=verdict.runs, reason=verdict.reason
                )
            )
        case _:
            assert_never(verdict)


def _in_place(run: Executor, op: Operation) -> bool:
    """A word on what was begun has a deadline, and inside a gap holding would leave it open."""
    if requests.nothing_sent(run, op) is not None:
        return True
    return op.kind not in (GATE, APPROVAL) and drift.open_group(run.state) is not None


def _decided(run: Executor, op: Operation, verdict: Verdict, sentence: str) -> None:
    """A decided gate is journaled and never re-decided within its attempt."""
    if op.kind == GATE:
        gate = op.id.rpartition("/")[2]
        run.append(GateDecided(operation=op.id, gate=gate, verdict=verdict, sentence=sentence))


def _await(run: Executor, op: Operation) -> None:
    if run.state.standing(op.id) is None:
        run.append(OperationAwaited(operation=op, attempt=run.state.attempt(op.id)))


def _wait(run: Executor, op: Operation, waiting: Waiting) -> None:
    """Look first, time out second: only what still waits after a fresh look may time out."""
    _await(run, op)
    if time_out(run, op, waiting):
        return
    run.live = run.live.wait(op.id, run.now_s() + waiting.retry_after_s, waiting.progress)


def time_out(run: Executor, op: Operation, waiting: Waiting) -> bool:
    """Whether its time is up. *Cannot measure* is not *measured bad*: that holds, and fails nothing."""
    found = run.state.operations[op.id]
    attended = run.live.attended_s(run.now_s())
    waited = attended - found.since_attended_s
    step_began = min(
        (
            other.since_attended_s
            for other in run.state.operations.values()
            if other.operation
            and other.operation.step == op.step
            and not other.id.startswith("undo/")
        ),
        default=attended,
    )
    late_step = op.step_timeout_s is not None and attended - step_began > op.step_timeout_s
    if waited <= op.within_s and not late_step:
        return False
    limit = (
        f"timeout {op.step_timeout_s:g} s of step {op.step}"
        if late_step
        else f"within {op.within_s:g} s"
    )
    reason = f"not done after {waited:.1f} s ({limit}); last seen: {waiting.progress}"
    if op.id.startswith("undo/"):
        run.append(UndoSkipped(operation=op.id, reason=reason))
    elif waiting.unmeasured:
        hint = "nothing bad was measured: `resume` looks anew, `rollback` puts everything back"
        hold(run, op, HoldKind.INCONCLUSIVE, reason, hint)
    else:
        _decided(run, op, Verdict.FAIL, reason)
        hint = hint_for(op.kind, reason)
        run.append(OperationFailed(operation=op.id, reason=reason, hint=hint))
    return True


def hold(run: Executor, op: Operation, kind: HoldKind, reason: str, hint: str = "") -> None:
    """Hold at this operation; inside an open group its own undo comes first."""

    group = drift.open_group(run.state)
    if group is not None and kind is not HoldKind.PERSON:
        why = putting_back.barred(run)
        if not why:
            run.append(
                GroupUndoStarted(group=group, operation=op.id, hold=kind, reason=reason, hint=hint)
            )
            return
        reason, hint = f"{reason}; {group} is left open: {why}", putting_back.HINT
    held = RolloutHeld(kind=kind, operation=op.id, reason=reason, hint=hint)
    run.append(people.bound(run, held))
