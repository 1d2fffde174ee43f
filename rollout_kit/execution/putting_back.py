"""Whether the program beside the fleet can still put back what it did: asked once, before any undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout_kit.ports.errors import InFlight, OutsideError
from rollout_kit.ports.infra import Programmed

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

LOOK_S = 0.5
WITHIN_S = 60.0
HINT = "bring the program back as it was, then `resume`, or `rollback`"


def barred(run: Executor) -> str:
    """Why nothing can be put back; empty: it can, or nobody can tell any more, for we are to stop.

    Another program would be refused undo by undo, and leave half of a rollback.
    """
    infra, started = run.shell.writers.infra, run.state.started
    if started is None or started.program is None or not isinstance(infra, Programmed):
        return ""
    until_s = run.now_s() + WITHIN_S
    while not run.shell.clock.interrupted():
        try:
            return infra.put_back_by(started.program)
        except InFlight as error:
            if run.now_s() > until_s:
                return error.message
            run.progress("rollback", error.message)
            run.shell.clock.sleep(LOOK_S)
        except OutsideError as error:
            return error.sentences
    return ""
