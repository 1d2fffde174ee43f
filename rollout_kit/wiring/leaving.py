"""What an earlier process may have left behind, and what this one leaves."""

from __future__ import annotations

from rollout_kit.execution.drift import open_group
from rollout_kit.execution.executor import Executor
from rollout_kit.journal.stored_journal import StoredJournal
from rollout_kit.model.state import RolloutState, Standing, fold
from rollout_kit.ports.attention import Attended
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import InfraReader, JobState
from rollout_kit.ports.journal import JournalLost
from rollout_kit.wiring.outside import Outside
from rollout_kit.wiring.stack_lock import attendance

AT_WORK = (JobState.QUEUED, JobState.RUNNING)
CUT_OFF = (JobState.LOST,)


def tell_who_attended(journal: StoredJournal, outside: Outside) -> None:
    """So that the driver knows what of an earlier process of this rollout is the rollout's own."""
    infra = outside.writers.infra
    if isinstance(infra, Attended):
        known = attendance(journal.read())
        infra.attended(known.hosts, known.intended_at)


def runs_on(journal: StoredJournal, outside: Outside, executor: Executor | None) -> bool:
    """Whether work begun under one of our intents still runs."""
    if executor is not None and executor.left:
        return True
    try:
        return bool(_work(fold(journal.read()), outside.readers.infra, AT_WORK))
    except (JournalLost, OutsideError):
        return False


def interrupted(executor: Executor) -> str:
    """What an interrupt left: unknown outcomes, a gap that stands open, work that runs on."""
    doubtful, open_ = sorted(executor.live.in_doubt), open_group(executor.state)
    infra = executor.shell.readers.infra
    try:
        at_work = _work(executor.state, infra, AT_WORK)
        cut_off = _work(executor.state, infra, CUT_OFF)
    except OutsideError:
        at_work = cut_off = ()
    parts = ["interrupted"]
    if doubtful:
        parts.append(f"in doubt: {', '.join(doubtful)}")
    if open_ is not None:
        parts.append(f"left open: {open_}, which resume closes or undoes first")
    if cut_off:
        parts.append(f"cut off: {', '.join(cut_off)}, where resume looks what came of it")
    if at_work and isinstance(infra, Attended):
        parts.append(f"asked to end: {', '.join(at_work)}, whose end resume awaits")
    elif at_work:
        parts.append(f"still at work: {', '.join(at_work)}, which resume joins")
    return "; ".join(parts)


def _work(state: RolloutState, infra: InfraReader, states: tuple[JobState, ...]) -> tuple[str, ...]:
    """The operations whose work stands so."""
    begun = {i: f.key for i, f in state.operations.items() if f.standing is Standing.INTENDED}
    return tuple(i for i, key in begun.items() if infra.work(key).state in states)
