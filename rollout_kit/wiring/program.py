"""A rollout and the program of its infrastructure: held to what was announced, undone by the same one."""

from __future__ import annotations

from rollout_kit.model.state import RolloutState
from rollout_kit.ports.infra import Announces, Programmed
from rollout_kit.wiring.announcing import landed
from rollout_kit.wiring.outside import Outside
from rollout_kit.wiring.result import Ending, Result, Surroundings


def hold_to_the_announced(state: RolloutState, outside: Outside) -> None:
    """From here on the driver refuses what would reach further than this rollout said it would."""
    infra, started = outside.writers.infra, state.started
    if started is not None and isinstance(infra, Announces):
        infra.hold_to(started.announced, started.program)


def another(state: RolloutState, outside: Outside, around: Surroundings) -> Result | None:
    """A rollback by another program than the rollout's is refused before its first undo.

    None: it is the same one, or one that changes nothing of what stands.
    """
    infra, program = outside.writers.infra, state.started.program if state.started else None
    if program is None or not isinstance(infra, Programmed):
        return None
    sentence = landed(lambda: infra.put_back_by(program), around.clock)
    if not sentence:
        return None
    commit = f" at commit {program.commit}" if program.commit else ""
    return Result(
        ending=Ending.BLOCKED,
        sentence=sentence,
        hint=f"bring {program.path} back as it was{commit}, then roll back",
    )
