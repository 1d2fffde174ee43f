"""The journal and the lock of one simulated process: appends that fail, a lock that somebody takes."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.journal.memory_journal import MemoryJournal
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import Event, Record
from rollout_kit.ports.journal import JournalLost
from rollout_kit.simulation.fate import Fate
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.network import ToolCrashed


class SimulatedJournal:
    """Implements `ports.journal.Journal`. `taken_over` lets somebody else take the rollout.

    `written` is told each record once it is durable, whether or not its writer learns of it.
    """

    def __init__(
        self,
        inner: MemoryJournal,
        fate: Fate,
        *,
        written: Callable[[Record], None],
        struck: Callable[[Blow], None],
    ) -> None:
        self._inner = inner
        self._fate = fate
        self._written = written
        self._struck = struck

    def read(self) -> tuple[Record, ...]:
        return self._inner.read()

    def append(self, event: Event) -> Record:
        blows = self._fate.due(Moment.APPEND)
        for blow in blows:
            match blow.fault:
                case Fault.CRASH_BEFORE:
                    raise ToolCrashed(f"before {type(event).__name__}")
                case Fault.STORE_BEFORE:
                    raise JournalLost("the store cannot be reached")
                case Fault.LOCK_LOST | Fault.INTERRUPT:
                    self._struck(blow)
                case _:
                    pass
        record = self._inner.append(event)
        self._written(record)
        for blow in blows:
            match blow.fault:
                case Fault.CRASH_AFTER:
                    raise ToolCrashed(f"after {type(event).__name__}")
                case Fault.STORE_AFTER:
                    raise JournalLost("the store gave no answer")
                case _:
                    pass
        return record


class SimulatedLock(MemoryLock):
    """A lock that is lost when the scenario says so."""
