"""Whoever ends `apply` early gets the resume command, a whole journal and nothing half done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import ENDS_WITHIN_S, STATE, Machine, beside, ours, sandbox_machine
from tests.acceptance.small_plan import pause, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small-plans")]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("interrupts"), workers=1, rate_hz=0) as (
        machine,
        _,
    ):
        yield machine


@pytest.fixture
def machine(fleet: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own beside the one sandbox."""
    with beside(fleet, tmp_path) as machine:
        first = touch("first", machine.folder / "first.txt")
        steps = (first, pause("wait", "50s"), touch("last", "last.txt"))
        (machine.folder / "plan.yaml").write_text(plan(*steps))
        yield machine


APPLY = ("apply", "plan.yaml", "--state", STATE)


def test_each_signal_ends_a_long_wait_with_the_resume_command_and_resume_goes_on(
    machine: Machine,
) -> None:
    command: tuple[str, ...] = APPLY
    for attached, name in enumerate(("SIGINT", "SIGTERM", "SIGHUP"), start=1):
        running = machine.start(*command)
        machine.await_event("OperationAwaited", "wait/bake")
        machine.await_event("Attached", times=attached)  # the lock was free
        began = time.monotonic()
        running.signal(name)
        ran = running.end()

        assert time.monotonic() - began < ENDS_WITHIN_S
        assert ran.code == 16, ran.both
        assert ran.last_line.startswith("next: rollout-kit resume small-")
        assert machine.journal_is_whole()
        assert ours(machine.folder) == []
        command = tuple(ran.last_line.removeprefix("next: rollout-kit ").split())
    assert [event["is"] for event in machine.events()].count("OperationIntended") == 1


def test_github_sends_int_then_term_then_kill_and_the_journal_survives_all(
    machine: Machine,
) -> None:
    apply = machine.start(*APPLY)
    machine.await_event("OperationIntended", "first/.*")
    for name in ("SIGINT", "SIGINT", "SIGTERM"):  # people press it twice; TERM comes 7.5 s later
        apply.signal(name)
    ran = apply.end(7.5)

    assert ran.code == 16, ran.both
    assert machine.journal_is_whole()


def test_a_reader_that_went_away_ends_the_output_and_not_the_rollout(machine: Machine) -> None:
    apply = machine.start(*APPLY)
    assert apply.process.stdout is not None
    assert apply.process.stderr is not None
    apply.process.stdout.close()
    apply.process.stderr.close()
    apply.process.stdout = apply.process.stderr = None
    machine.await_event("OperationAwaited", "wait/bake")
    time.sleep(1.5)
    assert apply.process.poll() is None
    began = time.monotonic()
    apply.signal("SIGTERM")
    assert apply.end().code == 16
    assert time.monotonic() - began < ENDS_WITHIN_S
    assert machine.journal_is_whole()


def test_an_interrupt_before_anything_was_written_leaves_nothing_to_resume(
    machine: Machine,
) -> None:
    apply = machine.start(*APPLY)
    maps = Path(f"/proc/{apply.process.pid}/maps")
    while "_json" not in maps.read_text():  # before its first line Python answers for itself
        time.sleep(0.005)
    apply.signal("SIGINT")
    ran = apply.end(ENDS_WITHIN_S)

    assert "Traceback" not in ran.both
    assert ran.code in (16, -2), ran.both
    assert not (machine.folder / "first.txt").exists()
