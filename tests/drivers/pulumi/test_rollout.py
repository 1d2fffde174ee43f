"""Whole rollouts through a stack: the real SDK, the stand-in engine, the emulated server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import STATE, Machine, beside, sandbox_machine
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
    after = _recorded(cli)
    assert {name: thing for name, thing in after.items() if not name.startswith("job-")} == before
    assert cli.locks(project="rolled_fleet") == []


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
