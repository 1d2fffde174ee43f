"""Send one effect, and say what is known of it afterwards: done, never sent, or in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout_kit.execution.verdicts import hold, time_out
from rollout_kit.model.events import HoldKind, OperationFailed
from rollout_kit.model.operation import Operation, Waiting
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.attention import Attended
from rollout_kit.ports.errors import Conflict, InFlight, NotYet, OutsideError, Unavailable

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

DOUBT_LOOK_AFTER_S = 0.5
RESEND_AFTER_S = 1.0


def _conflict(run: Executor, op: Operation, error: Conflict) -> None:
    """Someone else holds or changed it: forward we stop and say who; an undo looks again."""
    if not op.id.startswith("undo/"):
        hold(run, op, HoldKind.FAILURE, error.message, error.hint)
        return
    _not_sent(run, op, error)


def _not_sent(run: Executor, op: Operation, error: OutsideError) -> None:
    """Nothing has come of it, for certain: it is sent later, and that is not sending it again."""
    run.live = run.live.unsent(op.id)
    run.live = run.live.wait(op.id, run.now_s() + RESEND_AFTER_S, error.message)
    time_out(run, op, Waiting(retry_after_s=RESEND_AFTER_S, progress=error.message))


def send(run: Executor, op: Operation, key: str) -> None:
    """Send the effect once. What is unknown afterwards is in doubt: looked at before anything else."""
    if run.shell.clock.interrupted():
        run.live = run.live.unsent(op.id)
        return
    run.shell.lock.check()
    infra = run.shell.writers.infra
    if isinstance(infra, Attended):
        infra.bounded(min(op.within_s, op.step_timeout_s or op.within_s))
    try:
        KINDS[op.kind].apply(op, key, run.shell.writers)
    except Unavailable as error:
        run.live = run.live.doubt(op.id)
        run.live = run.live.wait(
            op.id, run.now_s() + DOUBT_LOOK_AFTER_S, f"in doubt: {error.message}"
        )
    except (NotYet, InFlight) as error:  # the latter: what has to be read before it is sent
        _not_sent(run, op, error)
    except Conflict as error:
        _conflict(run, op, error)
    except OutsideError as error:
        text = error.sentences
        run.append(OperationFailed(operation=op.id, reason=text, hint=error.hint))
    else:
        run.live = run.live.known(op.id)
