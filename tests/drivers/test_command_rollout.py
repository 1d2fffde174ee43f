"""Whole rollouts of a sandbox through a script: forward over a crash, and back from each fault of it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.drivers.command.contract import contract_text
from rollout_kit.drivers.process.whole import await_work
from rollout_kit.drivers.work import processes
from rollout_kit.ports.infra import RunJob
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NODES, Flaw, SandboxInfo
from rollout_kit.sandbox.wire import Wire
from tests.acceptance.machine import (
    PACE,
    PLANS,
    ROOT,
    Machine,
    assignments,
    sandbox_machine,
)
from tests.drivers.conftest import eventually

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(600)]

SCRIPT = "tests.drivers.fleet_script"
PATIENT = {"rollback_within": "300s", "canary_within": "120s", "drain_within": "120s"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    folder = tmp_path_factory.mktemp("command")
    with sandbox_machine(folder, workers=1, rate_hz=4) as (machine, info):
        yield machine, info
        machine.leave()


def plan_of(machine: Machine, info: SandboxInfo, name: str) -> tuple[str, ...]:
    """The shipped plan, with the script in the place of the fleet file."""
    text = (PLANS / "rolling-upgrade.yaml").read_text()
    argv = json.dumps([sys.executable, "-m", SCRIPT, f"{info.folder}/fleet.yaml"])
    driver = 'infra: {driver: process, fleet: "${var:fleet}"}'
    assert driver in text
    text = text.replace(driver, f"infra: {{driver: command, argv: {argv}, state: .fleet}}")
    (machine.folder / f"{name}.yaml").write_text(
        text.replace("name: rolling-upgrade", f"name: {name}")
    )
    return (f"{name}.yaml", *assignments({**info.variables, **PACE, **PATIENT}))


def apply(machine: Machine, plan: tuple[str, ...]) -> tuple[str, ...]:
    (machine.folder / "faults").mkdir(exist_ok=True)
    return ("apply", *plan, "--state", plan[0].removesuffix(".yaml"))


def faulty(machine: Machine) -> dict[str, str]:
    return {"SCRIPT_FAULTS": str(machine.folder / "faults"), "PYTHONPATH": str(ROOT)}


def fault(machine: Machine, name: str, text: str = "") -> Path:
    path = machine.folder / "faults" / name
    path.write_text(text)
    return path


def versions(info: SandboxInfo) -> set[str]:
    """What the nodes answer that they are."""
    token = info.tokens["DW_OPERATOR_TOKEN"]
    wires = [
        Wire(url=url, token=token, namespace="default", headers={})
        for url in info.node_urls.values()
    ]
    return {str(wire.call("GET", "/api/cluster/info").body["version"]) for wire in wires}


def builds(info: SandboxInfo) -> set[str | None]:
    driver = fleet.driver_of(info)
    return {c.build_id for c in driver.cohort_specs() if driver.cohort_processes(c)}


def in_rotation(info: SandboxInfo) -> list[str]:
    driver = fleet.driver_of(info)
    return [node for node in NODES if driver.attached(node)]


def is_as_before(info: SandboxInfo) -> None:
    assert versions(info) == {info.versions.server_from}
    assert builds(info) == {info.versions.worker_from}
    assert in_rotation(info) == list(NODES)
    driver = fleet.driver_of(info)
    scheduler = driver.scheduler_spec()
    assert scheduler is not None
    assert scheduler.image == info.versions.server_image(info.versions.server_from)


def pid_of_script(machine: Machine, operation: str) -> int:
    """Of the script that carries out this operation's change now."""
    found: list[int] = []

    def look() -> list[int]:
        for path in (machine.folder / ".fleet" / "work").glob("*/program-*.json"):
            told = json.loads(path.read_text())
            # An earlier one's number may be another process's by now.
            if f"/{operation}/" in told["spec"] and processes.runs(told["pid"], told["start"]):
                found.append(told["pid"])
        return found

    assert eventually(look, 30.0), operation
    return found[0]


@pytest.mark.parametrize("lie", ["replace_node", "set_attached"])
def test_a_script_that_lies_is_found_out_and_the_fleet_is_as_before(
    place: tuple[Machine, SandboxInfo], lie: str
) -> None:
    machine, info = place
    command = apply(machine, plan_of(machine, info, f"lies-{lie.replace('_', '-')}"))
    lying = fault(machine, "lies", lie)
    ran = machine.run(*command, environment=faulty(machine), within_s=400)
    lying.unlink()
    assert ran.code == 10, ran.both[-4000:]
    is_as_before(info)


def test_a_script_that_is_killed_has_failed_and_what_it_was_at_is_undone(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    command = apply(machine, plan_of(machine, info, "killed"))
    running = machine.start(*command, environment=faulty(machine))
    machine.await_event("OperationIntended", "api/api-1/attach", state="killed")
    machine.await_event("OperationCompleted", "api/api-2/detach", state="killed")
    hanging = fault(machine, "hangs")
    machine.await_event("OperationIntended", "api/api-2/replace", state="killed")
    os.kill(pid_of_script(machine, "api/api-2/replace"), signal.SIGKILL)
    hanging.unlink()
    ran = running.end(400)
    assert ran.code == 10, ran.both[-4000:]
    assert any(event["is"] == "OperationFailed" for event in machine.events("killed"))
    is_as_before(info)


def test_what_would_reach_further_than_announced_is_refused_and_named(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    command = apply(machine, plan_of(machine, info, "widened"))
    running = machine.start(*command, environment=faulty(machine))
    machine.await_event("OperationCompleted", "schema/run", state="widened")
    widening = fault(machine, "widens", "replace_node")
    ran = running.end(400)
    assert ran.code == 13, ran.both[-4000:]
    assert "did not announce: unit proxy/shared" in ran.both
    is_as_before(info)  # the gap is closed again
    widening.unlink()
    back = machine.run("rollback", "--state", "widened", environment=faulty(machine), within_s=400)
    assert back.code == 10, back.both[-4000:]


def test_a_script_that_cannot_tell_what_runs_changes_nothing(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    plan = plan_of(machine, info, "blind")
    path = machine.folder / plan[0]
    accepted = "target:\n  accept: {unread-node-specs: mine}\n"
    path.write_text(path.read_text().replace("target:\n", accepted, 1))
    blind = {**faulty(machine), "SCRIPT_WITHOUT": "spec"}
    ran = machine.run(*apply(machine, plan), environment=blind)
    assert ran.code == 1, ran.both[-4000:]
    assert "What runs is not known" in ran.both
    assert machine.events("blind") == []


def test_forward_with_the_tool_killed_while_the_script_is_at_work(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    command = apply(machine, plan_of(machine, info, "forward"))
    running = machine.start(*command, environment=faulty(machine))
    machine.await_event("OperationCompleted", "api/api-1/detach", state="forward")
    hanging = fault(machine, "hangs")
    machine.await_event("OperationIntended", "api/api-1/replace", state="forward")
    script = pid_of_script(machine, "api/api-1/replace")
    running.kill()
    again = machine.start(*command, environment=faulty(machine))
    assert Path(f"/proc/{script}").exists(), "it outlives the tool, and is joined"
    hanging.unlink()
    ran = again.end(400)
    assert ran.code == 0, ran.both[-4000:]
    assert versions(info) == {info.versions.server_to}
    assert builds(info) == {info.versions.worker_to}
    assert in_rotation(info) == list(NODES)


def test_a_new_version_that_comes_up_as_another_is_taken_back(tmp_path: Path) -> None:
    with sandbox_machine(tmp_path, workers=1, rate_hz=2, flaw=Flaw.NODE) as (machine, info):
        command = apply(machine, plan_of(machine, info, "broken-node"))
        ran = machine.run(*command, environment=faulty(machine), within_s=400)
        assert ran.code == 10, ran.both[-4000:]
        is_as_before(info)


def test_what_the_script_does_not_offer_is_a_persons_share(tmp_path: Path) -> None:
    with sandbox_machine(tmp_path, workers=1, rate_hz=2) as (machine, info):
        command = apply(machine, plan_of(machine, info, "partial"))
        partial = {**faulty(machine), "SCRIPT_WITHOUT": "jobs membership connections"}
        here = ("--state", "partial")
        ran = machine.run(*command, environment=partial, within_s=400)
        assert ran.code == 12, ran.both[-4000:]
        assert "a person has to run bootstrap once" in ran.both
        person = fleet.driver_of(info)
        image = info.versions.server_image(info.versions.server_to)
        person.begin(
            "person", RunJob(job="bootstrap", image=image, revision=info.versions.server_to)
        )
        await_work(person, ["person"], 30)
        for operation, code in (("schema/run", 12), ("schema/ledger", 0)):
            said = machine.run("approve", operation, "--because", "I ran it", *here)
            assert said.code == 0, said.both
            ran = machine.run("resume", *here, environment=partial, within_s=400)
            assert ran.code == code, ran.both[-4000:]
        assert versions(info) == {info.versions.server_to}
        assert builds(info) == {info.versions.worker_to}
        assert in_rotation(info) == list(NODES), "nobody was asked to touch the front"


def test_without_a_count_a_persons_word_comes_before_the_scheduler_is_touched(
    tmp_path: Path,
) -> None:
    with sandbox_machine(tmp_path, workers=1, rate_hz=2) as (machine, info):
        command = apply(machine, plan_of(machine, info, "uncounted"))
        uncounted = {**faulty(machine), "SCRIPT_WITHOUT": "processes"}
        here = ("--state", "uncounted")
        held = []
        ran = machine.run(*command, environment=uncounted, within_s=400)
        while ran.code == 12 and len(held) < 6:
            hold = [one for one in machine.events("uncounted") if one["is"] == "RolloutHeld"][-1]
            held.append(hold["operation"])
            if hold["operation"] == "scheduler/stop":
                scheduler = fleet.driver_of(info).scheduler_spec()
                assert scheduler is not None
                assert scheduler.image == info.versions.server_image(info.versions.server_from)
                assert "`describe` of the script does not list `processes`" in ran.both
            said = machine.run("approve", hold["operation"], "--because", "I looked", *here)
            assert said.code == 0, said.both
            ran = machine.run("resume", *here, environment=uncounted, within_s=400)
        assert ran.code == 0, ran.both[-4000:]
        assert held == [
            "api/maintenance/queue-worker/replace",
            "scheduler/stop",
            "drain/orders/retired",
            "drain/shipping/retired",
        ]
        assert len(fleet.driver_of(info).scheduler_processes()) == 1
        assert versions(info) == {info.versions.server_to}


def test_the_contract_is_printed_by_the_command(tmp_path: Path) -> None:
    from tests.acceptance.machine import plain_environment

    ran = Machine(tmp_path, plain_environment()).run("schema", "--of", "command-driver")
    assert (ran.code, ran.out) == (0, contract_text())
