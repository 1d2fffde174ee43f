"""What is sent: only by who holds the lock, once, under one key, and never over somebody else's word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End, Executor
from rollout_kit.journal.memory_lock import MemoryLock
from rollout_kit.model.events import (
    BaselineTaken,
    Event,
    HoldKind,
    OperationCompleted,
    OperationIntended,
    OperationReapplied,
    Outcome,
    RollbackStarted,
)
from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.errors import Conflict, InFlight, NotYet, OutsideError, Unavailable
from rollout_kit.ports.infra import JobState, JobStatus
from rollout_kit.ports.journal import LockLost
from rollout_kit.simulation.world import OLD, World
from rollout_kit.transport.messages import Request
from tests.execution.story import intended, op, started
from tests.execution.story import state as story
from tests.rollout.test_whole_rollout import Killed
from tests.safety.moments import at_record
from tests.safety.people import approve, resume
from tests.safety.plans import SCHEDULER, SCHEMA, api, canary, drain, held, outcome, read, small

DETACH = "api/api-1/detach"


def two(world: World) -> tuple[Executor, MemoryLock]:
    """An executor for a small plan, and its lock."""
    process = world.process()
    assert isinstance(process.lock, MemoryLock)
    document = read(world, SCHEMA, api(), on_failure="hold")
    return process.executor(document, rollout="r-1"), process.lock


def events(world: World) -> tuple[Event, ...]:
    return tuple(record.event for record in world.process().journal.read())


def sent(world: World, operation: str) -> list[str]:
    return [key for key, _ in world.fleet.begun if f"/{operation}/" in key]


class NotYetKnown(MemoryLock):
    """Somebody else has it, and the next renewal would be told so."""

    def is_lost(self) -> bool:
        return False


def test_who_lost_the_lock_journals_no_intent() -> None:
    world = small(Generation.V2)
    lock = NotYetKnown()
    lock.lost = "somebody has taken this target over"
    process = replace(world.process(), lock=lock)
    executor = process.executor(read(world, SCHEMA, api(), on_failure="hold"), rollout="r-1")
    with pytest.raises(LockLost):
        executor.run()
    assert BaselineTaken in map(type, events(world))
    assert not any(isinstance(event, OperationIntended) for event in events(world))
    assert world.fleet.begun == []


def test_who_loses_the_lock_behind_the_intent_sends_nothing() -> None:
    world = small(Generation.V2)
    executor, lock = two(world)

    def lose() -> None:
        lock.lost = "somebody has taken this target over"

    at_record(executor, DETACH, lose, word="OperationIntended")
    with pytest.raises(LockLost):
        executor.run()
    assert sent(world, DETACH) == []
    assert world.fleet.nodes["api-1"].attached


def test_a_signal_behind_the_intent_comes_before_the_effect() -> None:
    world = small(Generation.V2)
    executor, _ = two(world)

    def interrupt() -> None:
        world.clock.stop = True

    at_record(executor, DETACH, interrupt, word="OperationIntended")
    assert executor.run() is End.INTERRUPTED
    assert sent(world, DETACH) == []
    assert world.fleet.nodes["api-1"].attached


def test_a_signal_before_the_intent_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small(Generation.V2)
    executor, _ = two(world)
    signal_at_the_look(world, monkeypatch)
    assert executor.run() is End.INTERRUPTED
    intents = [one.operation.id for one in events(world) if isinstance(one, OperationIntended)]
    assert intents == ["schema/run", "schema/ledger"]


def test_what_a_signal_keeps_from_being_sent_again_is_not_told_as_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = small(Generation.V2)
    document = read(world, SCHEMA, api())

    def die(key: str) -> None:
        if f"/{DETACH}/" in key:
            raise Killed

    world.fleet.before_begin = die
    with pytest.raises(Killed):
        world.apply(document)
    executor = world.executor(document)
    signal_at_the_look(world, monkeypatch)
    assert executor.run() is End.INTERRUPTED
    assert again(world) == []
    assert executor.state.operations[DETACH].reapplied == 0


def signal_at_the_look(world: World, patch: pytest.MonkeyPatch) -> None:
    """A signal comes while it is looked at what a detach is about."""
    kind = KINDS["detach_node"]
    observe = kind.observe

    def look(op: Operation, readers: Readers, now_s: float) -> Seen:
        world.clock.stop = True
        return observe(op, readers, now_s)

    patch.setattr(kind, "observe", look)


def again(world: World) -> list[str]:
    return [one.operation for one in events(world) if isinstance(one, OperationReapplied)]


@pytest.mark.parametrize("error", [NotYet, InFlight])
def test_what_is_known_not_to_be_sent_is_sent_as_often_as_there_is_time(
    error: type[OutsideError],
) -> None:
    world = small(Generation.V2)
    kept: list[str] = []

    def keep_back(key: str) -> None:
        if f"/{DETACH}/" in key and len(kept) < 8:
            kept.append(key)
            raise error("what it starts from is still being read")

    world.fleet.before_begin = keep_back
    _, state = world.apply(read(world, SCHEMA, api()))
    assert outcome(state) is Outcome.SUCCEEDED
    assert len(kept) == 8
    assert again(world) == []


def test_an_undo_that_somebody_else_keeps_out_is_sent_once_they_have_gone() -> None:
    world = small(Generation.V2)
    document = read(world, SCHEMA, api())
    world.apply(document)
    kept: list[str] = []

    def held_by_another(key: str) -> None:
        if "/undo/api/api-1/attach/" in key and len(kept) < 8:
            kept.append(key)
            raise Conflict("the stack is held by somebody else")

    world.fleet.before_begin = held_by_another
    _, state = world.apply(document, RollbackStarted(cause="asked", actor="me"))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert len(kept) == 8
    assert again(world) == []


def test_what_is_lost_after_it_was_kept_back_counts_as_sent() -> None:
    world = small(Generation.V2)
    tried: list[str] = []

    def lose(key: str) -> None:
        if f"/{DETACH}/" in key:
            tried.append(key)
            raise NotYet("not now") if len(tried) == 1 else Unavailable("it was reset")

    world.fleet.before_begin = lose
    _, state = world.apply(read(world, SCHEMA, api()))
    assert outcome(state) is Outcome.ROLLED_BACK
    assert again(world) == [DETACH] * 5
    assert len(tried) == 7


def test_what_is_seen_to_be_there_is_not_sent_again() -> None:
    """Killed behind each effect, before its record: the next process looks, and finds it."""
    world = small(Generation.V2)
    document = read(world, SCHEMA, api(), SCHEDULER)
    killed: set[str] = set()

    def die(key: str) -> None:
        if key not in killed:
            killed.add(key)
            raise Killed

    world.fleet.after_begin = die
    for _ in range(30):
        try:
            _, state = world.apply(document)
            break
        except Killed:
            world.clock.sleep(0.5)
    assert outcome(state) is Outcome.SUCCEEDED
    keys = [key for key, _ in world.fleet.begun]
    assert len(killed) > 8
    assert sorted(keys) == sorted(killed), "each was begun once"
    assert not any(isinstance(event, OperationReapplied) for event in events(world))


def test_what_never_arrives_is_sent_five_times_more_and_has_failed() -> None:
    world = small(Generation.V2)
    tried: list[str] = []

    def refuse(key: str) -> None:
        if f"/{DETACH}/" in key:
            tried.append(key)
            raise Unavailable("the connection was reset")

    world.fleet.before_begin = refuse
    _, state = world.apply(read(world, SCHEMA, api()))
    assert outcome(state) is Outcome.ROLLED_BACK
    again = [event.n for event in events(world) if isinstance(event, OperationReapplied)]
    assert again == [1, 2, 3, 4, 5]
    assert len(tried) == 6
    assert len(set(tried)) == 1


def test_the_work_that_a_dead_process_began_is_found_under_its_key() -> None:
    """It still goes on when the next process attaches: that one waits for its end."""
    world = small(Generation.V2)
    document = read(world, SCHEMA, api())
    killed: list[str] = []

    def die(key: str) -> None:
        if f"/{DETACH}/" in key and not killed:
            killed.append(key)
            world.fleet.jobs[key] = JobStatus(state=JobState.RUNNING)
            raise Killed

    world.fleet.after_begin = die
    with pytest.raises(Killed):
        world.apply(document)
    done_at_s = world.clock.elapsed_s + 5.0
    live = world.clock.live

    def finish() -> None:
        live()
        if world.clock.elapsed_s >= done_at_s:
            world.fleet.jobs[killed[0]] = JobStatus(state=JobState.SUCCEEDED)

    world.clock.live = finish
    executor = world.executor(document)
    completed: list[float] = []
    at_record(
        executor,
        DETACH,
        lambda: completed.append(world.clock.elapsed_s),
        word="OperationCompleted",
    )
    executor.run()
    assert outcome(executor.state) is Outcome.SUCCEEDED
    assert completed[0] >= done_at_s
    assert sent(world, DETACH) == killed


def test_a_server_that_is_silent_for_a_while_fails_nothing() -> None:
    """Of a queue that gives no answer nobody can say whether its build may be drained."""
    world = small(Generation.V2)
    document = read(world, canary("orders"), drain("orders"), server="", on_failure="hold")
    executor = world.executor(document)
    silent_until_s: list[float] = []

    def hush(request: Request) -> None:
        if (
            silent_until_s
            and world.clock.elapsed_s < silent_until_s[0]
            and "/build-ids" in request.url
        ):
            raise Unavailable("the connection was reset")

    world.before_request = hush
    append = executor.append

    def appending(event: Event) -> None:
        append(event)
        if isinstance(event, OperationCompleted) and event.operation == "drain/orders/quiesced":
            silent_until_s.append(world.clock.elapsed_s + 8.0)

    executor.append = appending  # type: ignore[method-assign]
    executor.run()
    assert silent_until_s
    assert outcome(executor.state) is Outcome.SUCCEEDED, executor.state.hold
    assert world.cohorts("orders")[OLD]["drain_intent"] == "draining"


def test_a_conflict_inside_a_group_closes_the_gap_before_it_holds() -> None:
    world = small(Generation.V2)

    def held_by_another(key: str) -> None:
        if "/api/api-1/replace/" in key:
            raise Conflict("the stack is held by somebody else")

    world.fleet.before_begin = held_by_another
    end, state = world.apply(read(world, SCHEMA, api()))
    assert held(end, state).kind is HoldKind.FAILURE
    assert all(node.attached for node in world.fleet.nodes.values())


def test_an_approval_of_another_attempt_does_not_count() -> None:
    world = small(Generation.V2)
    document = read(
        world, SCHEMA, "{id: ask, uses: approval, with: {prompt: go on?, within: 10m}}", api()
    )
    _, state = world.apply(document)
    approve(world, state)
    (record,) = world.people.records
    world.people.records = (replace(record, attempt=record.attempt + 1),)
    assert held(*world.apply(document)).kind is HoldKind.APPROVAL
    world.people.records = (record,)
    _, state = world.apply(document)
    assert outcome(state) is Outcome.SUCCEEDED


def test_what_this_rollout_has_done_with_a_node_is_not_its_own_for_ever() -> None:
    """A person takes a node out that this rollout has brought back: that is theirs."""
    world = small(Generation.V2)
    document = read(world, SCHEMA, api(), SCHEDULER)
    executor = world.executor(document)

    def take_out() -> None:
        world.fleet.nodes["api-1"].attached = False

    at_record(executor, "api/api-2/attach", take_out, word="OperationCompleted")
    hold = held(executor.run(), executor.state)
    assert hold.kind is HoldKind.DRIFT
    assert [found.fact for found in hold.differences] == ["node/api-1/attached"]
    world.fleet.nodes["api-1"].attached = True
    _, state = resume(world, document, executor.state)
    assert outcome(state) is Outcome.SUCCEEDED


def test_the_first_before_image_stands_in_later_attempts_too() -> None:
    operation = op("api/api-1/replace")
    first = intended(operation, before={"node/api-1/image": "old"})
    second = intended(operation, before={"node/api-1/image": "new"})
    found = story(started(operation), first, second).operations[operation.id].intended
    assert found is not None
    assert found.before == {"node/api-1/image": "old"}
