"""Preview with the operator token alone; and no secret anywhere that anything is written to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout_kit.emulator.sqlite_store import SqliteStore
from rollout_kit.emulator.store import write_log
from rollout_kit.sandbox.layout import Flaw, SandboxInfo
from tests.acceptance.machine import (
    PACE,
    PLANS,
    STATE,
    Machine,
    Ran,
    assignments,
    sandbox_machine,
)
from tests.acceptance.small_plan import HEAD
from tests.acceptance.stub import answer, stub

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("preview-and-secrets")]

HERE = ("--state", STATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, SandboxInfo]]:
    """A sandbox whose next server comes up as another version: what is applied is rolled back."""
    folder = tmp_path_factory.mktemp("preview")
    with sandbox_machine(folder, workers=1, rate_hz=0, flaw=Flaw.NODE) as (machine, info):
        yield machine, info
        machine.leave()


def shipped(info: SandboxInfo) -> tuple[str, ...]:
    return (str(PLANS / "rolling-upgrade.yaml"), *assignments({**info.variables, **PACE}))


def writes(info: SandboxInfo) -> list[str]:
    """What the server was asked to change by whom carries more than a worker's token."""
    store = SqliteStore(info.folder / "database.sqlite3", create=False)
    try:
        log = write_log(store)
    finally:
        store.close()
    return [
        f"{entry.method} {entry.path} by {entry.role}" for entry in log if entry.role != "worker"
    ]


def test_preview_needs_the_operator_token_alone_and_writes_nothing(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    before = writes(info)
    environment = {**machine.environment}
    del environment["DW_ADMIN_TOKEN"]
    del environment["DW_WORKER_TOKEN"]
    reviewer = Machine(machine.folder, environment)

    human = reviewer.run("preview", *shipped(info), "--exit-code")
    assert human.code == 20, human.both
    assert "24 changes, each with its undo." in human.out
    assert "judged at apply" in human.out
    markdown = reviewer.run("preview", *shipped(info), "--output", "markdown")
    assert markdown.code == 0
    assert "judged at apply" in markdown.out
    body = json.loads(reviewer.run("preview", *shipped(info), "--output", "json").out)
    assert body["type"] == "preview"

    assert writes(info) == before
    assert before  # the log does see what is written: the sandbox's own promotions
    assert not (machine.folder / ".rollout-kit").exists()

    refused = reviewer.run("apply", *shipped(info), *HERE)
    assert refused.code == 2, refused.both
    assert "DW_ADMIN_TOKEN" in refused.err
    operator = info.tokens["DW_OPERATOR_TOKEN"]
    mistaken = machine.run("apply", *shipped(info), *HERE, environment={"DW_ADMIN_TOKEN": operator})
    assert mistaken.code == 4, mistaken.both
    assert operator not in mistaken.both
    assert writes(info) == before
    assert machine.events() == []


def test_a_driver_whose_variable_is_not_set_leaves_what_it_feeds_to_be_judged_at_apply(
    place: tuple[Machine, SandboxInfo],
) -> None:
    machine, info = place
    plan = (PLANS / "rolling-upgrade.yaml").read_text()
    named = plan.replace('fleet: "${var:fleet}"', 'fleet: "${env:FLEET_FILE}"')
    assert named != plan
    (machine.folder / "named.yaml").write_text(named)
    arguments = ("named.yaml", *shipped(info)[1:])
    preview = machine.run("preview", *arguments, "--exit-code")
    assert preview.code == 20, preview.both
    assert "FLEET_FILE is not set" in preview.err
    assert "a variable of infra.fleet is not set" in preview.out
    refused = machine.run("apply", *arguments, *HERE)
    assert refused.code == 2, refused.both
    assert "FLEET_FILE" in refused.err


PLAN = (
    HEAD.format(name="secrets").replace(
        "steps:\n",
        """\
vars:
  key: {default: "${env:CANARY_VARIABLE}", secret: true}
release:
  server: {from: "@FROM", to: "@TO", image: "durableworkflow/server:@TO", identity: version}
gates:
  few-errors:
    http:
      url: "@URL"
      pointer: /value
      headers: {X-Key: "${var:key}", Authorization: "Bearer ${env:CANARY_HEADER}"}
    at_most: 0
    for: 1s
    within: 20s
    interval: 1s
steps:
""",
    )
    + """\
  - {id: schema, uses: bootstrap, with: {additive: true}, gates: [few-errors]}
  - {id: api, uses: api-cutover, with: {bake: 0s, within: 30s}, gates: [few-errors]}
  - {id: scheduler, uses: scheduler-handover}
"""
)
TELLTALE = """\
  - id: tell
    uses: run
    with: {command: [sh, -c, 'echo its token is $DW_ADMIN_TOKEN >&2; exit 3'], undo: ["true"]}
"""


def test_no_secret_is_ever_written(place: tuple[Machine, SandboxInfo]) -> None:
    machine, info = place
    planted = {
        "CANARY_VARIABLE": "canary-variable-6a1",
        "CANARY_HEADER": "canary-header-7b2",
        "CANARY_WORKER": "canary-worker-8c3",
        "CANARY_IMAGE": "canary-image-9d4",
    }
    _plant_in_the_fleet_file(info)
    canaries = (*planted.values(), *info.tokens.values())
    heard: list[str] = []

    def headers(call: object) -> None:
        heard.append(str(getattr(call, "headers", "")))
        answer(200, '{"value": 0}')(call)  # type: ignore[arg-type]

    said: list[Ran] = []

    def run(*argv: str) -> Ran:
        said.append(machine.run(*argv, environment=planted))
        return said[-1]

    with stub(headers) as url:
        text = PLAN.replace("@URL", url).replace("@FROM", info.versions.server_from)
        (machine.folder / "plan.yaml").write_text(text.replace("@TO", info.versions.server_to))
        (machine.folder / "tell.yaml").write_text(HEAD.format(name="tell") + TELLTALE)
        for output in ("human", "json", "markdown"):
            assert run("validate", "plan.yaml", "--output", output).code == 0
            assert run("preview", "plan.yaml", "--output", output).code == 0
        applied = run("apply", "plan.yaml", *HERE, "--output", "json")
        assert applied.code == 10, applied.both[-3000:]
        told = run("apply", "tell.yaml", *HERE)
        assert told.code == 10, told.both
        for output in ("human", "json", "markdown"):
            run("status", *HERE, "--output", output)
            run("journal", "show", *HERE, "--output", output)
        run("journal", "export", *HERE)

    assert planted["CANARY_VARIABLE"] in heard[-1]  # the gate's own server did get them
    assert f"Bearer {planted['CANARY_HEADER']}" in heard[-1]
    for ran in said:
        assert not [canary for canary in canaries if canary in ran.both]
    # The sandbox's own tokens; and what a program of the plan's author has printed of them itself.
    theirs = {info.folder / "environment", *info.folder.glob("state/work/tell-*/stderr")}
    found = [
        f"{path}: {canary}"
        for path in (*machine.folder.rglob("*"), *info.folder.rglob("*"))
        if path.is_file() and path not in theirs
        for canary in canaries
        if canary.encode() in path.read_bytes()
    ]
    assert found == []


def _plant_in_the_fleet_file(info: SandboxInfo) -> None:
    """More secrets where a fleet file may hold them: of workers, and of a server's image."""
    path = Path(info.fleet_file)
    fleet = json.loads(path.read_text())
    for queue in fleet["cohorts"]:
        queue["environment"]["THEIR_SECRET"] = "${env:CANARY_WORKER}"
    for image in fleet["images"].values():
        image.setdefault("environment", {})["ITS_SECRET"] = "${env:CANARY_IMAGE}"
    path.write_text(json.dumps(fleet))
