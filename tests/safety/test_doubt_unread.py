"""In doubt, and what would settle it is still being read: nobody sends anything on what nobody has seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from typing import Any, cast

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.model.events import HoldKind, OperationReapplied, Outcome
from rollout_kit.model.operation import Operation
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.registry import KINDS
from rollout_kit.ports.engine import EngineReader
from rollout_kit.ports.errors import InFlight
from rollout_kit.ports.infra import InfraReader
from rollout_kit.simulation.world import World
from tests.safety.plans import held, outcome, sentence, small
from tests.safety.test_in_doubt import (
    ASKED,
    CASES,
    FORWARD,
    KEY,
    TERMINATED,
    WORK,
    Case,
    Doubt,
    Effect,
    Killed,
    Programs,
    command,
    doubtful,
    fleet,
    killed_at_the_command,
    smoke_runs_that_hang,
)

LOOKS = 2
"""How many looks after the crash find nothing read yet."""
KNOWN = ("answers", "has_admin", "marker_attribute")
"""What is asked of nobody outside."""


class Slow(Enum):
    MEMBERSHIP = "membership"
    DRIVER = "driver"
    ALL = "everything"


class Reading:
    """A port whose reads are under way: all of them, or `only` one."""

    def __init__(self, port: object, only: str = "") -> None:
        self._port, self._only = port, only

    def __getattr__(self, name: str) -> Any:
        if name in KNOWN or self._only not in ("", name):
            return getattr(self._port, name)

        def pending(*_args: object, **_named: object) -> object:
            raise InFlight(f"{name} is being read")

        return pending


@contextmanager
def read_slowly(case: Case, slow: Slow) -> Iterator[None]:
    """The first looks at this operation see nothing of what `slow` names."""
    kind = KINDS[case.kind]
    observe = kind.observe
    blind: list[str] = []

    def look(op: Operation, readers: Readers, now_s: float) -> Seen:
        if op.id != case.operation or len(blind) == LOOKS:
            return observe(op, readers, now_s)
        blind.append(op.id)
        if slow is Slow.ALL:
            readers = replace(readers, engine=cast("EngineReader", Reading(readers.engine)))
        only = "attached" if slow is Slow.MEMBERSHIP else ""
        infra = cast("InfraReader", Reading(readers.infra, only))
        return observe(op, replace(readers, infra=infra), now_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "observe", look)
        yield
    assert blind


def sent_again(world: World) -> list[str]:
    records = (record.event for record in world.process().journal.read())
    return [event.operation for event in records if isinstance(event, OperationReapplied)]


@pytest.mark.parametrize("slow", list(Slow), ids=lambda slow: slow.value)
@pytest.mark.parametrize("effect", [Effect.NOT, Effect.DONE], ids=lambda effect: effect.value)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=str(case), marks=[pytest.mark.crash] if case.steps == WORK else [])
        for case in CASES
    ],
)
def test_what_is_still_being_read_is_waited_for_before_anything_is_sent_again(
    case: Case, effect: Effect, slow: Slow
) -> None:
    world, document = fleet(Generation.V2, case)
    if case.undo:
        world.apply(document)
    executor = world.executor(document, *((ASKED,) if case.undo else ()))
    with doubtful(case, effect, Doubt.CRASH), pytest.raises(Killed):
        executor.run()
    executor = world.executor(document)
    with read_slowly(case, slow):
        executor.run()
    expected = Outcome.ROLLED_BACK if case.undo else Outcome.SUCCEEDED
    assert outcome(executor.state) is expected, sentence(executor.state)
    assert sent_again(world) == ([] if effect is Effect.DONE else [case.operation])


@pytest.mark.parametrize("effect", [Effect.NOT, Effect.DONE], ids=lambda effect: effect.value)
def test_smoke_runs_that_cannot_be_listed_yet_are_terminated_once_they_can(effect: Effect) -> None:
    world, document = smoke_runs_that_hang()
    executor = world.executor(document, ASKED)
    with doubtful(TERMINATED, effect, Doubt.CRASH), pytest.raises(Killed):
        executor.run()
    executor = world.executor(document)
    with read_slowly(TERMINATED, Slow.ALL):
        executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK, sentence(executor.state)
    assert sent_again(world) == ([] if effect is Effect.DONE else [TERMINATED.operation])


def test_a_command_of_which_nobody_tells_yet_is_not_run_a_second_time() -> None:
    """Its supervisor died: were it begun again unasked, it would run twice."""
    world = small(Generation.V2)
    programs = Programs(world)
    document = command(world, "")
    killed_at_the_command(world, document, programs, begun=True)
    programs.lost.add(KEY)
    executor = world.executor(document)
    with read_slowly(Case("run_command", "do/command", ()), Slow.DRIVER):
        hold = held(executor.run(), executor.state)
    assert hold.kind is HoldKind.PERSON
    assert programs.ran == [FORWARD]
    assert sent_again(world) == []
