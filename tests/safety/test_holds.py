"""Where a rollout stops and waits for a person: what it says, and how it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End
from rollout_kit.model.events import HoldKind, OperationFailed, Outcome
from rollout_kit.ports.approvals import PersonSaid
from rollout_kit.ports.errors import Unavailable
from rollout_kit.simulation.world import World
from rollout_kit.transport.messages import Request
from tests.safety.people import approve, resume, say
from tests.safety.plans import (
    SCHEMA,
    api,
    held,
    outcome,
    read,
    sentence,
    small,
)

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)
APPROVAL = '{id: ask, uses: approval, with: {prompt: "Go on?", within: 10s}}'


def asking(world: World) -> tuple[str, ...]:
    return (SCHEMA, APPROVAL, api())


# --- approvals ------------------------------------------------------------------------------------


def test_an_approval_lets_it_go_on_without_resume() -> None:
    world = small(Generation.V2)
    document = read(world, *asking(world))
    hold = held(*world.apply(document))
    assert (hold.kind, hold.reason) == (HoldKind.APPROVAL, "Go on?")
    _, state = world.apply(document)
    assert state.hold is not None, "nobody has approved: `apply` repeats the hold"
    approve(world, state)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED
    assert [given.actor for given in state.approvals.values()] == ["ann"]


def test_an_approval_is_void_once_the_fleet_has_moved_and_a_new_one_counts() -> None:
    world = small(Generation.V2)
    document = read(world, *asking(world))
    _, state = world.apply(document)
    approve(world, state)
    world.fleet.nodes["api-2"].attached = False
    hold = held(*world.apply(document))
    assert hold.kind is HoldKind.APPROVAL, "what was approved is not what would be done"
    assert hold.reason == (
        "Go on? - asked again: what ann said is void, for the fleet has changed since:"
        " node/api-2/attached: expected yes, found no"
    )
    assert held(*world.apply(document)) == hold, "asked once for each fleet"
    world.fleet.nodes["api-2"].attached = True
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED, "the fleet is what was approved again"


def test_a_void_approval_is_asked_for_again_and_a_new_one_is_bound_to_the_fleet_as_it_is() -> None:
    world = small(Generation.V2)
    document = read(world, *asking(world))
    _, state = world.apply(document)
    approve(world, state)
    spec = world.fleet.nodes["api-2"].spec
    theirs = {**spec.environment, "LOG_LEVEL": "debug"}
    world.fleet.start_node("api-2", replace(spec, environment=theirs))
    world.clock.sleep(2.0)
    _, state = world.apply(document)
    approve(world, state)
    end, state = world.apply(document)
    assert [given.actor for given in state.approvals.values()] == ["ann"]
    drifted = held(end, state)
    assert drifted.kind is HoldKind.DRIFT, "that it may go on is no word on what somebody changed"
    _, state = resume(world, document, state, accept=True)
    assert outcome(state) is Outcome.SUCCEEDED


def test_a_void_approval_does_not_hide_the_valid_one_after_it() -> None:
    world = small(Generation.V2)
    document = read(world, *asking(world))
    _, state = world.apply(document)
    assert state.hold is not None
    say(
        world,
        state,
        PersonSaid.APPROVE,
        operation=state.hold.operation,
        fingerprint="of another fleet",
    )
    approve(world, state)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED


def test_an_approval_of_another_plan_does_not_count() -> None:
    world = small(Generation.V2)
    document = read(world, *asking(world))
    _, state = world.apply(document)
    approve(world, state)
    (record,) = world.people.records
    world.people.records = (replace(record, digest="another plan"),)
    assert held(*world.apply(document)).kind is HoldKind.APPROVAL


@pytest.mark.parametrize("waiting", [False, True], ids=["exits", "waits"])
def test_an_approval_that_nobody_gives_fails_by_the_wall_clock_once(waiting: bool) -> None:
    world = small(Generation.V2)
    document = read(world, SCHEMA, APPROVAL, api(), on_failure="rollback")
    if not waiting:
        held(*world.apply(document))
        world.clock.elapsed_s += 11.0
    executor = world.executor(document, wait=waiting)
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK
    assert "nobody approved within 10 s" in sentence(executor.state)
    failures = [r for r in executor.shell.journal.read() if isinstance(r.event, OperationFailed)]
    assert len(failures) == 1
    assert {n.spec.image for n in world.fleet.nodes.values()} == {"server:old"}


# --- gates that cannot be measured ----------------------------------------------------------------

GATE = "  quick: {metric: tasks.lease_expired, at_most: 0, for: 2s, within: 4s, interval: 1s}"


def blind(world: World) -> None:
    """From now on nobody can read operator metrics."""

    def refuse(request: Request) -> None:
        if "operator-metrics" in request.url:
            raise Unavailable("metrics are down")

    world.before_request = refuse


def at_the_gate(world: World, text: str = "quick") -> None:
    """Break the metrics as soon as the first node is back."""
    live = world.clock.glance

    def watch() -> None:
        live()
        if world.fleet.nodes["api-1"].spec.image == "server:new":
            blind(world)
            world.clock.glance = live

    world.clock.glance = watch


GATED = api(more=", gates: [quick]")
NO_METRICS = "  repair-near-baseline: {off: 'the metrics are what breaks here'}"


@BOTH
def test_a_gate_that_cannot_be_measured_holds_and_is_judged_anew_on_resume(
    generation: Generation,
) -> None:
    world = small(generation)
    document = read(world, SCHEMA, GATED, gates=GATE, guards=NO_METRICS)
    at_the_gate(world)
    end, state = world.apply(document)
    hold = held(end, state)
    assert hold.kind is HoldKind.INCONCLUSIVE
    assert "quick" in hold.reason
    world.before_request = lambda _: None
    _, state = resume(world, document, state)
    assert outcome(state) is Outcome.SUCCEEDED


@BOTH
@pytest.mark.parametrize("seen", ["nothing", "good", "bad"])
def test_a_gate_whose_time_is_over_at_a_late_resume_fails_only_for_what_it_measures(
    generation: Generation, seen: str
) -> None:
    """Its attended time is used up; the one fresh look that is taken first decides what that means."""
    world = small(generation)
    source = "cohort: open_pinned_runs, task_queue: orders, build: build-1"
    source = source if seen == "bad" else "metric: tasks.lease_expired"
    gate = f"  quick: {{{source}, at_most: 0, for: 30s, within: 31s, interval: 1s}}"
    document = read(world, SCHEMA, GATED, gates=gate, guards=NO_METRICS)
    executor = world.executor(document)
    live = world.clock.glance

    def interrupt() -> None:
        live()
        world.clock.stop = "api/api-1/gate/quick" in executor.state.operations

    world.clock.glance = interrupt
    assert executor.run() is End.INTERRUPTED
    world.clock.glance, world.clock.stop = live, False
    again = world.executor(document)
    world.clock.elapsed_s += 200.0
    if seen == "nothing":
        blind(world)
    if seen == "bad":
        world.start("late", "long", "orders")
    end = again.run()
    if seen == "bad":
        assert outcome(again.state) is Outcome.ROLLED_BACK
        assert "not done after 20" in sentence(again.state)
        return
    hold = held(end, again.state)
    assert (hold.kind, hold.operation) == (HoldKind.INCONCLUSIVE, "api/api-1/gate/quick")
    assert "not done after 20" in hold.reason
    world.before_request = lambda _: None
    _, state = resume(world, document, again.state)
    assert outcome(state) is Outcome.SUCCEEDED


def test_a_gate_that_was_measured_bad_to_the_end_fails() -> None:
    world = small(Generation.V2)
    bad = GATE.replace(
        "metric: tasks.lease_expired", "cohort: active_workers, task_queue: orders, build: build-1"
    )
    _, state = world.apply(read(world, SCHEMA, GATED, gates=bad))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert "orders@build-1: 1, to be at most 0" in sentence(state)
