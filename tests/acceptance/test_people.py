"""Two terminals, one fleet: who may do what while somebody else runs a rollout."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import STATE, Machine, beside, ours, sandbox_machine
from tests.acceptance.small_plan import approval, pause, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small-plans")]

HERE = ("--state", STATE)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with sandbox_machine(tmp_path_factory.mktemp("people"), workers=1, rate_hz=0) as (machine, _):
        yield machine


@pytest.fixture
def machine(fleet: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own beside the one sandbox."""
    with beside(fleet, tmp_path) as machine:
        yield machine


def test_a_rollout_waits_for_a_yes_and_goes_on_with_it(machine: Machine) -> None:
    steps = (
        touch("first", machine.folder / "first.txt"),
        approval("ask"),
        touch("last", machine.folder / "last.txt"),
    )
    (machine.folder / "plan.yaml").write_text(plan(*steps))

    held = machine.run("apply", "plan.yaml", *HERE)
    assert held.code == 12, held.both
    assert held.last_line == f"next: rollout-kit approve ask/ask {' '.join(HERE)}"
    assert machine.run("apply", "plan.yaml", *HERE).code == 12  # nothing has changed

    approved = machine.run("approve", "ask/ask", *HERE, "--because", "looks fine")
    assert approved.code == 0, approved.both
    done = machine.run("apply", "plan.yaml", *HERE)
    assert done.code == 0, done.both
    given = next(event for event in machine.events() if event["is"] == "ApprovalGiven")
    assert (given["actor"], given["because"]) == ("ada", "looks fine")


def test_a_running_rollout_can_be_watched_and_stopped_from_another_terminal(
    machine: Machine,
) -> None:
    (machine.folder / "plan.yaml").write_text(
        plan(touch("first", machine.folder / "first.txt"), pause("wait", "60s"))
    )
    (machine.folder / "other.yaml").write_text(
        plan(touch("other", machine.folder / "other.txt"), pause("wait", "60s"), name="other")
    )
    apply = machine.start("apply", "plan.yaml", *HERE)
    machine.await_event("OperationAwaited", "wait/bake")

    status = machine.run("status", *HERE)
    assert status.code == 0
    assert status.out.splitlines()[0].endswith("on sandbox: running")
    assert re.search(rf"run by ada \(process {apply.process.pid} on ", status.out)
    body = json.loads(machine.run("status", *HERE, "--output", "json").out)
    assert body["type"] == "status"

    second = machine.start("apply", "plan.yaml", *HERE)
    assert second.process.stderr is not None
    told = second.process.stderr.readline()  # at once; the end follows when the holder has moved
    assert second.process.poll() is None
    assert re.fullmatch(
        rf"warning: ada \(process {apply.process.pid} on .*\) holds this target since 2.*Z, "
        r"for small-.*; watching for up to 1m whether it lives\n",
        told,
    ), told
    another = machine.run("apply", "other.yaml", *HERE)
    assert another.code == 15, another.both
    assert "is unfinished, from another plan" in another.both
    locked = second.end()
    assert locked.code == 15, locked.both
    assert f"ada (process {apply.process.pid} on " in locked.both
    assert "rollout-kit status" in locked.both

    assert machine.journal_is_whole()
    assert "wait/bake" in machine.run("journal", "show", *HERE).out
    exported = machine.run("journal", "export", *HERE).out.splitlines()
    assert [json.loads(line)["event"]["is"] for line in exported][:2] == [
        "RolloutStarted",
        "Attached",
    ]

    nothing_to_approve = machine.run("approve", *HERE)
    assert nothing_to_approve.code == 5
    asked = machine.run("abort", *HERE, "--because", "lunch")
    assert asked.code == 0, asked.both
    ran = apply.end(20)
    assert ran.code == 1, ran.both
    assert "aborted by ada: lunch" in ran.out
    assert ours(machine.folder) == []

    over = machine.run("abort", *HERE)
    assert over.code == 5, over.both
    rolled_back = machine.run("rollback", machine.events()[0]["rollout"], *HERE)
    assert rolled_back.code == 10, rolled_back.both
    assert not (machine.folder / "first.txt").exists()


def test_a_running_rollout_holds_when_somebody_asks_and_goes_on_when_resumed(
    machine: Machine,
) -> None:
    steps = (
        touch("first", machine.folder / "first.txt"),
        pause("wait", "4s"),
        touch("last", machine.folder / "last.txt"),
    )
    (machine.folder / "plan.yaml").write_text(plan(*steps))
    apply = machine.start("apply", "plan.yaml", *HERE)
    machine.await_event("OperationAwaited", "wait/bake")

    asked = machine.run("hold", *HERE, "--because", "the pager rang")
    assert asked.code == 0, asked.both
    assert asked.out.startswith(f"asked ada (process {apply.process.pid} on ")
    held = apply.end(20)
    assert held.code == 12, held.both
    assert "Held: ada: the pager rang" in held.out
    rollout = machine.events()[0]["rollout"]
    assert held.last_line == f"next: rollout-kit resume {rollout} {' '.join(HERE)}"
    assert not (machine.folder / "last.txt").exists()

    again = machine.run("hold", *HERE)
    assert (again.code, again.out.splitlines()[0]) == (
        0,
        f"nobody runs {rollout}: it stands still already",
    )
    done = machine.run("resume", *HERE)
    assert done.code == 0, done.both
    assert machine.run("hold", *HERE).code == 5


def test_a_killed_rollout_is_aborted_and_another_plan_may_begin_at_once(machine: Machine) -> None:
    (machine.folder / "plan.yaml").write_text(
        plan(touch("first", machine.folder / "first.txt"), pause("wait", "60s"))
    )
    (machine.folder / "other.yaml").write_text(
        plan(touch("other", machine.folder / "other.txt"), name="other")
    )
    apply = machine.start("apply", "plan.yaml", *HERE)
    machine.await_event("OperationAwaited", "wait/bake")
    apply.kill()

    assert machine.run("status", *HERE).out.splitlines()[0].endswith("interrupted")
    assert machine.run("apply", "other.yaml", *HERE).code == 15
    aborted = machine.run("abort", *HERE, "--because", "no time")
    assert aborted.code == 0, aborted.both
    other = machine.run("apply", "other.yaml", *HERE)
    assert other.code == 0, other.both
    assert machine.run("unlock", *HERE).out == "sandbox is not locked\n"


def test_an_incomplete_rollback_is_taken_up_again_once_its_cause_is_mended(
    machine: Machine,
) -> None:
    steps = (
        touch("first", machine.folder / "first.txt"),
        touch("last", machine.folder / "last.txt"),
    )
    (machine.folder / "plan.yaml").write_text(plan(*steps))
    assert machine.run("apply", "plan.yaml", *HERE).code == 0
    rollout = machine.events()[0]["rollout"]
    first, last = machine.folder / "first.txt", machine.folder / "last.txt"
    assert first.exists()

    first.unlink()  # its undo removes it, and cannot
    incomplete = machine.run("rollback", rollout, *HERE)
    assert incomplete.code == 11, incomplete.both
    assert "undo/first/command/1" in incomplete.both
    assert not last.exists()

    first.touch()
    again = machine.run("rollback", rollout, *HERE)
    assert again.code == 10, again.both
    assert not first.exists()


def test_a_command_that_failed_runs_again_when_it_is_resumed(machine: Machine) -> None:
    there, made = machine.folder / "there.txt", machine.folder / "made.txt"
    step = f"{{id: copy, uses: run, with: {{command: [cp, {there}, {made}], undo: [rm, {made}]}}}}"
    (machine.folder / "plan.yaml").write_text(
        plan(step).replace("on_failure: rollback", "on_failure: hold")
    )
    held = machine.run("apply", "plan.yaml", *HERE)
    assert held.code == 12, held.both
    assert "there.txt" in held.out

    there.touch()
    done = machine.run("resume", *HERE)
    assert done.code == 0, done.both
    assert made.exists()
