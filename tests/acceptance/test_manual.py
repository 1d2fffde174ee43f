"""`driver: manual` over real sockets: a test script plays the controller that follows the commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NODES, QUEUES, SandboxInfo
from tests.acceptance.controller import Controller, pending
from tests.acceptance.machine import (
    PACE,
    PLANS,
    STATE,
    Machine,
    assignments,
    ours,
    sandbox_machine,
)
from tests.acceptance.screen import Screen
from tests.acceptance.test_killed import builds, selected, versions

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(900)]

HERE = ("--state", STATE)
PATIENT = {
    "node_within": "120s",
    "canary_within": "120s",
    "drain_within": "180s",
    "rollback_within": "300s",
}


def plan_of(info: SandboxInfo) -> tuple[str, ...]:
    text = (PLANS / "gitops.yaml").read_text()
    given = {**info.variables, **PACE, **PATIENT}
    known = {name: value for name, value in given.items() if f"  {name}: {{default" in text}
    return (str(PLANS / "gitops.yaml"), *assignments(known))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    folder: Path = tmp_path_factory.mktemp("manual")
    with sandbox_machine(folder, workers=1, rate_hz=4) as (machine, info):
        yield machine, info
        machine.leave()


def test_without_anybody_it_asks_and_ends_with_12_until_somebody_says_so(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    plan = plan_of(info)
    before = (versions(info), builds(info), selected(info))
    controller = Controller(machine, info)

    shown = machine.run("preview", *plan)
    assert shown.code == 0, shown.both
    assert "a person is asked to replace what runs as api-1: version 2.3.14" in shown.out

    held = machine.run("apply", *plan, *HERE)
    assert held.code == 12, held.both
    assert held.last_line == f"next: rollout-kit approve schema/run {' '.join(HERE)}"
    asked = pending(machine)
    assert [(one["operation"], one["needs_word"]) for one in asked] == [("schema/run", True)]
    assert not any(event["is"] == "OperationIntended" for event in machine.events())
    human = machine.run("status", *HERE).out
    assert "schema/run asked of a person: run bootstrap once" in human

    for operation in ("schema/run", "schema/ledger", "api/api-1/replace"):
        assert machine.events()[-1]["operation"] == operation
        controller.look(say=False)
        approved = machine.run("approve", operation, *HERE, "--because", "did it")
        assert approved.code == 0, approved.both
        held = machine.run("resume", *HERE)
        assert held.code == 12, held.both
    assert versions(info)["api-1"] == info.versions.server_to
    assert pending(machine)[0]["operation"] == "api/api-2/replace"
    assert pending(machine)[0]["from"].startswith(f"version {info.versions.server_from}")

    with controller.at_work():
        back = machine.run("rollback", *HERE, within_s=300.0)
    assert back.code == 10, back.both[-3000:]
    assert "undo/api/api-1/replace/1" in controller.done
    assert (versions(info), builds(info), selected(info)) == before
    assert machine.journal_is_whole()


def test_who_sits_at_the_terminal_is_asked_for_their_word_in_place(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    argv = ("apply", *plan_of(info), *HERE)
    screen = Screen(
        *argv, folder=machine.folder, environment=machine.environment, columns=120, rows=40
    )
    try:
        screen.await_text("‖ a person has to run bootstrap once")
        screen.await_text(f"rollout-kit approve schema/run {' '.join(HERE)}")
        screen.type("y its job ended with 0\n")
        screen.await_text("‖ a person has to run migrate-status once")
        screen.type("n\n")
        assert screen.end() == 16  # nothing holds it: the word is waited for, and may come later
    finally:
        screen.leave()
    said = [event for event in machine.events() if event["is"] == "ProvedByPerson"]
    assert [(one["operation"], one["fact"], one["actor"]) for one in said] == [
        ("schema/run", "its job ended with 0", "ada")
    ]
    assert machine.run("abort", *HERE, "--because", "tried enough").code == 0
    machine.run("resume", *HERE)
    assert machine.events()[-1]["outcome"] == "aborted"


def test_a_controller_changes_the_fleet_while_the_rollout_waits(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    controller = Controller(machine, info)
    running = machine.start("apply", *plan_of(info), *HERE, "--wait")
    with controller.at_work():
        done = running.end(600.0)
    assert done.code == 0, done.both[-3000:]
    new = info.versions
    assert versions(info) == dict.fromkeys(NODES, new.server_to)
    assert builds(info) == {queue: {new.worker_to} for queue in QUEUES}
    assert set(selected(info).values()) == {new.worker_to}
    assert fleet.account(info).lost == ()
    assert ours(machine.folder) == []
    assert "asked of a person: replace what runs as api-2" in done.both
