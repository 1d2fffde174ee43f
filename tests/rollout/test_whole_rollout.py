"""A whole rollout, in both generations, with work going on: forward, back, killed, resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.emulator.store import write_log
from rollout_kit.execution.executor import End
from rollout_kit.journal.memory_journal import MemoryStore as JournalStore
from rollout_kit.model.events import HoldKind, HoldReleased, Outcome, RollbackStarted
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.state import RolloutState
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import CohortSpec
from rollout_kit.reporters.before_and_now import before_and_now
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import NEW, OLD, QUEUES, TO, World, cohort
from rollout_kit.transport.messages import Request

BOTH = pytest.mark.parametrize("generation", list(Generation), ids=lambda g: g.value)


class Killed(BaseException):
    """kill -9."""


def outcome(state: RolloutState) -> Outcome:
    assert state.finished is not None, state.hold
    return state.finished.outcome


def picture(world: World) -> object:
    """What a fleet is, as far as a rollback has to restore it."""
    return {
        "nodes": {n: (node.spec, node.attached) for n, node in world.fleet.nodes.items()},
        "scheduler": world.fleet.scheduler,
        "cohorts": {
            ref.path: (found.spec.image, found.spec.replicas)
            for ref, found in world.fleet.cohorts.items()
            if found.spec.replicas
        },
        "selected": {
            queue: [b for b, row in world.cohorts(queue).items() if row.get("new_start_selected")]
            for queue in QUEUES
        },
    }


@BOTH
def test_forward_ends_with_everything_new_and_nothing_lost(generation: Generation) -> None:
    world = World(generation)
    end, state = world.apply(world.document())
    assert (end, outcome(state)) == (End.OVER, Outcome.SUCCEEDED)
    assert {node.spec.image for node in world.fleet.nodes.values()} == {"server:new"}
    assert all(node.attached for node in world.fleet.nodes.values())
    assert world.fleet.scheduler is not None
    assert world.fleet.scheduler.image == "server:new"
    for queue in QUEUES:
        assert len(world.fleet.cohorts[cohort(queue, NEW)].workers) == 2
        assert world.fleet.cohorts[cohort(queue, OLD)].workers == []
        assert world.cohorts(queue)[OLD]["drain_intent"] == "draining"
    assert world.lost() == []
    completed = [w for w in world.started if _status(world, w) == "completed"]
    assert len(completed) > 10


@BOTH
def test_a_fleet_that_is_already_there_has_an_empty_preview(generation: Generation) -> None:
    world = World(generation)
    world.apply(world.document())
    again = world.preview(world.document())
    assert (again.changes, again.problems) == (0, ())


@BOTH
def test_preview_reads_only_and_names_every_step(generation: Generation) -> None:
    world = World(generation)
    world.load = False
    before = list(write_log(world.store))
    sent: list[str] = []
    world.before_request = lambda request: sent.append(request.method)
    found = world.preview(world.document())
    assert set(sent) == {"GET"}
    assert list(write_log(world.store)) == before
    assert world.fleet.begun == []
    assert [step.id for step in found.steps] == [
        "schema",
        "api",
        "scheduler",
        "canary",
        "drain",
        "verify",
    ]
    assert all(step.operations for step in found.steps)
    assert found.problems == ()


@BOTH
def test_a_node_of_the_wrong_version_brings_everything_back(generation: Generation) -> None:
    world = World(generation)
    before = picture(world)
    world.images["server:new"] = ServerImage(version="9.9.9")
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.ROLLED_BACK
    assert picture(world) == before
    assert {row.comparison.word for row in before_and_now(state)} == {"equal"}
    assert "9.9.9" in state.finished.sentence  # type: ignore[union-attr]
    assert TO[generation] in state.finished.sentence  # type: ignore[union-attr]
    assert world.lost() == []


@BOTH
def test_a_node_that_never_comes_up_brings_everything_back(generation: Generation) -> None:
    world = World(generation)
    before = picture(world)
    world.images["server:new"] = ServerImage(version=TO[generation], comes_up=False)
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.ROLLED_BACK
    assert picture(world) == before


@BOTH
def test_a_failing_bootstrap_touches_no_node(generation: Generation) -> None:
    world = World(generation)
    before = picture(world)
    world.fleet.fail_job = "bootstrap"
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.ROLLED_BACK
    assert picture(world) == before
    assert "migration broke" in state.finished.sentence  # type: ignore[union-attr]


@BOTH
def test_a_build_that_hangs_is_left_with_its_runs_and_named(generation: Generation) -> None:
    world = World(generation)
    world.fleet.hangs[NEW] = frozenset({"short", "long"})
    _, state = world.apply(world.document(open_runs_at_most="1", bake="15s", rollback_within="60s"))
    assert outcome(state) in (Outcome.ROLLED_BACK_WITH_RESIDUE, Outcome.ROLLBACK_INCOMPLETE)
    assert world.lost() == []
    assert any(NEW in text for text in (*state.finished.residue, state.finished.sentence))  # type: ignore[union-attr]


@BOTH
def test_the_same_plan_applies_again_after_its_own_rollback(generation: Generation) -> None:
    world = World(generation)
    good = world.images["server:new"]
    world.images["server:new"] = replace(good, version="9.9.9")
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.ROLLED_BACK
    world.images["server:new"] = good
    world.journal = JournalStore()
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    assert world.lost() == []


@BOTH
def test_a_finished_rollout_can_be_rolled_back(generation: Generation) -> None:
    world = World(generation)
    before = picture(world)
    document = world.document()
    world.apply(document)
    _, state = world.apply(document, RollbackStarted(cause="asked", actor="me"))
    assert outcome(state) is Outcome.ROLLED_BACK, state.finished
    assert picture(world) == before
    assert world.lost() == []


@pytest.mark.crash
@BOTH
def test_killed_before_and_after_every_append_it_ends_the_same(generation: Generation) -> None:
    """One rollout, killed twice at each of its records, taken up again each time."""
    world = World(generation)
    document = world.document()
    executor = world.executor(document)
    kills = 0
    seen: set[tuple[str, str, bool]] = set()
    while True:
        journal = executor.shell.journal
        append = journal.append

        def killing(event: object, append: Callable[..., object] = append) -> object:
            nonlocal kills
            name = getattr(getattr(event, "operation", ""), "id", getattr(event, "operation", ""))
            for after in (False, True):
                point = (type(event).__name__, str(name), after)
                if point not in seen:
                    seen.add(point)
                    kills += 1
                    if after:
                        append(event)
                    raise Killed
            return append(event)

        journal.append = killing  # type: ignore[method-assign,assignment]
        try:
            executor.run()
            break
        except Killed:
            world.clock.sleep(0.5)
            executor = world.executor(document)
    assert kills > 150
    assert outcome(executor.state) is Outcome.SUCCEEDED
    assert {node.spec.image for node in world.fleet.nodes.values()} == {"server:new"}
    assert world.lost() == []


@pytest.mark.crash
@BOTH
def test_killed_during_every_step_of_a_rollback_it_still_restores(generation: Generation) -> None:
    world = World(generation)
    before = picture(world)
    document = world.document()
    world.apply(document)
    executor = world.executor(document, RollbackStarted(cause="asked", actor="me"))
    seen: set[tuple[str, str]] = set()
    while True:
        journal = executor.shell.journal
        append = journal.append

        def killing(event: object, append: Callable[..., object] = append) -> object:
            name = getattr(getattr(event, "operation", ""), "id", getattr(event, "operation", ""))
            point = (type(event).__name__, str(name))
            if point not in seen:
                seen.add(point)
                append(event)
                raise Killed
            return append(event)

        journal.append = killing  # type: ignore[method-assign,assignment]
        try:
            executor.run()
            break
        except Killed:
            world.clock.sleep(0.5)
            executor = world.executor(document)
    assert outcome(executor.state) is Outcome.ROLLED_BACK, executor.state.finished
    assert picture(world) == before
    assert world.lost() == []


@BOTH
@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_first_answer_to_a_write_is_lost(generation: Generation, moment: str) -> None:
    """A request that never arrived, and one whose answer never came: both are looked at first."""
    world = World(generation)
    lost: set[str] = set()

    def lose(request: Request) -> None:
        if request.method == "POST" and request.label not in lost:
            lost.add(request.label)
            raise Unavailable("the connection was reset")

    if moment == "before":
        world.before_request = lose
    else:
        world.after_request = lose
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    assert lost
    assert world.lost() == []


def test_a_cohort_drained_by_somebody_else_stops_the_rollout() -> None:
    world = World()
    document = world.document()
    executor = world.executor(document)
    live = world.clock.glance

    def meddle() -> None:
        live()
        if world.fleet.nodes["api-2"].spec.image == "server:new":
            world.clock.glance = live
            world.control("POST", "/api/task-queues/orders/build-ids/drain", {"build_id": OLD})

    world.clock.glance = meddle
    assert executor.run() is End.HELD
    hold = executor.state.hold
    assert hold is not None
    assert hold.kind is HoldKind.DRIFT
    assert any(d.fact.endswith("/drain_intent") for d in hold.differences), hold
    assert all(node.attached for node in world.fleet.nodes.values()), (
        "the open gap was closed first"
    )


def test_a_hold_is_released_by_resume_and_goes_on() -> None:
    world = World()
    document = world.document(drain_within="7s")
    world.start("pinned-for-long", "long", "orders")
    end, state = world.apply(document)
    assert end is End.HELD
    assert state.hold is not None
    assert state.hold.operation.startswith("drain/")
    held_at = state.hold.operation
    for _ in range(60):
        end, state = world.apply(document, HoldReleased(operation=held_at, actor="me"))
        if end is not End.HELD:
            break
        assert state.hold is not None
        held_at = state.hold.operation
    assert outcome(state) is Outcome.SUCCEEDED


def test_a_second_live_build_that_nobody_named_is_left_alone() -> None:
    world = World()
    other = CohortRef(namespace="default", task_queue="orders", build_id="build-0")
    world.fleet.start_cohort(other, CohortSpec(image="orders:old", replicas=1))
    world.clock.sleep(3.0)
    _, state = world.apply(world.document())
    assert outcome(state) is Outcome.SUCCEEDED, state.finished
    assert len(world.fleet.cohorts[other].workers) == 1
    assert world.cohorts("orders")["build-0"]["drain_intent"] == "active"


def _status(world: World, workflow_id: str) -> str:
    answer = world.control("GET", f"/api/workflows/{workflow_id}")
    assert answer is not None
    return str(json.loads(answer.payload)["status"])
