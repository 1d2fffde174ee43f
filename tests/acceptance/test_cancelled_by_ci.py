"""A CI job that is cancelled: SIGINT, SIGTERM 7.5 s later, SIGKILL 2.5 s after that.

We have to be gone after six seconds, whatever is under way, so that nobody is killed in mid append.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import (
    ENDS_WITHIN_S,
    PACE,
    PLANS,
    STATE,
    Machine,
    Ran,
    Running,
    assignments,
    ours,
    sandbox_machine,
)
from tests.acceptance.small_plan import pause, plan, touch
from tests.acceptance.stub import SlowDoor
from tests.sandbox.conftest import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.xdist_group("small-plans")]

HERE = ("--state", STATE)
CANCEL = (("SIGINT", 7.5), ("SIGTERM", 2.5), ("SIGKILL", 5.0))
UNDER_WAY = plan(touch("first", "first.txt"), pause("wait", "3s"), touch("last", "last.txt"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("cancelled"), workers=1, rate_hz=0) as found:
        yield found
        found[0].leave()


@pytest.fixture
def machine(place: tuple[Machine, SandboxInfo], tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own beside the one sandbox."""
    (tmp_path / "sandbox").symlink_to(place[1].folder)
    work = tmp_path / "work"
    work.mkdir()
    machine = Machine(work, place[0].environment)
    yield machine
    machine.leave()


@pytest.fixture
def door(place: tuple[Machine, SandboxInfo]) -> Iterator[SlowDoor]:
    """Before api-2."""
    found = SlowDoor(place[1].node_ports[1])
    yield found
    found.close()


def cancelled(running: Running) -> tuple[Ran, float]:
    """Cancel it as GitHub does; how it ended, and after how many seconds."""
    began = time.monotonic()
    for name, patience_s in CANCEL:
        running.signal(name)
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(patience_s)
            break
    return running.end(1.0), time.monotonic() - began


def is_resumable(machine: Machine, ended: tuple[Ran, float]) -> tuple[str, ...]:
    """The resume command, of a process that has ended in time and left a whole journal."""
    ran, took_s = ended
    assert took_s < ENDS_WITHIN_S, ran.both
    assert ran.code == 16, ran.both
    assert "Traceback" not in ran.both
    assert ran.last_line.startswith("next: rollout-kit resume ")
    assert machine.journal_is_whole()
    assert ours(machine.folder) == []
    return tuple(ran.last_line.removeprefix("next: rollout-kit ").split())


def intended(machine: Machine) -> list[str]:
    return [e["operation"]["id"] for e in machine.events() if e["is"] == "OperationIntended"]


def test_a_cancel_during_a_read_of_a_node_that_takes_40_s_ends_in_time_and_resume_finishes(
    machine: Machine, door: SlowDoor
) -> None:
    (machine.folder / "plan.yaml").write_text(UNDER_WAY)
    here = {"DW_API_2_URL": door.url}
    apply = machine.start("apply", "plan.yaml", *HERE, environment=here)
    machine.await_event("OperationIntended", "first/.*")
    door.slow = True
    wait_for(lambda: door.waiting, "a call to the slow node")
    resume = is_resumable(machine, cancelled(apply))

    assert intended(machine) == ["first/command"]
    door.quick()
    ended = machine.run(*resume, environment=here)
    assert ended.code == 0, ended.both
    assert intended(machine) == ["first/command", "last/command"]


def test_a_resume_that_meets_the_same_slow_node_is_cancelled_in_time_too(
    machine: Machine, door: SlowDoor
) -> None:
    (machine.folder / "plan.yaml").write_text(UNDER_WAY)
    here = {"DW_API_2_URL": door.url}
    apply = machine.start("apply", "plan.yaml", *HERE, environment=here)
    machine.await_event("OperationIntended", "first/.*")
    door.slow = True
    wait_for(lambda: door.waiting, "a call to the slow node")
    command = is_resumable(machine, cancelled(apply))
    before = len(door.waiting)
    again = machine.start(*command, environment=here)
    wait_for(lambda: len(door.waiting) > before, "a call of the resume")
    command = is_resumable(machine, cancelled(again))

    door.quick()
    assert machine.run(*command, environment=here).code == 0


@pytest.mark.timeout(300)
def test_a_cancel_in_a_stop_that_ignores_term_and_in_a_slow_write_names_what_is_open(
    place: tuple[Machine, SandboxInfo], machine: Machine
) -> None:
    info = place[1]
    front = SlowDoor(info.front_port, b"/build-ids/promote")
    here = {"DURABLE_WORKFLOW_SERVER_URL": front.url}
    variables = assignments({**info.variables, **PACE})
    argv = ("apply", str(PLANS / "rolling-upgrade.yaml"), *variables, *HERE)
    apply = machine.start(*argv, environment=here)
    machine.await_event("OperationIntended", "api/api-3/attach")
    (scheduler,) = fleet.driver_of(info).scheduler_processes()
    os.kill(scheduler.pid, signal.SIGSTOP)  # TERM does not reach it, and only KILL ends it
    machine.await_event("OperationIntended", "scheduler/stop")
    time.sleep(0.3)  # TERM is sent, and the stopping waits
    ended = cancelled(apply)
    resume = is_resumable(machine, ended)

    said = ended[0].out.splitlines()[0]
    assert "left open: scheduler/scheduler, which resume closes or undoes first" in said
    assert "still at work: scheduler/stop, which resume joins" in said

    front.slow = True
    again = machine.start(*resume, environment=here)
    wait_for(lambda: front.waiting, "the write that gives the new build its starts", 60.0)
    ended = cancelled(again)
    resume = is_resumable(machine, ended)
    assert "interrupted; in doubt: canary/share-2/" in ended[0].out.splitlines()[0]

    front.quick()  # what was sent arrives now, after its sender has gone
    ran = machine.run(*resume, environment=here)
    front.close()
    assert ran.code == 0, ran.both
    (now,) = fleet.driver_of(info).scheduler_processes()
    assert now.pid != scheduler.pid
    again_sent = [e["operation"] for e in machine.events() if e["is"] == "OperationReapplied"]
    assert "scheduler/stop" not in again_sent
