"""A driver that cannot say what a plan would change, and a first answer that is slow to come."""

from __future__ import annotations

import pytest

from rollout_kit.drivers.absent import AbsentDriver
from rollout_kit.execution.preview import Preview, PreviewOperation, PreviewStep
from rollout_kit.model.operation import Change, ChangeKind
from rollout_kit.planning.api import Problem
from rollout_kit.ports.errors import InFlight, Refused, Trouble, Unavailable
from rollout_kit.wiring.announcing import announced, await_answers
from rollout_kit.wiring.review import review
from tests.journal.cases import VirtualClock
from tests.operations.ports import fleet
from tests.operations.test_scheduler_kinds import STOP
from tests.planning.fleets import document

CANNOT = Refused("the passphrase is wrong", hint="set it", trouble=Trouble.AUTH)


def test_what_keeps_the_driver_from_announcing_comes_before_what_may_follow_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = fleet()

    def refuse(*_: object) -> tuple[()]:
        raise CANNOT

    monkeypatch.setattr(type(world), "announce", refuse)
    item = PreviewOperation(
        operation=STOP, change=Change(kind=ChangeKind.UPDATE, sentence="stop it"), undo=""
    )
    step = PreviewStep(id="sched", title="", uses="", notes=(), operations=(item,))
    follows = Problem(summary="Node cannot be judged", detail="")
    found = Preview(
        target="t", plan="p", digest="", fingerprint="", steps=(step,), problems=(follows,)
    )
    first, second = announced(found, world.readers(), VirtualClock()).problems
    assert first.summary == "what this plan would change cannot be announced"
    assert (first.detail, first.hint) == (CANNOT.message, CANNOT.hint)
    assert second is follows


@pytest.mark.parametrize("error", [CANNOT, Unavailable("no answer", trouble=Trouble.NETWORK)])
def test_an_engine_that_cannot_be_asked_ends_a_preview_at_once(
    error: Refused | Unavailable, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = fleet()
    monkeypatch.setattr(type(world), "hold_to", lambda *_: None, raising=False)
    world.driver_fails = error
    with pytest.raises(type(error)) as raised:
        await_answers(world, VirtualClock())
    assert raised.value is error


def test_a_scheduler_that_alone_cannot_be_read_ends_no_preview(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = fleet()
    monkeypatch.setattr(type(world), "hold_to", lambda *_: None, raising=False)
    world.driver_fails = Unavailable("the scheduler is not what the program says")
    await_answers(world, VirtualClock())


def test_a_driver_that_waits_for_a_variable_ends_no_preview() -> None:
    """What it feeds is judged at `apply`, where the variable has to be set."""
    await_answers(AbsentDriver("FLEET is not set", unset=True), VirtualClock())


def test_a_first_answer_that_is_under_way_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary server has been seen to take 40 s."""
    world = fleet()
    answers = iter((InFlight("under way for 4.7 s"), InFlight("under way for 9.7 s"), CANNOT))

    def queues(*_: object) -> None:
        raise next(answers)

    monkeypatch.setattr(type(world), "queues", queues, raising=False)
    with pytest.raises(Refused) as raised:
        review(document(), world.readers(), VirtualClock(), ())
    assert raised.value is CANNOT
