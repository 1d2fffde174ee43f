"""A user's own plan, carried out many times with faults drawn from numbers, and what it came to."""

from __future__ import annotations

import json
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from multiprocessing import active_children
from random import Random
from typing import TypeVar

from rollout_kit.document.plan import RunStep
from rollout_kit.simulation.checking import Margin, Violation
from rollout_kit.simulation.faults import SPAN, Fault, Moment
from rollout_kit.simulation.report import Report, StepTime
from rollout_kit.simulation.run import run
from rollout_kit.simulation.scenario import (
    Answer,
    Flaw,
    PlanShape,
    Scenario,
    Topology,
    blows_of,
)
from rollout_kit.simulation.theirs import Theirs

Given = TypeVar("Given")
Found = TypeVar("Found")
NOT_RESTORED = ("rollback-incomplete", "unfinished")
"""Endings that leave something undone."""
LOAD_EVERY_S = 30.0
"""A run is started so often: plans of hours are carried out in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What may go wrong: these faults, and the release itself (`flaws`)."""

    faults: tuple[Fault, ...] = tuple(Fault)
    flaws: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Where a run stopped for a person, and why; once for all repetitions at the same place."""

    operation: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One run, without what only a replay needs."""

    seed: int
    ending: str
    sentence: str
    virtual_s: float
    requests: int
    struck: tuple[str, ...]
    held: tuple[Held, ...]
    steps: tuple[StepTime, ...]
    margins: tuple[Margin, ...]
    violations: tuple[Violation, ...]


def plain(theirs: Theirs) -> Report:
    """The plan with nothing wrong: whether it goes at all, and how long its run is."""
    return run(plain_scenario(theirs))


def spread(report: Report) -> dict[Moment, float]:
    """How far a run goes in everything that faults are counted on."""
    intents = sum(b'"is":"OperationIntended"' in line for line in report.journal.split(b"\n"))
    return {
        Moment.SECOND: report.virtual_s,
        Moment.READ: float(report.requests - report.writes),
        Moment.WRITE: float(max(report.writes, 2)),
        Moment.CHANGE: float(max(intents, 2)),
        Moment.APPEND: float(report.records),
    }


def draw(seed: int, theirs: Theirs, far: dict[Moment, float], wanted: Wanted) -> Scenario:
    """What goes wrong in the run of this number, and when: pure, and the same for ever."""
    chance = Random(seed)
    flaw, commands_fail = Flaw.NONE, False
    if wanted.flaws and chance.random() < 0.3:
        flaw = chance.choice(list(Flaw))
        commands_fail = _runs_commands(theirs) and chance.random() < 0.5
    faults = tuple(fault for fault in wanted.faults if chance.random() < 0.2)
    blows = (
        replace(blow, at=round(blow.at * far[blow.on] / SPAN[blow.on], 1))
        for fault in faults
        for blow in blows_of(chance, fault, 3)
    )
    return replace(
        plain_scenario(theirs),
        seed=seed,
        flaw=flaw,
        commands_fail=commands_fail,
        answer=chance.choices(list(Answer), weights=[7, 3, 0])[0],
        patience_s=chance.choice((1.0, 12.0, 60.0)),
        latency_s=chance.choice((0.02, 0.05, 0.1, 0.3)),
        starts_in_s=chance.choice((0.3, 1.0, 5.0)),
        stop_takes_s=chance.choice((0.0, 1.0, 3.0)),
        safety_s=max(90.0, 1.2 * far[Moment.SECOND]),
        faults=faults,
        blows=tuple(blows),
    )


def rehearsed(
    theirs: Theirs, seeds: Iterable[int], far: dict[Moment, float], wanted: Wanted, jobs: int
) -> Iterator[Rehearsed]:
    """Each seed's run, in order."""
    yield from side_by_side(partial(_one, theirs, far, wanted), seeds, jobs)


def side_by_side(
    one: Callable[[Given], Found], items: Iterable[Given], jobs: int
) -> Iterator[Found]:
    """`one` of each item, in order, in so many processes; who has had enough need not wait for them."""
    if jobs == 1:
        yield from map(one, items)
        return
    pool = ProcessPoolExecutor(max_workers=jobs, initializer=leave_signals)
    try:
        yield from pool.map(one, items)
    except BaseException:
        for helper in active_children():
            helper.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def leave_signals() -> None:
    """An interrupt is for the process that shows the result; its helpers end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def plain_scenario(theirs: Theirs) -> Scenario:
    """Nothing goes wrong."""
    fleet = theirs.fleet
    topology = Topology(
        generation=fleet.generation,
        nodes=len(fleet.nodes),
        queues=len(fleet.queues),
        load_every_s=LOAD_EVERY_S,
    )
    return Scenario(seed=0, topology=topology, plan=PlanShape(), theirs=theirs)


def _runs_commands(theirs: Theirs) -> bool:
    return any(isinstance(step.with_, RunStep) for step in theirs.document.steps)


def _one(theirs: Theirs, far: dict[Moment, float], wanted: Wanted, seed: int) -> Rehearsed:
    report = run(draw(seed, theirs, far, wanted))
    return Rehearsed(
        seed=seed,
        ending=report.ending,
        sentence=report.sentence or report.refusal,
        virtual_s=report.virtual_s,
        requests=report.requests,
        struck=report.struck,
        held=tuple(_held(report.journal)),
        steps=report.steps,
        margins=report.margins,
        violations=report.violations,
    )


def _held(journal: bytes) -> Iterator[Held]:
    seen = set()
    for line in journal.split(b"\n")[:-1]:
        event = json.loads(line)["event"]
        place = (event.get("operation"), event.get("kind"))
        if event["is"] == "RolloutHeld" and event["kind"] != "approval" and place not in seen:
            seen.add(place)
            yield Held(operation=event["operation"], kind=event["kind"], reason=event["reason"])


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """Sums over runs."""

    runs: int = 0
    requests: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)
    steps_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    held: int = 0
    holds: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    closest: dict[str, tuple[Margin, int]] = field(default_factory=dict)
    broken: list[tuple[int, Violation]] = field(default_factory=list)
    unrestored: list[tuple[int, str]] = field(default_factory=list)

    def add(self, one: Rehearsed) -> None:
        self.runs += 1
        self.requests += one.requests
        self.endings[one.ending] += 1
        self.durations_s.append(one.virtual_s)
        self.held += bool(one.held)
        for step in one.steps:
            self.steps_s[step.step].append(step.seconds)
        for held in one.held:
            place = (held.operation, held.kind)
            self.holds[place] += 1
            self.reasons.setdefault(place, held.reason)
        for margin in one.margins:
            known = self.closest.get(margin.checker)
            if known is None or margin.spare < known[0].spare:
                self.closest[margin.checker] = (margin, one.seed)
        if one.ending in NOT_RESTORED:
            self.unrestored.append((one.seed, one.sentence))
        self.broken += [(one.seed, violation) for violation in one.violations]

    @property
    def worst_step(self) -> StepTime | None:
        """The one whose 95th percentile is longest."""
        times = (StepTime(step=step, seconds=rank(s, 95)) for step, s in self.steps_s.items())
        return max(times, key=lambda found: found.seconds, default=None)


def rank(values: list[float], percent: int) -> float:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]
