"""Processes of the tool that die at a point of their work, and the next one that goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rollout_kit.document.plan import ManualInfra, PlanDocument
from rollout_kit.execution.executor import End
from rollout_kit.model.events import Event, HoldKind, Record
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.journal import Journal
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request
from tests.rollout.manual_fleet import BY_HAND

BETWEEN_PROCESSES_S = 0.5
PEOPLE_LOOK_AFTER_S = 5.0
PROCESSES = 2000
ROLLOUT = "r-1"


class Killed(BaseException):
    """kill -9: nothing catches it."""


@dataclass(slots=True)
class Points:
    """Every place at which a process may die, as it is passed: before and after each append and write.

    `fatal` says of a point (its number from 0, its name) whether the process dies there.
    """

    fatal: Callable[[int, str], bool] = lambda _number, _name: False
    passed: list[str] = field(default_factory=list)
    kills: int = 0

    def at(self, name: str) -> None:
        number = len(self.passed)
        self.passed.append(name)
        if self.fatal(number, name):
            self.kills += 1
            raise Killed(name)


def once_each() -> Callable[[int, str], bool]:
    """At every point in turn: where the next process passes it again, it lives."""
    met: set[str] = set()

    def fatal(_number: int, name: str) -> bool:
        new = name not in met
        met.add(name)
        return new

    return fatal


@dataclass(frozen=True, slots=True)
class MortalJournal:
    """Implements `ports.journal.Journal`: a process may die on either side of each append."""

    journal: Journal
    points: Points

    def read(self) -> tuple[Record, ...]:
        return self.journal.read()

    def append(self, event: Event) -> Record:
        about = getattr(event, "operation", "")
        name = f"{type(event).__name__} {getattr(about, 'id', about)}".rstrip()
        self.points.at(f"before {name}")
        record = self.journal.append(event)
        self.points.at(f"after {name}")
        return record


class SteadyMetrics:
    """Implements `ports.metrics.MetricsReader`: a world in which nothing goes wrong by itself."""

    def http_number(self, source: object) -> float:
        return 0.0


def until_over(
    world: World, document: PlanDocument, points: Points, *events: Event
) -> RolloutState:
    """Start the tool again and again, with `events` the first time, until its rollout is over.

    What it waits for a person to say is said.
    """
    for _ in range(PROCESSES):
        try:
            state = until_death_or_end(world, document, points, *_unsaid(world, events))
        except Killed:
            world.clock.sleep(BETWEEN_PROCESSES_S)
        else:
            return state
    raise AssertionError(f"not over after {PROCESSES} processes: {points.passed[-3:]}")


def until_death_or_end(
    world: World, document: PlanDocument, points: Points, *events: Event
) -> RolloutState:
    """As `until_over`, but raises `Killed` at the first death."""
    _watch_writes(world, points)
    by_hand = isinstance(document.infra, ManualInfra)
    for _ in range(PROCESSES):
        process = replace(world.process(), metrics=SteadyMetrics())
        mortal = replace(process, journal=MortalJournal(process.journal, points))
        executor = mortal.executor(document, *events, rollout=ROLLOUT, wait=by_hand)
        if executor.run() is End.OVER:
            return executor.state
        events, held = (), executor.state.hold
        assert held is not None
        if by_hand and held.kind is HoldKind.PERSON:
            world.clock.sleep(PEOPLE_LOOK_AFTER_S)
            continue
        assert held.kind is HoldKind.APPROVAL, f"holds at {held.operation}: {held.reason}"
        world.people.approve(executor.state, world.clock.now())
    raise AssertionError(f"held {PROCESSES} times: {points.passed[-3:]}")


def _unsaid(world: World, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """What a command says first, where the process before did not live to journal it."""
    said = [record.event for record in world.process().journal.read()]
    return tuple(event for event in events if event not in said)


def _watch_writes(world: World, points: Points) -> None:
    """Writes are what the driver is asked to begin, and requests that are more than a question."""

    def request(moment: str) -> Callable[[Request], None]:
        def at(sent: Request) -> None:
            if sent.method != "GET":
                points.at(f"{moment} {sent.label}")

        return at

    def begin(moment: str, key: str) -> None:
        if not key.startswith(BY_HAND):  # no process of the tool is at that
            points.at(f"{moment} {key}")

    world.before_request, world.after_request = request("before"), request("after")
    world.fleet.before_begin = lambda key: begin("before", key)
    world.fleet.after_begin = lambda key: begin("after", key)
