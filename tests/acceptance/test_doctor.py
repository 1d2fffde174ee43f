"""`doctor`, as people type it before a rollout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import Machine, Ran, beside, sandbox_machine
from tests.acceptance.small_plan import plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("doctor")]

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("doctor"), workers=1, rate_hz=0) as found:
        yield found


@pytest.fixture
def machine(fleet: tuple[Machine, SandboxInfo], tmp_path: Path) -> Iterator[Machine]:
    with beside(fleet[0], tmp_path) as machine:
        (machine.folder / "plan.yaml").write_text(plan(touch("first", "first.txt")))
        yield machine


def findings(ran: Ran) -> dict[str, dict[str, Any]]:
    said = json.loads(ran.out)
    assert said["type"] == "checkup"
    return {one["what"]: one for one in said["findings"]}


def test_a_fleet_in_order_is_said_line_by_line_and_nothing_is_changed(machine: Machine) -> None:
    ran = machine.run("doctor", "plan.yaml")
    assert ran.code == 0, ran.both
    for what in ("operator token", "admin token", "node api-1", "node api-3", "driver on api-2"):
        assert f"✓ {what} " in ran.out
    assert ran.last_line == "✓ Everything that was looked at is there."
    assert [path.name for path in machine.folder.iterdir()] == ["plan.yaml"]


def test_a_node_that_nobody_reaches_has_its_line_and_the_networks_code(machine: Machine) -> None:
    ran = machine.run(
        "doctor", "plan.yaml", "--output", "json", environment={"DW_API_2_URL": NOBODY}
    )
    assert ran.code == 3, ran.both
    found = findings(ran)
    assert found["node api-2"]["health"] == "problem"
    assert found["node api-1"]["health"] == "ok"
    assert found["driver on api-2"]["health"] == "ok"


def test_a_token_that_is_not_taken_has_its_line_and_its_code(machine: Machine) -> None:
    ran = machine.run("doctor", "plan.yaml", environment={"DW_OPERATOR_TOKEN": "wrong"})
    assert ran.code == 4, ran.both
    assert "✗ operator token" in ran.out
    assert "hint: " in ran.out


def test_what_cannot_be_asked_reads_not_judged(machine: Machine) -> None:
    environment = {**machine.environment}
    del environment["DW_ADMIN_TOKEN"]
    ran = Machine(machine.folder, environment).run("doctor", "plan.yaml")
    assert ran.code == 0, ran.both
    assert "? admin token             not judged: its variable is not set here" in ran.out
    assert ran.last_line == "✓ Everything that was looked at is there; 1 not judged."
    manual = (
        (machine.folder / "plan.yaml")
        .read_text()
        .replace(
            "infra: {driver: process, fleet: ../sandbox/fleet.yaml}", "infra: {driver: manual}"
        )
    )
    (machine.folder / "plan.yaml").write_text(manual)
    ran = machine.run("doctor", "plan.yaml", "--output", "markdown")
    assert ran.code == 0, ran.both
    assert "| ? | driver | somebody else changes this fleet" in ran.out
