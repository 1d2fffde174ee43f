"""Whole rollouts through a stack: the real SDK, the stand-in engine, the emulated server."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi.marks import Marks
from rollout_kit.drivers.work import processes
from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import (
    ENDS_WITHIN_S,
    STATE,
    Machine,
    Running,
    beside,
    sandbox_machine,
)
from tests.drivers.pulumi.lab import until
from tests.drivers.pulumi.rolling import (
    PROGRAM,
    Controller,
    bring_up,
    in_environment,
    plan,
    rolled,
)
from tests.standin.fixtures import Cli, install

pytestmark = [
    pytest.mark.processes,
    pytest.mark.crash,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("pulumi-rollout"),
]
WITHIN_S = 600.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("rolled"), workers=1, rate_hz=0) as found:
        yield found


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return install(tmp_path / "pulumi")


@pytest.fixture
def stack(
    fleet: tuple[Machine, SandboxInfo], tmp_path: Path, cli: Cli, request: pytest.FixtureRequest
) -> Iterator[tuple[Machine, Controller]]:
    """A stack that describes the fleet; with `configuration` of a test's parameter."""
    configuration = getattr(request, "param", {})
    with (
        beside(fleet[0], tmp_path) as machine,
        rolled(machine, fleet[1], cli, **configuration) as found,
    ):
        yield found


def test_killed_in_the_middle_it_goes_on_and_its_rollback_leaves_the_stack_as_it_was(
    stack: tuple[Machine, Controller], cli: Cli
) -> None:
    machine, _ = stack
    before = _recorded(cli)

    running = machine.start("apply", "plan.yaml", "--state", STATE)
    machine.await_event("OperationIntended", "api/api-1/replace", within_s=WITHIN_S)
    running.kill()
    done = machine.run("resume", "--state", STATE, within_s=WITHIN_S)
    assert done.code == 0, done.both
    assert machine.events()[-1]["outcome"] == "succeeded"
    (started,) = [one for one in machine.events() if one["is"] == "RolloutStarted"]
    assert started["program"]["path"].endswith(PROGRAM.name)
    said = {one["operation"]: one for one in started["announced"]}
    assert _names(said["api/api-1/replace"]) == [("node-api-1", "replace")]
    assert _names(said["api/api-1/detach"]) == [("front-api-1", "update")]
    assert "node-api-1" in {
        name for name, thing in _recorded(cli).items() if thing != before.get(name)
    }

    back = machine.run("rollback", started["rollout"], "--state", STATE, within_s=WITHIN_S)
    assert back.code == 10, back.both
    assert _without_jobs(_recorded(cli)) == before
    assert cli.locks(project="rolled_fleet") == []


def test_without_a_count_a_persons_word_comes_before_the_scheduler_is_touched(
    tmp_path: Path, cli: Cli
) -> None:
    """Asked in the gap, where nobody attends, it had waited in vain and put everything back.

    On a fleet of its own: it stays on the new release.
    """
    with (
        sandbox_machine(tmp_path / "own", workers=1, rate_hz=0) as (first, info),
        beside(first, tmp_path) as made,
        rolled(made, info, cli) as (machine, controller),
    ):
        text = (machine.folder / "plan.yaml").read_text()
        handover = "  - {id: sched, uses: scheduler-handover, with: {overdue_at_most: 60s}}\n"
        (machine.folder / "plan.yaml").write_text(text + handover)
        before = controller.fleet.scheduler_spec()
        assert before is not None

        held = machine.run("apply", "plan.yaml", "--state", STATE, within_s=WITHIN_S)
        assert held.code == 12, held.both
        assert "a person has to see that the scheduler is stopped and that none of it" in held.both
        assert controller.fleet.scheduler_spec() == before

        said = machine.run("approve", "sched/stop", "--because", "I shall", "--state", STATE)
        assert said.code == 0, said.both
        done = machine.run("resume", "--state", STATE, within_s=WITHIN_S)
        assert done.code == 0, done.both
        now = controller.fleet.scheduler_spec()
        assert now is not None
        assert now.image != before.image


@pytest.mark.parametrize("stack", [{"entangled": "yes"}], indirect=True)
def test_what_would_touch_a_foreign_resource_is_refused_before_anything_is_written(
    stack: tuple[Machine, Controller], cli: Cli, fleet: tuple[Machine, SandboxInfo]
) -> None:
    machine, _ = stack
    before = _recorded(cli)
    seen = machine.run("preview", "plan.yaml")
    assert seen.code == 13, seen.both
    assert "beyond what it may touch: update Thing entangled (value)" in seen.out
    refused = machine.run("apply", "plan.yaml", "--state", STATE)
    assert refused.code == 13, refused.both
    assert "api/api-1/detach: update Thing entangled (value)" in refused.both
    assert machine.events() == []
    assert _recorded(cli) == before
    allowed = plan(fleet[1], cli, more='  allow: ["*::entangled"]')
    (machine.folder / "plan.yaml").write_text(allowed)
    assert machine.run("preview", "plan.yaml").code == 0


@pytest.mark.parametrize(
    ("stack", "sentence"),
    [
        ({"lacks": "nodes"}, "reads nodes (for "),
        ({"lacks": "membership"}, "nodes/api-1/membership (for "),
    ],
    indirect=["stack"],
)
def test_a_program_without_the_contract_is_refused_with_the_list_and_doctor_says_the_same(
    stack: tuple[Machine, Controller], sentence: str
) -> None:
    machine, _ = stack
    seen = machine.run("apply", "plan.yaml", "--state", STATE)
    assert seen.code == 1, seen.both
    assert sentence in seen.both
    checked = machine.run("doctor", "plan.yaml", "--output", "json")
    assert checked.code == 8, checked.both
    found = {one["what"]: one for one in json.loads(checked.out)["findings"]}
    assert sentence in found["stack contract"]["sentence"]
    assert found["backend and stack"]["health"] == "ok"
    assert machine.events() == []


NOWHERE = "file:///nowhere/at/all"


@pytest.mark.parametrize(
    ("environment", "of_the_plan", "code", "said"),
    [
        ({"PATH": "/usr/bin:/bin"}, {}, 5, "there is no Pulumi CLI: pulumi is not on PATH"),
        ({}, {"stack: dev": "stack: nope"}, 5, "the backend has no stack nope"),
        (
            {"PULUMI_CONFIG_PASSPHRASE": "another"},
            {},
            4,
            "the passphrase is not the one with which the stack's secrets were written",
        ),
        (
            {"PULUMI_BACKEND_URL": NOWHERE},
            {},
            5,
            f"there is no folder for the state at {NOWHERE}",
        ),
    ],
)
def test_an_engine_that_cannot_be_asked_is_said_in_place_of_all_that_follows_from_it(
    stack: tuple[Machine, Controller],
    environment: dict[str, str],
    of_the_plan: dict[str, str],
    code: int,
    said: str,
) -> None:
    """It was the last of a list that began with what each node runs and advised to accept that."""
    machine, _ = stack
    _rewrite(machine, of_the_plan)
    for command in (("preview", "plan.yaml"), ("apply", "plan.yaml", "--state", STATE)):
        ran = machine.run(*command, environment=environment)
        assert ran.code == code, ran.both
        assert f"error: {said}" in ran.both
        assert "unread-node-specs" not in ran.both
    assert machine.events() == []


def test_a_saved_preview_is_bound_to_the_stack_and_doctor_finds_all_in_order(
    stack: tuple[Machine, Controller], cli: Cli
) -> None:
    machine, _ = stack
    checked = machine.run("doctor", "plan.yaml")
    assert checked.code == 0, checked.both
    assert "✓ stack contract" in checked.out
    assert "✓ node api-3" in checked.out
    saved = machine.run("preview", "plan.yaml", "--save", "seen.json")
    assert saved.code == 0, saved.both
    with in_environment(machine.environment):
        bring_up(cli, {"foreign": "of another team"})
    stale = machine.run("apply", "plan.yaml", "--state", STATE, "--preview", "seen.json")
    assert stale.code == 14, stale.both
    assert "the infrastructure's stack has moved" in stale.both
    assert "stack state: was " in stale.both
    assert "stack configuration rolled_fleet:foreign: was not there" in stale.both
    assert machine.events() == []


def _names(announced: dict[str, list[str]]) -> list[tuple[str, str]]:
    pairs = zip(announced["resources"], announced["kinds"], strict=True)
    return [(urn.rpartition("::")[2], kind) for urn, kind in pairs]


def _recorded(cli: Cli) -> dict[str, object]:
    resources = cli.checkpoint(project="rolled_fleet")["resources"]
    return {
        one["urn"].rpartition("::")[2]: one["inputs"]
        for one in resources
        if one["type"] == "lab:index:Thing"
    }


@pytest.mark.parametrize(
    ("slow_s", "said", "ways"),
    [
        (
            1.0,
            "cut off: api/api-1/replace, where resume looks what came of it",
            {"resume": 0, "rollback": 10},
        ),
        (
            15.0,
            "asked to end: api/api-1/replace, whose end resume awaits",
            {"rollback": 10},
        ),
    ],
)
def test_a_cancelled_ci_job_ends_the_update_under_way_with_one_signal_and_both_ways_are_open(
    stack: tuple[Machine, Controller], cli: Cli, slow_s: float, said: str, ways: dict[str, int]
) -> None:
    machine, _ = stack
    before = _recorded(cli)
    running = _in_mid_update(machine, cli, slow_s)
    began = time.monotonic()
    running.signal("SIGTERM")
    ended = running.end(ENDS_WITHIN_S)
    assert time.monotonic() - began < ENDS_WITHIN_S, ended.both
    assert ended.code == 16, ended.both
    assert said in ended.both
    assert "left open: api/api-1" in ended.both
    until(lambda: _update_pid(machine) is None)
    (asked,) = machine.folder.rglob("interrupted-*")
    assert asked.exists()
    cli.faults()
    for way, code in ways.items():
        rollout = machine.events()[0]["rollout"]
        done = machine.run(way, rollout, "--state", STATE, within_s=WITHIN_S)
        assert done.code == code, done.both
        assert cli.locks(project="rolled_fleet") == []
        assert not cli.checkpoint(project="rolled_fleet").get("pending_operations")
    assert _without_jobs(_recorded(cli)) == before


def test_a_lock_that_is_forced_open_ends_the_update_under_way(
    stack: tuple[Machine, Controller], cli: Cli
) -> None:
    machine, _ = stack
    before = _recorded(cli)
    running = _in_mid_update(machine, cli, 25.0)
    bob = {"ROLLOUT_KIT_ACTOR": "bob"}
    forced = machine.run(
        *("unlock", "--target", "rolled", "--force", "--because", "it hangs", "--state", STATE),
        environment=bob,
    )
    assert "stack dev is held by " in forced.out
    assert ": ours and alive" in forced.out
    assert forced.code == 15, forced.both
    stopped = running.end(40.0)
    assert stopped.code == 12, stopped.both
    assert "forced open by bob: it hangs" in stopped.out
    (asked,) = machine.folder.rglob("interrupted-*")
    assert asked.exists()
    cli.faults()
    back = machine.run("rollback", "--state", STATE, within_s=WITHIN_S)
    assert back.code == 10, back.both
    assert _without_jobs(_recorded(cli)) == before


def test_a_step_whose_time_is_up_in_mid_update_ends_it_with_one_signal_and_puts_all_back(
    stack: tuple[Machine, Controller], cli: Cli
) -> None:
    """The node is out of rotation by then, and its stack does not know it."""
    machine, _ = stack
    before, world = _recorded(cli), _values(cli)
    _rewrite(machine, {"60s}}": "5m}, timeout: 45s}"})
    held = cli.world_folder.with_name("held-front-api-1")
    held.touch()
    running = machine.start("apply", "plan.yaml", "--state", STATE)
    until(lambda: _values(cli)["front-api-1-1"] is False, within_s=WITHIN_S)
    assert cli.checkpoint(project="rolled_fleet")["pending_operations"]
    machine.await_event("OperationFailed", "api/api-1/detach", within_s=WITHIN_S)
    held.unlink()
    ended = running.end(WITHIN_S)
    assert ended.code == 10, ended.both
    assert "timeout 45 s of step api" in ended.both
    assert "updating Thing front-api-1" in ended.both, "what it was at"
    (asked,) = machine.folder.rglob("interrupted-*")
    assert asked.exists()
    assert (_without_jobs(_recorded(cli)), _without_jobs(_values(cli))) == (before, world)
    assert cli.locks(project="rolled_fleet") == []
    assert not cli.checkpoint(project="rolled_fleet").get("pending_operations")
    assert _update_pid(machine) is None


def test_an_update_that_does_not_end_at_its_signal_is_told_as_what_it_left_and_undone_later(
    stack: tuple[Machine, Controller], cli: Cli
) -> None:
    """The undo that waited for it read as done: the fleet looked as before, and was not."""
    machine, _ = stack
    before, world = _recorded(cli), _values(cli)
    _rewrite(machine, {"60s}}": "45s}}"})
    cli.faults({"at": "applied", "do": "sleep", "seconds": 800, "name": "front-api-1"})
    running = machine.start("apply", "plan.yaml", "--state", STATE)
    until(lambda: _values(cli)["front-api-1-1"] is False, within_s=WITHIN_S)
    ended = running.end(WITHIN_S)
    assert ended.code == 11, ended.both
    assert "Not undone: undo/api/api-1/detach/1" in ended.both
    (line,) = [one for one in ended.out.splitlines() if one.lstrip(" ✓✗!≠").startswith("api-1 ")]
    assert "detached" in line or "out of rotation" in line, ended.both
    pid = _update_pid(machine)
    assert pid is not None, "one signal, and no second one"
    assert len(cli.locks(project="rolled_fleet")) == 1
    cli.faults()
    os.kill(pid, signal.SIGKILL)
    rollout = machine.events()[0]["rollout"]
    back = machine.run("rollback", rollout, "--state", STATE, within_s=WITHIN_S)
    assert back.code == 10, back.both
    assert (_without_jobs(_recorded(cli)), _without_jobs(_values(cli))) == (before, world)
    assert cli.locks(project="rolled_fleet") == []


def _rewrite(machine: Machine, changes: dict[str, str]) -> None:
    """The plan, with each of these texts replaced."""
    path = machine.folder / "plan.yaml"
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def _values(cli: Cli) -> dict[str, object]:
    """What really is, by id."""
    return {name: thing.get("value") for name, thing in cli.world().items()}


def _without_jobs(recorded: dict[str, object]) -> dict[str, object]:
    """A schema only grows: its jobs stay."""
    return {name: thing for name, thing in recorded.items() if not name.startswith("job-")}


def _in_mid_update(machine: Machine, cli: Cli, slow_s: float) -> Running:
    """An `apply` whose first node takes so long to be replaced, with its CLI at work."""
    cli.faults(
        {"at": "begun", "do": "sleep", "seconds": slow_s, "command": "up", "name": "node-api-1"}
    )
    running = machine.start("apply", "plan.yaml", "--state", STATE)
    machine.await_event("OperationIntended", "api/api-1/replace", within_s=WITHIN_S)
    until(lambda: _update_pid(machine) is not None, within_s=WITHIN_S)
    until(
        lambda: bool(cli.checkpoint(project="rolled_fleet").get("pending_operations")), within_s=60
    )
    return running


def _update_pid(machine: Machine) -> int | None:
    """Of the CLI that updates the stack now."""
    (folder,) = (machine.folder / ".rollout-kit" / "pulumi").iterdir()
    mark = Marks(folder).found()
    pids = mark.pids if mark else ()
    return next((pid for pid, start in pids if processes.runs(pid, start)), None)
