"""A rollout at a terminal: what is drawn there, and what is asked of who sits at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import STATE, Machine, beside, sandbox_machine
from tests.acceptance.screen import HIDE_CURSOR, SHOW_CURSOR, Screen
from tests.acceptance.small_plan import approval, pause, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("terminal")]

HERE = ("--state", STATE)
QUESTION = "n leaves it held"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("screen"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.fixture
def machine(fleet: Machine, tmp_path: Path) -> Iterator[Machine]:
    with beside(fleet, tmp_path) as machine:
        yield machine


@pytest.fixture
def screens() -> Iterator[list[Screen]]:
    started: list[Screen] = []
    yield started
    for screen in started:
        screen.leave()


@pytest.fixture
def asked(machine: Machine, screens: list[Screen]) -> Screen:
    """A rollout that asks a question."""
    steps = (
        touch("first", machine.folder / "first.txt"),
        approval("ask"),
        touch("last", machine.folder / "last.txt"),
    )
    (machine.folder / "plan.yaml").write_text(plan(*steps))
    screen = sit_at(machine, screens, "apply", "plan.yaml")
    screen.await_text(QUESTION)
    return screen


def sit_at(machine: Machine, screens: list[Screen], *argv: str, columns: int = 80) -> Screen:
    screen = Screen(
        *argv,
        *HERE,
        folder=machine.folder,
        environment=machine.environment,
        columns=columns,
        rows=24,
    )
    screens.append(screen)
    return screen


def test_the_live_view_keeps_to_its_width_also_after_a_resize_and_leaves_nothing_behind(
    machine: Machine, screens: list[Screen]
) -> None:
    (machine.folder / "plan.yaml").write_text(
        plan(
            touch("first", machine.folder / "first.txt"), pause("wait", "3s"), pause("again", "3s")
        )
    )
    screen = sit_at(machine, screens, "apply", "plan.yaml", columns=120)
    screen.await_text("baking")
    assert max(map(len, screen.lines)) <= 120
    before = len(screen.lines)
    screen.resize(60, 20)
    screen.await_text("… again/bake (")

    assert screen.end() == 0
    drawn = screen.lines[: screen.lines.index("✓ Succeeded: every operation is done")]
    assert max(map(len, drawn[before + 20 :])) <= 60
    assert screen.written.rfind(SHOW_CURSOR) > screen.written.rfind(HIDE_CURSOR) >= 0
    assert "✓  first  first  1/1" in screen.lines
    end = screen.written.rpartition("Succeeded: every operation is done")[2]
    assert "\x1b[" not in end  # the board is gone for good


def test_a_person_at_the_terminal_is_asked_and_their_yes_is_as_good_as_approve(
    machine: Machine, asked: Screen
) -> None:
    shown = asked.written.partition("‖ Go on?")[2]
    assert "then last: last (1 operation)" in shown
    assert f"rollout-kit approve ask/ask {' '.join(HERE)}" in shown
    asked.type("perhaps\n")
    asked.await_text("type `y` and why, or `n`")
    asked.type("y the canary is clean\n")

    assert asked.end() == 0
    given = next(event for event in machine.events() if event["is"] == "ApprovalGiven")
    assert (given["actor"], given["because"]) == ("ada", "the canary is clean")
    held = next(event for event in machine.events() if event["is"] == "RolloutHeld")
    assert given["fingerprint"] == held["fingerprint"] != ""


def test_a_no_leaves_it_held_and_resume_asks_again(
    machine: Machine, asked: Screen, screens: list[Screen]
) -> None:
    asked.type("n\n")
    assert asked.end() == 12
    assert "‖ Held: Go on?" in asked.lines
    assert not (machine.folder / "last.txt").exists()

    again = sit_at(machine, screens, "resume")
    again.await_text(QUESTION)
    again.type("yes\n")
    assert again.end() == 0
    assert "✓  first  first  1/1" in again.lines  # what was before is on the board


def test_another_terminal_may_answer_meanwhile(machine: Machine, asked: Screen) -> None:
    approved = machine.run("approve", *HERE, "--because", "from afar")
    assert approved.code == 0, approved.both
    assert asked.end() == 0
    assert "approved by ada: from afar" in asked.written


def test_an_interrupt_ends_the_question_at_once(asked: Screen) -> None:
    asked.type("\x03")
    assert asked.end(6.0) == 16
    assert "next: rollout-kit resume small-" in asked.written
