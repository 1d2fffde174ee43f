"""The program beside the fleet is no longer the one that this rollout began with: half a rollback is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.execution.executor import End, Executor
from rollout_kit.execution.putting_back import HINT
from rollout_kit.model.events import HoldKind, HoldReleased, Outcome
from rollout_kit.model.operation import InfraProgram
from rollout_kit.ports.errors import InFlight, Refused
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import World
from tests.safety.plans import SCHEMA, api, held, outcome, read, small

PROGRAM = InfraProgram(path="fleet.py", commit="abc", digest="d1")
WHY = "the program fleet.py is another one; check out commit abc"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Executor]:
    """A rollout whose first node comes up as something else; `answer` is the driver's, each time."""

    def make(answer: Callable[[], str], on_failure: str = "rollback") -> Executor:
        world = small(Generation.V2)
        world.images["server:new"] = ServerImage(version="9.9.9")
        executor = world.executor(read(world, SCHEMA, api(), on_failure=on_failure))
        _programmed(world, monkeypatch, answer)
        started = executor.state.started
        assert started is not None
        executor.state = replace(executor.state, started=replace(started, program=PROGRAM))
        return executor

    return make


def _programmed(world: World, monkeypatch: pytest.MonkeyPatch, answer: Callable[[], str]) -> None:
    for name in ("program", "binding", "output", "hold_to"):
        monkeypatch.setattr(world.fleet, name, lambda *_: None, raising=False)
    monkeypatch.setattr(world.fleet, "put_back_by", lambda _: answer(), raising=False)


def _undos(executor: Executor) -> list[str]:
    return [i for i in executor.state.operations if i.startswith("undo/")]


def test_where_nothing_can_be_put_back_a_failure_holds_before_the_first_undo(
    failing: Callable[..., Executor],
) -> None:
    executor = failing(lambda: WHY)
    hold = held(executor.run(), executor.state)
    assert hold.kind is HoldKind.FAILURE
    assert hold.operation.startswith("api/api-1/")
    assert hold.reason.endswith(f"nothing is rolled back: {WHY}")
    assert hold.hint == HINT
    assert _undos(executor) == []
    assert executor.state.rollback is None


def test_an_open_gap_is_left_as_it_is_and_said_to_be(failing: Callable[..., Executor]) -> None:
    executor = failing(lambda: WHY, on_failure="hold")
    hold = held(executor.run(), executor.state)
    assert hold.reason.endswith(f"api/api-1 is left open: {WHY}")
    assert _undos(executor) == []


def test_with_the_same_program_it_is_rolled_back_once_the_driver_can_tell(
    failing: Callable[..., Executor],
) -> None:
    asked: list[int] = []

    def answer() -> str:
        asked.append(1)
        if len(asked) < 4:
            raise InFlight("the stack is being previewed")
        return ""

    executor = failing(answer)
    assert executor.run() is End.OVER
    assert outcome(executor.state) is Outcome.ROLLED_BACK
    assert len(asked) == 4


def test_a_program_that_cannot_be_looked_at_puts_nothing_back(
    failing: Callable[..., Executor],
) -> None:
    def answer() -> str:
        raise Refused("the program fleet.py is not a Python file")

    executor = failing(answer)
    hold = held(executor.run(), executor.state)
    assert "nothing is rolled back: the program fleet.py is not a Python file" in hold.reason
    assert _undos(executor) == []


def test_once_the_program_is_back_resume_tries_again_and_rolls_back(
    failing: Callable[..., Executor],
) -> None:
    answers = [WHY, ""]
    executor = failing(lambda: answers[0])
    hold = held(executor.run(), executor.state)
    answers.pop(0)
    executor.append(HoldReleased(operation=hold.operation, actor="me"))
    executor.run()
    assert outcome(executor.state) is Outcome.ROLLED_BACK
