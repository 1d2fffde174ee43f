"""One run of the simulator, whole: topology, plan, flaws and faults, all drawn from one number."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import TypeVar

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.operation import NewBuild, OnFailure, PinnedRuns
from rollout_kit.simulation.faults import SPAN, Blow, Fault, Moment, moments_of
from rollout_kit.simulation.theirs import Theirs


class Flaw(StrEnum):
    """What is wrong with the release itself."""

    NONE = "none"
    NEVER_UP = "never-up"  # new nodes do not come up
    WRONG_VERSION = "wrong-version"  # new nodes are something else
    HANGING = "hanging"  # new workers take runs and do not end them
    BROKEN_MIGRATION = "broken-migration"


class Answer(StrEnum):
    """What the operator does about a hold, at first."""

    RESUME = "resume"
    ROLL_BACK = "roll-back"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The fleet before the rollout. `older`: builds before the current one that still have workers."""

    generation: Generation
    nodes: int = 2
    queues: int = 1
    workers: int = 1
    older: int = 0
    pinned_runs: int = 0  # open for weeks, on the current build
    older_runs: int = 0  # of 8 s each, on each of the older builds
    load_every_s: float = 6.0

    @property
    def queue_names(self) -> tuple[str, ...]:
        return tuple(f"queue-{number}" for number in range(1, self.queues + 1))

    @property
    def older_builds(self) -> tuple[str, ...]:
        return tuple(f"build-0{number}" for number in range(1, self.older + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShape:
    """The plan document, as choices; `plan_text.py` writes it out. Steps stand in this order."""

    bootstrap: bool = True
    api: bool = True
    scheduler: bool = False
    canary: bool = False
    smoke: bool = False
    shares: tuple[int, ...] = (100,)
    """Per cent, of the canary; none: the `promote` step gives the new build its starts."""
    promote: bool = False
    drain: bool = False
    verify: bool = False
    approval_after: int | None = None
    """An approval stands after so many of the other steps."""
    pause_after: int | None = None
    gates: bool = False
    bake_s: int = 1
    on_failure: OnFailure = OnFailure.ROLLBACK
    drain_holds: bool = True
    pinned_runs: PinnedRuns = PinnedRuns.WAIT
    rollback_pinned_runs: PinnedRuns = PinnedRuns.WAIT
    new_build: NewBuild = NewBuild.FINISH
    forward_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that makes a run what it is. The same scenario gives the same journal, byte by byte.

    `faults`: the options that were switched on. `blows` fall in the safety phase, the first
    `safety_s` seconds. `theirs`: a user's own plan and fleet instead of the drawn ones. `rolls_back_after`:
    a person asks for a rollback as soon as this step is through; `commands_fail`: those of `run` steps.
    """

    seed: int
    topology: Topology
    plan: PlanShape
    flaw: Flaw = Flaw.NONE
    answer: Answer = Answer.RESUME
    patience_s: float = 5.0
    """After how long the operator answers a hold or approves, and starts a tool that died."""
    latency_s: float = 0.05
    """What each request of the tool takes at least."""
    starts_in_s: float = 0.3
    """How long a node takes to come up."""
    stop_takes_s: float = 0.0
    """How long a stopped scheduler's process lives on."""
    safety_s: float = 40.0
    roll_back_at_end: bool = False
    """A person asks for a rollback of the finished rollout."""
    faults: tuple[Fault, ...] = ()
    blows: tuple[Blow, ...] = ()
    theirs: Theirs | None = field(default=None, repr=False)
    commands_fail: bool = False
    rolls_back_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What `draw` may draw. `faults`: these kinds only, each switched on with this `chance`.

    `blows`: at most so many of each kind.
    """

    nodes: int = 12
    queues: int = 6
    cohorts: int = 4
    faults: tuple[Fault, ...] = tuple(Fault)
    chance: float = 0.25
    blows: int = 3
    flaws: bool = True


T = TypeVar("T")
WHATEVER = Limits()


def draw(seed: int, limits: Limits = WHATEVER) -> Scenario:
    """The scenario of this number: pure, and the same for ever."""
    chance = Random(seed)
    topology = _topology(chance, limits)
    plan = _plan(chance, topology)
    flaw = Flaw.NONE
    if limits.flaws and chance.random() < 0.3:
        flaw = chance.choice(list(Flaw))
    faults = tuple(fault for fault in limits.faults if chance.random() < limits.chance)
    return Scenario(
        seed=seed,
        topology=topology,
        plan=plan,
        flaw=flaw,
        answer=_weighted(chance, {Answer.RESUME: 6, Answer.ROLL_BACK: 3, Answer.ABORT: 1}),
        patience_s=chance.choice((0.5, 2.0, 6.0)),
        latency_s=chance.choice((0.05, 0.1, 0.2, 0.4)),
        starts_in_s=chance.choice((0.1, 0.3, 1.0, 4.0)),
        stop_takes_s=chance.choice((0.0, 0.0, 1.0, 3.0)),
        roll_back_at_end=chance.random() < 0.15,
        faults=faults,
        blows=tuple(blow for fault in faults for blow in blows_of(chance, fault, limits.blows)),
    )


def _topology(chance: Random, limits: Limits) -> Topology:
    nodes = _weighted(chance, {1: 24, 2: 58, 3: 12, 4: 3, 6: 1, 9: 1, 12: 1})
    queues = _weighted(chance, {1: 49, 2: 45, 3: 3, 4: 2, 6: 1})
    cohorts = _weighted(chance, {1: 80, 2: 14, 3: 4, 4: 2})
    older = min(cohorts, limits.cohorts) - 1
    return Topology(
        generation=chance.choice(list(Generation)),
        nodes=min(nodes, limits.nodes),
        queues=min(queues, limits.queues),
        workers=_weighted(chance, {1: 60, 2: 30, 3: 10}),
        older=older,
        pinned_runs=_weighted(chance, {0: 85, 1: 10, 3: 5}),
        older_runs=chance.choice((0, 1, 2)) if older else 0,
        load_every_s=chance.choice((8.0, 15.0, 30.0)),
    )


def _plan(chance: Random, topology: Topology) -> PlanShape:
    server = chance.choice(("none", "none", "bootstrap", "api", "all"))
    workers = chance.choice(("none", "none", "canary", "promote", "drain"))
    if server == "none" and workers == "none":
        server = "api"
    canary = workers != "none"
    smoke = canary and chance.random() < 0.4
    shares: tuple[int, ...] = (100,)
    if topology.generation is Generation.V0_2 and topology.nodes > 1 and chance.random() < 0.4:
        shares = (50, 100)
    promote = workers == "promote" or (workers == "drain" and chance.random() < 0.3)
    forward_only = chance.random() < 0.06
    failing = {OnFailure.ROLLBACK: 75, OnFailure.HOLD: 17, OnFailure.ABORT: 8}
    if forward_only:
        failing = {OnFailure.HOLD: 1}
    long_runs = topology.pinned_runs > 0
    departure = {PinnedRuns.WAIT: 1 if long_runs else 6, PinnedRuns.KEEP: 2, PinnedRuns.STRAND: 2}
    return PlanShape(
        bootstrap=server != "none",
        api=server in ("api", "all"),
        scheduler=server == "all",
        canary=canary,
        smoke=smoke or (canary and promote),
        shares=() if promote else shares,
        promote=promote,
        drain=workers == "drain",
        verify=chance.random() < 0.3,
        approval_after=chance.randrange(4) if chance.random() < 0.2 else None,
        pause_after=chance.randrange(4) if chance.random() < 0.15 else None,
        gates=chance.random() < 0.4,
        bake_s=chance.choice((0, 1, 2)),
        on_failure=_weighted(chance, failing),
        drain_holds=chance.random() < 0.5,
        pinned_runs=_weighted(chance, departure),
        rollback_pinned_runs=chance.choice((PinnedRuns.WAIT, PinnedRuns.KEEP)),
        new_build=_weighted(chance, {NewBuild.FINISH: 3, NewBuild.FREEZE: 1}),
        forward_only=forward_only,
    )


def blows_of(chance: Random, fault: Fault, at_most: int) -> tuple[Blow, ...]:
    found = []
    for _ in range(chance.randint(1, max(1, at_most))):
        moment = chance.choice(moments_of(fault))
        at = chance.random() * SPAN[moment]
        found.append(
            Blow(
                fault=fault,
                on=moment,
                at=round(at, 1) if moment is Moment.SECOND else float(int(at)),
                lasting_s=round(chance.choice((0.5, 2.0, 6.0, 12.0)) * (0.5 + chance.random()), 1),
                amount=float(chance.choice((1, 1, 2, 5))),
                target=chance.randrange(12),
            )
        )
    return tuple(found)


def _weighted(chance: Random, weights: dict[T, int]) -> T:
    return chance.choices(list(weights), weights=list(weights.values()))[0]
