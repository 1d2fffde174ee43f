"""What journal and session know beside a look at one operation, and the key that its work goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout_kit.model.operation import Operation
from rollout_kit.model.standing import Standing
from rollout_kit.operations.api import Context, Seen

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor


def context(run: Executor, op: Operation, seen: Seen, *, undo: bool) -> Context:
    """What journal and session know beside the look."""
    state, live = run.state, run.live
    left_s = None
    if state.rollback and state.started:
        deadline_s = state.rollback_attended_s + state.started.execution_plan.rollback.within_s
        left_s = deadline_s - live.attended_s(seen.at_s)
    return Context(
        now_s=seen.at_s,
        since_s=live.since_s.get(op.id, seen.at_s),
        key=key_in_use(run, op),
        baselines=state.baseline.baselines if state.baseline else (),
        unserved_before=state.baseline.unserved_pins if state.baseline else (),
        undoing=undo,
        elapsed_attended_s=live.attended_s(seen.at_s) - state.baseline_attended_s,
        written=state.wrote,
        rollback_left_s=left_s,
        gap_s=_gap_s(run, op),
    )


def _gap_s(run: Executor, op: Operation) -> float | None:
    """How long its group has stood open: the wall clock rules that, for nobody has to be here."""
    if op.group is None or run.state.started is None:
        return None
    operations = run.state.started.execution_plan.operations
    members = [one.id for one in operations if one.group and one.group.id == op.group.id]
    if op.id not in members[1:]:
        return None
    before = run.state.operations.get(members[members.index(op.id) - 1])
    if before is None or before.completed_at is None:
        return None
    return max(0.0, (run.shell.clock.now() - before.completed_at).total_seconds())


def key_in_use(run: Executor, op: Operation) -> str:
    """The key that the standing intent was sent under; in a new attempt the one that it will be."""
    found = run.state.operations.get(op.id)
    sent = found.key if found and found.standing is not Standing.AWAITED else ""
    return sent or key_of(run, op)


def key_of(run: Executor, op: Operation) -> str:
    """`<rollout>/<operation>/<attempt>`: the same key joins what already runs."""
    assert run.state.started is not None
    return f"{run.state.started.rollout}/{op.id}/{run.state.attempt(op.id)}"
