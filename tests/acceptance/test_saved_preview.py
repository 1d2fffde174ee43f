"""`preview --save` and `apply --preview`, as people and CI jobs type them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rollout_kit.sandbox.layout import SandboxInfo
from tests.acceptance.machine import STATE, Machine, Ran, beside, sandbox_machine
from tests.acceptance.small_plan import approval, plan, touch

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("saved-preview")]

SAVED = "preview.json"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    with sandbox_machine(tmp_path_factory.mktemp("saved"), workers=1, rate_hz=0) as found:
        yield found


@pytest.fixture
def machine(fleet: tuple[Machine, SandboxInfo], tmp_path: Path) -> Iterator[Machine]:
    """A folder of its own beside the one sandbox, with a plan in it."""
    with beside(fleet[0], tmp_path) as machine:
        (machine.folder / "plan.yaml").write_text(plan(touch("first", "first.txt")))
        yield machine


def save(machine: Machine) -> Ran:
    """As a reviewer does it: with the operator token alone."""
    environment = {**machine.environment}
    del environment["DW_ADMIN_TOKEN"]
    ran = Machine(machine.folder, environment).run("preview", "plan.yaml", "--save", SAVED)
    assert ran.code == 0, ran.both
    return ran


def apply(machine: Machine, *more: str) -> Ran:
    return machine.run("apply", "plan.yaml", "--preview", SAVED, "--state", STATE, *more)


def intent(info: SandboxInfo, act: str) -> None:
    """What a person does with `dw` while nobody looks."""
    body = json.dumps({"build_id": info.variables["worker_from"]}).encode()
    call = Request(
        f"{info.environment['DURABLE_WORKFLOW_SERVER_URL']}/api/task-queues/"
        f"{info.variables['workflows_queue']}/build-ids/{act}",
        data=body,
        headers={
            "Authorization": f"Bearer {info.tokens['DW_ADMIN_TOKEN']}",
            "Content-Type": "application/json",
            "X-Namespace": "default",
            "X-Durable-Workflow-Control-Plane-Version": "2",
        },
    )
    with urlopen(call, timeout=5) as answer:
        assert answer.status == 200


def test_an_unmoved_fleet_is_applied_to(machine: Machine) -> None:
    assert f"apply PLAN --preview {SAVED}" in save(machine).err
    ran = apply(machine)
    assert ran.code == 0, ran.both
    assert machine.events()[-1]["outcome"] == "succeeded"


def test_a_moved_fleet_is_refused_with_what_moved(
    machine: Machine, fleet: tuple[Machine, SandboxInfo]
) -> None:
    save(machine)
    info = fleet[1]
    queue, build = info.variables["workflows_queue"], info.variables["worker_from"]
    fact = f"cohort/default/{queue}/{build}/drain_intent"
    intent(info, "drain")
    try:
        human = apply(machine)
        told = apply(machine, "--output", "json")
    finally:
        intent(info, "resume")
    assert human.code == told.code == 14, human.both
    assert "✗ Stale preview: the fleet has moved since the preview saved by ada at 20" in human.out
    assert f'  {fact}: was "active", is "draining"' in human.out.splitlines()
    assert "preview it anew with `--save`" in human.out
    body = json.loads(told.out.splitlines()[-1])["result"]
    assert body["ending"] == "stale"
    assert body["exit_code"] == 14
    assert {"what": fact, "was": '"active"', "now": '"draining"'} in body["moved"]
    assert machine.events() == []


def test_another_plan_than_was_reviewed_is_refused_with_the_operations_that_differ(
    machine: Machine,
) -> None:
    save(machine)
    steps = (touch("first", "first.txt"), touch("second", "second.txt"))
    (machine.folder / "plan.yaml").write_text(plan(*steps))
    ran = apply(machine)
    assert ran.code == 14, ran.both
    assert "the plan has moved since" in ran.out
    assert "  operation second/command: was not there, is update" in ran.out.splitlines()
    assert machine.events() == []


def test_a_rollout_that_has_begun_is_held_to_its_journal_and_not_to_the_preview(
    machine: Machine, fleet: tuple[Machine, SandboxInfo]
) -> None:
    steps = (touch("first", "first.txt"), approval("ask"), touch("last", "last.txt"))
    (machine.folder / "plan.yaml").write_text(plan(*steps))
    save(machine)
    assert apply(machine).code == 12
    approved = machine.run("approve", "--state", STATE)
    assert approved.code == 0, approved.both
    intent(fleet[1], "drain")
    intent(fleet[1], "resume")
    ran = apply(machine)
    assert ran.code == 0, ran.both
    assert "goes on: a saved preview is for the start of one" in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "preview.json cannot be read: No such file or directory"),
        ("{}", "preview.json cannot be used: it is no saved preview"),
        ("\x00\x01", "preview.json cannot be used: it is no JSON"),
    ],
    ids=["missing", "something else", "binary"],
)
def test_what_is_no_saved_preview_is_refused_before_anything_is_asked(
    machine: Machine, content: str | None, said: str
) -> None:
    if content is not None:
        (machine.folder / SAVED).write_text(content)
    ran = machine.run(
        "apply",
        "plan.yaml",
        "--preview",
        SAVED,
        environment={"DURABLE_WORKFLOW_SERVER_URL": "http://127.0.0.1:9"},
    )
    assert ran.code == 2, ran.both
    assert said in ran.err


def test_a_preview_of_another_target_is_refused(machine: Machine) -> None:
    save(machine)
    path = machine.folder / "plan.yaml"
    path.write_text(path.read_text().replace("name: sandbox", "name: elsewhere"))
    ran = apply(machine)
    assert ran.code == 2, ran.both
    assert 'preview.json is a preview of target "sandbox"; this plan\'s is "elsewhere"' in ran.err


def test_a_place_that_cannot_be_written_to_is_named(machine: Machine) -> None:
    ran = machine.run("preview", "plan.yaml", "--save", "nowhere/preview.json")
    assert ran.code == 2, ran.both
    assert "nowhere/preview.json cannot be used: No such file or directory" in ran.err


def test_no_token_is_in_the_file(machine: Machine, fleet: tuple[Machine, SandboxInfo]) -> None:
    ran = machine.run("preview", "plan.yaml", "--save", SAVED)
    assert ran.code == 0, ran.both
    text = (machine.folder / SAVED).read_text()
    assert [name for name, token in fleet[1].tokens.items() if token in text] == []
    assert "node/api-1/image" in text
