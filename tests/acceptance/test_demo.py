"""`rollout-kit demo` as a new user runs it: all of it, and once broken."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.machine import Machine, Ran, plain_environment
from tests.sandbox.conftest import processes_of

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(400)]

BAKE_AND_HOLD_AT_MOST_S = 30.0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path, plain_environment(TMPDIR=str(tmp_path)))
    yield found
    found.leave()
    assert processes_of(tmp_path) == []


def sections(ran: Ran) -> dict[str, str]:
    """What stands below each heading."""
    parts = re.split(r"^── (.*)$", ran.out, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def journal(machine: Machine) -> list[dict[str, object]]:
    (folder,) = machine.folder.glob("rollout-kit-demo-*")
    return machine.events(str((folder / "journal").relative_to(machine.folder)))


def test_the_demo_upgrades_a_fleet_and_loses_nothing(machine: Machine) -> None:
    ran = machine.run("demo", within_s=300)

    assert ran.code == 0, ran.both[-4000:]
    told = sections(ran)
    assert list(told) == [
        "A fleet of server 2.x with work on it",
        "rollout-kit preview rolling-upgrade.yaml",
        "rollout-kit apply rolling-upgrade.yaml",
        "The fleet afterwards",
        "Every workflow that was started",
        "Exit code 0: success, or nothing to do",
    ]
    before, preview, applied, after, account, end = told.values()
    assert before.count("ready  2.3.14") == 3
    assert "24 changes, each with its undo." in preview
    assert "✓ Succeeded" in applied
    for row in (
        "bootstrap-done",
        "nodes-are-to",
        "served",
        "drains-retired",
        "schedules-caught-up",
    ):
        assert f"✓ {row} " in applied
    assert after.count("ready  2.4.0") == 3
    assert "orders/orders-18" in after
    assert "orders-17" not in after
    assert re.search(
        r"^(\d+) runs started: \1 completed, 0 open and claimable, 0 lost$", account, re.M
    )
    command = re.search(r"^journal: rollout-kit (.*)$", end, re.M)
    assert command is not None
    assert "succeeded" in machine.run(*shlex.split(command[1])).out
    assert _bakes_and_holds_s(journal(machine)) <= BAKE_AND_HOLD_AT_MOST_S


def test_a_demo_that_is_broken_puts_everything_back(machine: Machine) -> None:
    ran = machine.run("demo", "--break", "node", within_s=200)

    assert ran.code == 10, ran.both[-4000:]
    told = sections(ran)
    assert "↩ Rolled back: api/api-1/ready" in told["rollout-kit apply rolling-upgrade.yaml"]
    compared = told["rollout-kit apply rolling-upgrade.yaml"]
    assert "The fleet, before and now (✓ equal):\n" in compared
    assert re.findall(r"✓ (api-\d) +version 2\.3\.14, marker none, attached\n", compared) == [
        "api-1",
        "api-2",
        "api-3",
    ]
    assert told["The fleet afterwards"].count("ready  2.3.14") == 3
    assert ", 0 lost\n" in told["Every workflow that was started"]
    assert "Exit code 10: failed, and everything was put back" in told


def _bakes_and_holds_s(events: list[dict[str, object]]) -> float:
    """Seconds that the plan asks for although all is well; gates of one unit hold side by side."""
    bakes: dict[str, float] = {}
    holds: dict[str, float] = {}
    for event in events:
        operation = event.get("operation")
        if event["is"] != "OperationAwaited" or not isinstance(operation, dict):
            continue
        arguments = operation["arguments"]
        bakes[operation["id"]] = arguments.get("bake_s", 0.0)
        if operation["kind"] == "judge_gate":
            gate = arguments["gate"]
            unit = operation["id"].rpartition("/gate/")[0]
            holds[unit] = max(holds.get(unit, 0.0), gate["for_s"])
    assert len(holds) >= 5
    return sum(bakes.values()) + sum(holds.values())
