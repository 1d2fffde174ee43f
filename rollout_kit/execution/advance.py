"""Take one operation one step on: look; then begin, apply again, or judge what was seen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from rollout_kit.execution import drift, requests
from rollout_kit.execution.circumstances import context, key_in_use, key_of
from rollout_kit.execution.sending import RESEND_AFTER_S, send
from rollout_kit.execution.verdicts import APPROVAL, COMMAND, hold, settle
from rollout_kit.model.events import (
    HoldKind,
    OperationFailed,
    OperationIntended,
    OperationReapplied,
    OperationSkipped,
    UndoSkipped,
)
from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import (
    Announcement,
    Change,
    ChangeKind,
    Done,
    Keep,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.state import Standing
from rollout_kit.operations.api import Context, OperationKind, Seen
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.registry import KINDS
from rollout_kit.operations.work import work_lost
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import JobState

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

REAPPLY_AT_MOST = 5


def advance(run: Executor, op: Operation, *, undo: bool) -> None:
    """Look once, then do the one thing that this look calls for."""
    kind = KINDS[op.kind]
    readers = replace(run.shell.readers, key=key_in_use(run, op))
    undone = _undone_at_work(run, op)  # first: a look after its end sees what came of it
    seen = kind.observe(op, readers, run.now_s())
    run.live = run.live.looked(op.id, seen)
    ctx = context(run, op, seen, undo=undo)
    if run.state.standing(op.id) is Standing.INTENDED:
        _look(run, op, kind, seen, ctx)
    else:
        _begin(run, op, kind, seen, ctx, undone)


def _look(run: Executor, op: Operation, kind: OperationKind, seen: Seen, ctx: Context) -> None:
    """An intent stands: find out whether the effect is there, and send it again if it is not."""
    doubtful = (
        op.id in run.live.in_doubt or op.id in run.live.resend or work_lost(op, seen.situation)
    ) and requests.nothing_sent(run, op) is None
    if doubtful:
        change = kind.preview(op, seen.observation, seen.situation)
        waiting = _not_known_yet(op, kind, change, seen, ctx)
        if waiting is not None:
            settle(run, op, seen, waiting, ctx)
            return
        if change.kind is ChangeKind.UPDATE:
            _reapply(run, op, change.sentence)
            return
        run.live = run.live.known(op.id)
    settle(run, op, seen, kind.verify(op, run.live.history[op.id], ctx), ctx)


def _not_known_yet(
    op: Operation, kind: OperationKind, change: Change, seen: Seen, ctx: Context
) -> Waiting | None:
    """Why this look does not tell whether the effect is there; None: it does."""
    if change.kind is ChangeKind.UPDATE and change.not_judged:  # as before it was sent at all
        verdict = kind.ready_to_apply(op, seen, ctx)
        return verdict if isinstance(verdict, Waiting) else None
    silent = change.kind is ChangeKind.BLOCKED and _unseen(op, kind, seen)
    if silent or change.kind is ChangeKind.CHECK:
        return Waiting(retry_after_s=1.0, progress=change.sentence)
    return None


def _reapply(run: Executor, op: Operation, why: str) -> None:
    """Send it again. Nothing is told of what a signal or a lost lock keeps from being sent."""
    if run.shell.clock.interrupted():
        return
    run.shell.lock.check()
    found = run.state.operations[op.id]
    if op.id not in run.live.resend:
        n = found.reapplied + 1
        if n > REAPPLY_AT_MOST:
            reason = f"sent {found.reapplied} times more, and it is still not there: {why}"
            run.append(OperationFailed(operation=op.id, reason=reason))
            return
        run.append(OperationReapplied(operation=op.id, n=n, reason=why))
    send(run, op, found.key)


def _begin(
    run: Executor,
    op: Operation,
    kind: OperationKind,
    seen: Seen,
    ctx: Context,
    undone: Done | Waiting,
) -> None:
    change = kind.preview(op, seen.observation, seen.situation)
    match change.kind:
        case ChangeKind.BLOCKED if _unseen(op, kind, seen):
            settle(run, op, seen, Waiting(retry_after_s=1.0, progress=change.sentence), ctx)
        case ChangeKind.BLOCKED:
            _blocked(run, op, change, undo=ctx.undoing)
        case ChangeKind.CHECK if _nothing_to_judge(run, op):
            why = "nothing that it follows wrote in this rollout"
            if op.kind == APPROVAL:
                why = "nothing after it would write"
            run.append(OperationSkipped(operation=op.id, reason=why))
        case ChangeKind.NO_OP if isinstance(undone, Waiting):
            settle(run, op, seen, undone, ctx)
        case ChangeKind.NO_OP if (asked := requests.done_unbegun(run, op)) is not None:
            run.append(requests.intent_of(run, asked))
            run.live = run.live.forget(op.id)
        case ChangeKind.CHECK | ChangeKind.NO_OP:
            settle(run, op, seen, kind.verify(op, run.live.history[op.id], ctx), ctx)
        case ChangeKind.UPDATE:
            if op.requires and seen.facts and not _capable(run, op, seen):
                hold(
                    run, op, HoldKind.CAPABILITY, f"the server no longer shows {op.requires.value}"
                )
                return
            verdict: Verification = _settled(run, op)
            if isinstance(verdict, Done):
                verdict = kind.ready_to_apply(op, seen, ctx)
            if isinstance(verdict, Done):
                _ask_or_intend(run, op, kind, seen, ctx)
            else:
                settle(run, op, seen, verdict, ctx)
        case _:
            assert_never(change.kind)


def _ask_or_intend(
    run: Executor, op: Operation, kind: OperationKind, seen: Seen, ctx: Context
) -> None:
    """What somebody else has to change is asked for first; where nobody attends, nothing is begun."""
    try:
        why = requests.must_hold(run, op, key_of(run, op), seen, undo=ctx.undoing)
    except OutsideError as error:
        text = f"what to ask for is not known yet: {error.message}"
        settle(run, op, seen, Waiting(retry_after_s=RESEND_AFTER_S, progress=text), ctx)
        return
    if why:
        hint = f"do it, then `rollout-kit approve {op.id} --because …`; or attend with `--wait`"
        hold(run, op, HoldKind.PERSON, why, hint)
        return
    _intend(run, op, kind, seen, ctx)


def undo_of(op: Operation) -> str:
    """The intent that this operation undoes; empty on the way forward."""
    below = op.id.removeprefix("undo/")
    return "" if below == op.id else below.rpartition("/")[0]


def _settled(run: Executor, op: Operation) -> Done | Waiting:
    """What is in flight settles first: a command would go on after its undo, or beside its next attempt."""
    return _at_work(run, undo_of(op), op.id) if op.kind == COMMAND else Done()


def _undone_at_work(run: Executor, op: Operation) -> Done | Waiting:
    """There is nothing to undo only once the driver has let go of what would be undone."""
    source = undo_of(op)
    over = not source or run.state.standing(source) is Standing.COMPLETED
    return Done() if over else _at_work(run, source)


def _at_work(run: Executor, *operations: str) -> Done | Waiting:
    """Until the driver is through with what it was asked for these operations."""
    sent = [f for f in map(run.state.operations.get, operations) if f and f.key]
    for found in sent:
        status = ask(partial(run.shell.readers.infra.work, found.key))
        if isinstance(status, Missing) or status.state in (JobState.QUEUED, JobState.RUNNING):
            return Waiting(retry_after_s=RESEND_AFTER_S, progress=f"{found.id} is still at work")
    return Done()


def _capable(run: Executor, op: Operation, seen: Seen) -> bool:
    """The capability as this look shows it, else as planned: absent facts are no refutation."""
    assert run.state.started is not None
    assert op.requires is not None
    shown = seen.observation.get(f"capability/{op.requires.value}")
    if isinstance(shown, Absent):
        return op.requires in run.state.started.execution_plan.capabilities
    return shown is True


def _nothing_to_judge(run: Executor, op: Operation) -> bool:
    """Whether a check follows only operations that wrote nothing in this rollout."""
    if op.kind == APPROVAL and op.id not in run.state.intents:
        return not _would_write_later(run, op)
    forward = tuple(i for i in run.state.intents if not i.startswith("undo/"))
    if op.follows_plan:
        return not forward
    return bool(op.follows) and not any(i in forward for i in op.follows)


def _would_write_later(run: Executor, op: Operation) -> bool:
    """Whether any operation after this one would change the world as it is now."""
    assert run.state.started is not None
    operations = run.state.started.execution_plan.operations
    later = operations[[o.id for o in operations].index(op.id) + 1 :]
    for other in later:
        kind = KINDS[other.kind]
        seen = kind.observe(other, run.shell.readers, run.now_s())
        if kind.preview(other, seen.observation, seen.situation).kind is ChangeKind.UPDATE:
            return True
    return False


def _unseen(op: Operation, kind: OperationKind, seen: Seen) -> bool:
    """Whether facts that it touches or needs gave no answer: a reason to wait, not to judge."""
    paths = (*kind.touches(op), *kind.relies_on(op))
    return any(
        value in (Absent.NO_ANSWER, Absent.PENDING)
        for fact, value in seen.facts.items()
        if drift.matches(fact, paths)
    )


def _blocked(run: Executor, op: Operation, change: Change, *, undo: bool) -> None:
    if undo:
        run.append(UndoSkipped(operation=op.id, reason=change.sentence))
    else:
        run.append(OperationFailed(operation=op.id, reason=change.sentence, hint=change.hint))


def _intend(run: Executor, op: Operation, kind: OperationKind, seen: Seen, ctx: Context) -> None:
    """Compare, journal the intent with its undo, then send: in this order and no other."""
    touches = kind.touches(op)
    moved = drift.drift(run.state, seen.facts, within=(*touches, *kind.relies_on(op)))
    if moved and ctx.undoing:
        reason = "somebody else changed it: " + "; ".join(item.sentence for item in moved)
        run.append(UndoSkipped(operation=op.id, reason=reason))
        return
    if moved:
        run.live = replace(run.live, drift=moved, drift_at=op.id)
        return
    if run.shell.clock.interrupted():
        return  # without an intent nobody has to ask later whether it was sent
    run.shell.lock.check()
    before = requests.before_asked(run.state, op, seen)
    after = kind.expect(op, seen.observation).facts
    undo = Keep(reason="part of a rollback") if ctx.undoing else kind.compensate(op, before)
    key = key_of(run, op)
    run.append(
        OperationIntended(
            operation=op,
            attempt=run.state.attempt(op.id),
            key=key,
            before=before,
            undo=undo,
            touches=touches,
            expected={k: v for k, v in after.items() if before.get(k) != v},
            announced=_announced(run, op),
        )
    )
    run.live = run.live.forget(op.id)
    send(run, op, key)


def _announced(run: Executor, op: Operation) -> Announcement | None:
    """This operation's part of what was announced when the rollout began."""
    said = run.state.started.announced if run.state.started else ()
    return next((one for one in said if one.operation == op.id), None)
