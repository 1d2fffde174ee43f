"""Whole rollouts through a stack: the real SDK, the stand-in engine, the emulated server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import STATE, Machine, beside, sandbox_machine
from tests.drivers.pulumi.rolling import Controller, rolled
from tests.standin.fixtures import Cli, install

pytest.importorskip("pulumi")
pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.xdist_group("pulumi-rollout")]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("rolled"), workers=1, rate_hz=0) as found:
        yield found


@pytest.fixture
def stack(
    fleet: tuple[Machine, SandboxInfo], tmp_path: Path
) -> Iterator[tuple[Machine, Controller]]:
    cli = install(tmp_path / "pulumi")
    with beside(fleet[0], tmp_path) as machine, rolled(machine, fleet[1], cli) as found:
        yield found


def test_a_rollout_and_its_rollback_leave_the_stack_as_it_was(
    stack: tuple[Machine, Controller],
) -> None:
    machine, controller = stack
    before = _recorded(controller.cli)

    seen = machine.run("preview", "plan.yaml", "--output", "json")
    assert seen.code == 0, seen.both
    said = {one["operation"]: one["resources"] for one in json.loads(seen.out)["announced"]}
    assert [(r["name"].rpartition("::")[2], r["does"]) for r in said["api/api-1/replace"]] == [
        ("node-api-1", "replace")
    ]

    done = machine.run("apply", "plan.yaml", "--state", STATE)
    assert done.code == 0, done.both
    assert machine.events()[-1]["outcome"] == "succeeded"

    back = machine.run("rollback", "--state", STATE)
    assert back.code == 10, back.both
    after = _recorded(controller.cli)
    assert {k: v for k, v in after.items() if not k.startswith("job-")} == before


def _recorded(cli: Cli) -> dict[str, object]:
    resources = cli.checkpoint(project="rolled_fleet")["resources"]
    return {
        one["urn"].rpartition("::")[2]: one["inputs"]
        for one in resources
        if one["type"] == "lab:index:Thing"
    }
