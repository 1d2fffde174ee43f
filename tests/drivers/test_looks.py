"""How long the answer of a script is everybody's."""

from __future__ import annotations

import threading

import pytest

from rollout_kit.drivers.command import looks
from rollout_kit.drivers.command.looks import Looks
from rollout_kit.ports.errors import InFlight


class Script:
    """Answers with how often it was asked; each answer takes `takes_s` of its clock."""

    def __init__(self, takes_s: float) -> None:
        self.now_s = 0.0
        self.takes_s = takes_s
        self.asked = 0
        self.may_answer = threading.Event()

    def ask(self) -> int:
        assert self.may_answer.wait(60)
        self.asked += 1
        self.now_s += self.takes_s
        return self.asked


def test_who_comes_again_gets_the_answer_that_took_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for every few seconds, it would else be stale each time, and asked for again for ever."""
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(looks, "JOINED_WAIT_S", 60.0)
    script = Script(takes_s=10.0)
    found = Looks("it", script.ask, lambda: script.now_s)
    with pytest.raises(InFlight):
        found.get()
    script.may_answer.set()
    assert found.get() == 1
    script.now_s = 19.9
    assert found.get() == 1
    script.now_s = 20.0
    script.may_answer.clear()
    with pytest.raises(InFlight):
        found.get()
    script.may_answer.set()
    assert found.get() == 2


def test_a_quick_answer_is_good_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "FIRST_WAIT_S", 60.0)
    script = Script(takes_s=0.0)
    script.may_answer.set()
    found = Looks("it", script.ask, lambda: script.now_s)
    assert found.get() == 1
    script.now_s = 0.9
    assert found.get() == 1
    script.now_s = 1.0
    assert found.get() == 2
