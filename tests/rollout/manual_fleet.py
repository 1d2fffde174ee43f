"""Whoever changes a manual fleet: does what the journal says was asked, to the emulated fleet itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rollout_kit.document.plan import PlanDocument
from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End
from rollout_kit.model import codec
from rollout_kit.model.asked import pending
from rollout_kit.model.events import Event, HoldKind, PersonAsked
from rollout_kit.model.state import RolloutState, evolve
from rollout_kit.ports.approvals import PersonRecord, PersonSaid
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetScheduler,
)
from rollout_kit.simulation.site import NEW_SERVER, NEW_WORKERS, OLD_SERVER, OLD_WORKERS
from rollout_kit.simulation.world import World

BY_HAND = "by-hand-"
"""How the keys begin under which people change the fleet."""
TIMES = {
    "drain_within": "300s",
    "rollback_within": "300s",
    "gate_within": "60s",
}


def manual_world(generation: Generation, **shape: object) -> World:
    return World(generation, **shape)  # type: ignore[arg-type]


def gitops(world: World, **variables: str) -> PlanDocument:
    return world.document("gitops.yaml", **(TIMES | variables))


@dataclass
class Person:
    """Does what was asked `after_s` seconds later, and says so where nothing shows it.

    `refuses`: operations that they leave undone. `instead`: what they do in place of it.
    """

    world: World
    after_s: float = 2.0
    refuses: Callable[[str], bool] = lambda _: False
    silent: bool = False
    instead: Callable[[str, InfraChange], InfraChange] = lambda _, change: change
    done: list[str] = field(default_factory=list)
    _attending: bool = False
    _looked_at_s: float = -1.0
    _read: int = 0
    _state: RolloutState = field(default_factory=RolloutState)
    _seen_at_s: dict[tuple[str, int, str], float] = field(default_factory=dict)
    _did: set[tuple[str, int]] = field(default_factory=set)
    _said: set[tuple[str, int, str]] = field(default_factory=set)

    def attend(self) -> None:
        """Look at the journal whenever time passes."""
        live = self.world.clock.live

        def both() -> None:
            live()
            self.look()

        self.world.clock.live = both

    def look(self) -> None:
        if self.world.clock.elapsed_s < self._looked_at_s + 0.5:
            return
        self._looked_at_s = self.world.clock.elapsed_s
        state = self.state()
        for asked in pending(state):  # of what is being put back nothing is wanted any more
            name = asked.operation.id
            if self.refuses(name):
                continue
            mark = (name, asked.attempt, asked.fingerprint)
            since_s = self._seen_at_s.setdefault(mark, self.world.clock.elapsed_s)
            if self.world.clock.elapsed_s - since_s >= self.after_s:
                self.comply(state, name, asked)
        held = state.hold
        if held is not None and held.kind is HoldKind.PERSON and not self.silent:
            attempt = state.attempt(held.operation)
            if not self.refuses(held.operation) and held.operation not in state.asked:
                self.say(state, held.operation, attempt, held.fingerprint)

    def approve_hold(self) -> None:
        """A word for what the rollout holds for now."""
        state = self.state()
        if state.hold is not None:
            attempt = state.attempt(state.hold.operation)
            self.say(state, state.hold.operation, attempt, state.hold.fingerprint)

    def attend_once(self) -> None:
        """From the next sleep on, as `attend`; said once however often it is called."""
        if not self._attending:
            self._attending = True
            self.attend()

    def state(self) -> RolloutState:
        records = self.world.process().journal.read()
        for record in records[self._read :]:
            self._state = evolve(self._state, record)
        self._read = len(records)
        return self._state

    def comply(self, state: RolloutState, name: str, asked: PersonAsked) -> None:
        if asked.change is not None and (name, asked.attempt) not in self._did:
            self._did.add((name, asked.attempt))
            self.done.append(name)
            change = codec.from_json(InfraChange, asked.change)
            self.change(self.instead(name, change))
        if asked.request.word and not self.silent:
            held = state.hold if state.hold and state.hold.operation == name else None
            self.say(state, name, asked.attempt, held.fingerprint if held else asked.fingerprint)

    def say(self, state: RolloutState, name: str, attempt: int, fingerprint: str) -> None:
        """As `rollout-kit approve` does it."""
        assert state.started is not None
        mark = (name, attempt, fingerprint)
        if mark in self._said:
            return
        self._said.add(mark)
        record = PersonRecord(
            said=PersonSaid.PROVE,
            operation=name,
            attempt=attempt,
            digest=state.started.digest,
            fingerprint=fingerprint,
            actor="ann",
            because="looked at it",
            at=self.world.clock.now(),
        )
        self.world.people.records = (*self.world.people.records, record)

    def change(self, change: InfraChange) -> None:
        fleet = self.world.fleet
        key = f"{BY_HAND}{len(self.done)}"
        match change:
            case ReplaceNode():
                old = fleet.nodes[change.node].spec
                spec = replace(old, image=_server(change.spec.image), marker=change.spec.marker)
                fleet.begin(key, ReplaceNode(node=change.node, spec=spec))
            case SetScheduler(spec=ProcessSpec() as wanted):
                environment = {"SCHEDULER_TICK_SECONDS": "1"}
                spec = replace(wanted, image=_server(wanted.image), environment=environment)
                fleet.begin(key, SetScheduler(spec=spec))
            case SetCohort():
                image = NEW_WORKERS if change.spec.image == NEW_WORKERS else OLD_WORKERS
                workers = CohortSpec(image=image, replicas=change.spec.replicas)
                fleet.begin(key, SetCohort(cohort=change.cohort, spec=workers))
            case SetScheduler() | RunJob():
                fleet.begin(key, change)
            case _:
                raise AssertionError(f"nobody asks for {change} in these tests")


def _server(image: str) -> str:
    return NEW_SERVER if image == NEW_SERVER else OLD_SERVER


def attended(world: World, document: PlanDocument, *events: Event) -> tuple[End, RolloutState]:
    """`apply --wait`."""
    executor = world.executor(document, *events, wait=True)
    return executor.run(), executor.state
