"""The tool of a simulated rollout: one process after the other, over one journal."""

from __future__ import annotations

from collections.abc import Callable

from rollout_kit.journal.attendance import Attendance
from rollout_kit.journal.memory_journal import MemoryJournal
from rollout_kit.model.events import Attached, Record
from rollout_kit.model.state import RolloutState, fold
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import JobState, JobStatus
from rollout_kit.ports.metrics import MetricsReader
from rollout_kit.simulation.clock import ToolClock
from rollout_kit.simulation.fate import Fate
from rollout_kit.simulation.faults import Blow, Fault, Moment
from rollout_kit.simulation.harm import Harm
from rollout_kit.simulation.journaling import SimulatedJournal, SimulatedLock
from rollout_kit.simulation.network import Network, ToolCrashed
from rollout_kit.simulation.process import NoMetrics, Process
from rollout_kit.simulation.world import World


class Tool:
    """Starts processes, and strikes the one that runs. `written` is told each durable record."""

    def __init__(
        self,
        world: World,
        fate: Fate,
        harm: Harm,
        network: Network,
        written: Callable[[Record], None],
    ) -> None:
        self.fences = 0
        self.processes = 0
        self.metrics: MetricsReader = NoMetrics()
        self._world = world
        self._fate = fate
        self._harm = harm
        self._network = network
        self._written = written
        self._lock = SimulatedLock(0)
        self._clock = self._fresh_clock()
        self._changing: list[Blow] = []
        world.fleet.before_begin = self._before_begin
        world.fleet.after_begin = self._after_begin

    def start(self, command: str) -> Process:
        """A new process: another process id and machine, another clock, the next fence."""
        self.fences += 1
        self.processes += 1
        self._clock = self._fresh_clock()
        self._lock = SimulatedLock(self.fences)
        inner = MemoryJournal(
            self._world.journal,
            clock=self._clock,
            actor="me",
            lock=self._lock,
            attendance=Attendance(self._clock),
        )
        machine = self.processes % 2
        attached = Attached(
            host=f"host-{machine}",
            boot_id=f"boot-{machine}",
            pid_namespace="n",
            pid=1000 + self.processes,
            command=command,
        )
        return Process(
            clock=self._clock,
            lock=self._lock,
            journal=SimulatedJournal(inner, self._fate, written=self._written, struck=self.strike),
            exchange=self._network.exchange,
            infra=self._world.fleet,
            approvals=self._world.people,
            metrics=self.metrics,
            attached=attached,
        )

    def strike(self, blow: Blow) -> None:
        """What falls neither on a request nor on a change: on the process itself, or the world."""
        match blow.fault:
            case Fault.INTERRUPT:
                self.interrupt()
            case Fault.LOCK_LOST:
                self._taken_over()
            case _:
                self._harm.strike(blow)

    def interrupt(self) -> None:
        """A signal asks the process that runs to stop."""
        self._clock.stop = True

    def records(self) -> tuple[Record, ...]:
        """What is durable, as the product reads it."""
        return self._world.journal.chain().records

    def state(self) -> RolloutState:
        """What the journal says of the rollout."""
        return fold(self.records())

    def _fresh_clock(self) -> ToolClock:
        harm = self._harm
        origin_s = 1000.0 * (1 + self.processes)
        return ToolClock(self._world.clock, origin_s=origin_s, wrong_s=lambda: harm.wrong_s)

    def _taken_over(self) -> None:
        """Somebody else takes the rollout, and does nothing with it: this process must stop."""
        self._lock.lost = "somebody else holds the lock"
        if not self._world.journal.data:
            return
        self.fences += 1
        rival = MemoryJournal(
            self._world.journal,
            clock=self._clock,
            actor="rival",
            lock=SimulatedLock(self.fences),
            attendance=Attendance(self._clock),
        )
        attached = Attached(
            host="elsewhere", boot_id="b", pid_namespace="n", pid=1, command="resume"
        )
        self._written(rival.append(attached))

    def _before_begin(self, key: str) -> None:
        self._changing = self._fate.due(Moment.CHANGE)
        for blow in self._changing:
            match blow.fault:
                case Fault.CRASH_BEFORE:
                    raise ToolCrashed(key)
                case Fault.DRIVER_BEFORE:
                    raise Unavailable("the driver cannot be reached")
                case _:
                    pass

    def _after_begin(self, key: str) -> None:
        for blow in self._changing:
            match blow.fault:
                case Fault.CRASH_AFTER:
                    raise ToolCrashed(key)
                case Fault.DRIVER_AFTER:
                    raise Unavailable("the driver gave no answer")
                case Fault.WORK_LOST:
                    self._world.fleet.jobs[key] = JobStatus(state=JobState.LOST)
                case _:
                    pass
