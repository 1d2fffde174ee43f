"""One simulated rollout: a safety phase with every fault, then healing, then it has to come to an end."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.executor import End
from rollout_kit.model.events import (
    Event,
    OperationCompleted,
    OperationSkipped,
    Record,
    RolloutStarted,
)
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.journal import JournalLost
from rollout_kit.simulation.answering import Operator, may_roll_back, offered, rolling_back
from rollout_kit.simulation.checkers import CHECKERS
from rollout_kit.simulation.checking import Ending, MakeChecker, Violation
from rollout_kit.simulation.drawn_numbers import DrawnNumbers
from rollout_kit.simulation.effects import (
    Effect,
    FaultStruck,
    Happening,
    Healed,
    Journaled,
    ToolEnded,
    ToolStarted,
    Who,
)
from rollout_kit.simulation.fate import Fate
from rollout_kit.simulation.faults import Blow
from rollout_kit.simulation.harm import Harm
from rollout_kit.simulation.network import Network, ToolCrashed
from rollout_kit.simulation.plan_text import plan_text
from rollout_kit.simulation.process import Blocked
from rollout_kit.simulation.report import Report, step_times
from rollout_kit.simulation.scenario import Scenario
from rollout_kit.simulation.stage import stage
from rollout_kit.simulation.tool import Tool
from rollout_kit.simulation.truth import Truth

LIVES_S = 1800.0
"""A healed fleet's rollout ends within so many virtual seconds for each node and queue, ..."""
PROCESSES = 30
"""... started so many times at most, ..."""
REQUESTS = 60_000
"""... and with so many requests in all."""
HEALS_IN_S = 5.0
"""After how long what was started again is there."""
RESTS_S = 6.0
"""How long after the end what is under way may take to arrive."""


class Runaway(BaseException):
    """The bound is passed: nobody waits any longer."""


def run(
    scenario: Scenario,
    checkers: Sequence[MakeChecker] = CHECKERS,
    *,
    trace: bool = False,
) -> Report:
    """Carry this scenario out. The same one gives the same report, journal and all."""
    return _Simulation(scenario, checkers, trace=trace).carried_out()


class _Simulation:
    def __init__(self, scenario: Scenario, checkers: Sequence[MakeChecker], *, trace: bool) -> None:
        self.scenario = scenario
        self.world = stage(scenario)
        self.began_s = self.world.clock.elapsed_s
        self.ends_s = float("inf")
        self.requests = scenario.theirs.requests if scenario.theirs else REQUESTS
        self.fate = Fate(scenario.blows, self._struck)
        self.network = Network(self.world, self.fate, scenario.latency_s)
        self.network.beat = self._bounded
        self.harm = Harm(self.world, self.network.metrics)
        self.operator = Operator(self.world.people, scenario.answer)
        self.truth = Truth(self.world)
        self.checkers = [make(self.truth) for make in checkers]
        self.tool = Tool(self.world, self.fate, self.harm, self.network, self._written)
        if scenario.theirs is not None:
            self.tool.metrics = DrawnNumbers(
                scenario.theirs.document, scenario.seed, self.network.metrics, self.world.clock
            )
        self.crashes = 0
        self.refusal = ""
        self.asked_back = False
        self.last: str = ""
        self.state = RolloutState()
        self.struck: list[str] = []
        self.trace: list[str] | None = [] if trace else None
        self.found: list[Violation] = []
        self.world.fleet.tell = self._tell
        self._lives = self.world.clock.live
        self.world.clock.live = self._half_second
        self.world.clock.glance = self._glance

    # --- the whole -------------------------------------------------------------------------

    def carried_out(self) -> Report:
        try:
            self._rollout(self._document())
        except Runaway as error:
            self._violated("ends", str(error))
        over_s = self.world.clock.elapsed_s
        self.ends_s = float("inf")
        self._heal()
        self.world.clock.sleep(RESTS_S)
        return self._report(over_s - self.began_s)

    def _document(self) -> PlanDocument:
        theirs = self.scenario.theirs
        return theirs.document if theirs else self.world.read(plan_text(self.scenario))

    def _rollout(self, document: PlanDocument) -> None:
        command, events = "apply", tuple[Event, ...]()
        while True:
            if self.tool.processes >= PROCESSES:
                raise Runaway(
                    f"the tool was started {self.tool.processes} times, and it is not over"
                )
            end = self._attended(document, command, events)
            if self.asked_back:
                self.asked_back = False
                if not offered(self.state):
                    self.refusal = "no rollback is offered from here"
                    return
                command, events = "rollback", rolling_back(self.scenario.rolls_back_after)
                continue
            if end is End.OVER or (self.refusal and self.fate.over):
                if not (self.scenario.roll_back_at_end and may_roll_back(self.state)):
                    return
                command, events = "rollback", rolling_back("the end")
                continue
            command, events = "apply", ()
            self.world.clock.sleep(self._until_tried_again_s())
            if end is End.HELD:
                now = self.world.clock.now()
                command, events = self.operator.after_hold(self.state, now)

    def _until_tried_again_s(self) -> float:
        """A plan that is refused while things fail is tried again once they have healed."""
        if not self.refusal:
            return self.scenario.patience_s
        left_s = self.began_s + self.scenario.safety_s - self.world.clock.elapsed_s
        return max(0.0, left_s) + HEALS_IN_S

    def _attended(
        self, document: PlanDocument, command: str, events: tuple[Event, ...]
    ) -> End | None:
        """One process of the tool, from its start to its end. None: it died, or could not begin."""
        process = self.tool.start(command)
        self._tell_of(
            ToolStarted(process=self.tool.processes, fence=self.tool.fences, command=command),
            Who.PERSON,
        )
        self.refusal = ""
        crashed, why, end = False, "", None
        try:
            executor = process.executor(document, *events, rollout="r-1")
            end = executor.run()
            self.state = executor.state
            why = end.value
        except ToolCrashed as error:
            crashed, why = True, f"killed at {error}"
            self.crashes += 1
        except (JournalLost, OutsideError) as error:
            why = str(error)
        except Blocked as error:
            why = self.refusal = str(error)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._violated("nothing-is-let-out", why)
            self.state = self.tool.state()
            raise Runaway(f"the tool let out {why}") from error
        finally:
            self._tell_of(
                ToolEnded(process=self.tool.processes, crashed=crashed, why=why), Who.TOOL
            )
        if end is None:
            self.state = self.tool.state()
        return end

    def _report(self, virtual_s: float) -> Report:
        records = self.tool.records()
        finished = self.state.finished
        ending = Ending(
            outcome=finished.outcome if finished else None,
            residue=finished.residue if finished else (),
            kept=finished.kept if finished else (),
        )
        for checker in self.checkers:
            self.found.extend(checker.finish(self.truth, ending))
        return Report(
            scenario=self.scenario,
            outcome=ending.outcome,
            sentence=finished.sentence if finished else "",
            refusal=self.refusal,
            virtual_s=round(virtual_s, 3),
            requests=self.network.requests,
            writes=self.network.writes,
            crashes=self.crashes,
            processes=self.tool.processes,
            records=len(records),
            holds=self.operator.holds,
            struck=tuple(self.struck),
            steps=step_times(records),
            violations=tuple(self.found),
            margins=tuple(near for found in self.checkers if (near := found.margin()) is not None),
            journal=self.world.journal.data,
            trace=tuple(self.trace or ()),
        )

    # --- while it runs ---------------------------------------------------------------------

    def _half_second(self) -> None:
        self._lives()
        self._glance()
        for checker in self.checkers:
            checker.step(self.truth)

    def _glance(self) -> None:
        """After each sleep: what the world does by itself, and whether the safety phase is over."""
        since_s = self.world.clock.elapsed_s - self.began_s
        for blow in self.fate.by(since_s):
            self.tool.strike(blow)
        self.harm.turn()
        if self.network.late:
            self.network.arrive()
        if since_s >= self.scenario.safety_s and not self.fate.over:
            self._heal()

    def _heal(self) -> None:
        if self.fate.over:
            return
        self.fate.over = True
        self.harm.heal()
        topology, theirs = self.scenario.topology, self.scenario.theirs
        lives_s = LIVES_S * (topology.nodes + topology.queues) + (
            theirs.patience_s if theirs else 0.0
        )
        self.ends_s = self.world.clock.elapsed_s + lives_s
        self._tell_of(Healed(), Who.FATE)

    def _bounded(self) -> None:
        if self.world.clock.elapsed_s > self.ends_s or self.network.requests > self.requests:
            raise Runaway(
                f"not over {self.world.clock.elapsed_s - self.began_s:.0f}s after it began,"
                f" with {self.network.requests} requests and {self.tool.processes} processes"
            )

    # --- telling ---------------------------------------------------------------------------

    def _written(self, record: Record) -> None:
        journaled = Journaled(sequence=record.sequence, fence=record.fence, event=record.event)
        self._tell_of(journaled, Who.TOOL)
        if self.scenario.rolls_back_after:
            self._may_be_asked_back(record.event)

    def _may_be_asked_back(self, event: Event) -> None:
        """When the last operation of the scenario's step is through, somebody wants it all back."""
        match event:
            case RolloutStarted(execution_plan=plan):
                step = self.scenario.rolls_back_after
                self.last = next((o.id for o in reversed(plan.operations) if o.step == step), "")
            case OperationCompleted(operation=done) | OperationSkipped(operation=done):
                if done == self.last:
                    self.last, self.asked_back = "", True
                    self.tool.interrupt()
            case _:
                pass

    def _struck(self, number: int, blow: Blow) -> None:
        self.struck.append(blow.text)
        self._tell_of(FaultStruck(number=number, text=blow.text), Who.FATE)

    def _tell_of(self, effect: Effect, who: Who) -> None:
        self._tell(Happening(at_s=self.world.clock.elapsed_s, who=who, effect=effect))

    def _tell(self, happening: Happening) -> None:
        if self.trace is not None:
            at_s = happening.at_s - self.began_s
            self.trace.append(f"{at_s:8.2f} {happening.who.value:6} {happening.effect}")
        for checker in self.checkers:
            checker.saw(happening, self.truth)

    def _violated(self, checker: str, sentence: str) -> None:
        at_s = self.world.clock.elapsed_s
        self.found.append(Violation(checker=checker, at_s=at_s, sentence=sentence))
