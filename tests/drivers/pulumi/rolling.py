"""A sandbox fleet that a stack of lab objects steers, and the command beside it."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollout_kit.drivers.process.driver import ProcessDriver
from rollout_kit.model.codec import to_json
from rollout_kit.ports.errors import OutsideError
from rollout_kit.ports.infra import (
    InfraChange,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetAttached,
    SetScheduler,
)
from rollout_kit.sandbox.layout import NODES, SandboxInfo
from tests.acceptance.machine import Machine
from tests.drivers.pulumi.programs.rolled_fleet import ANSWERS
from tests.standin.fixtures import Cli

PROGRAM = Path(__file__).parent / "programs" / "rolled_fleet.py"
LOOK_S = 0.05


def plan(info: SandboxInfo, cli: Cli, *, more: str = "") -> str:
    """Bootstrap and cutover of every node; their addresses are outputs of the stack."""
    nodes = "\n".join(
        f'    - {{name: {name}, url: "${{stack:nodes.{name}.url}}"}}' for name in NODES
    )
    versions = info.versions
    return f"""\
version: 1
name: rolled
target:
  name: rolled
  engine: durable-workflow
  url: ${{env:DURABLE_WORKFLOW_SERVER_URL}}
  namespace: default
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
{nodes}
infra:
  driver: pulumi
  program: {cli.folder / PROGRAM.name}:main
  stack: dev
{more}
release:
  server:
    from: "{versions.server_from}"
    to: "{versions.server_to}"
    image: {versions.server_image(versions.server_to)}
on_failure: rollback
steps:
  - {{id: schema, uses: bootstrap, with: {{additive: true}}}}
  - {{id: api, uses: api-cutover, with: {{bake: 0s, within: 60s}}}}
"""


def entry(spec: ProcessSpec, **more: Any) -> dict[str, Any]:
    """A spec as the stack contract has it."""
    known = {"image": spec.image, "marker": spec.marker, "environment": dict(spec.environment)}
    return {**known, **more}


class Controller:
    """Makes true what the lab's objects say, as a cluster's controllers would."""

    def __init__(self, cli: Cli, fleet: ProcessDriver) -> None:
        self.cli = cli
        self.fleet = fleet
        self._done: dict[str, Any] = {}
        self._stop = threading.Event()
        self._numbers = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def base(self) -> dict[str, Any]:
        """What stands there, as the program's own configuration."""
        scheduler = self.fleet.scheduler_spec()
        assert scheduler is not None
        return {
            "nodes": {
                name: entry(spec, server_id=spec.server_id, attached=True)
                for name in NODES
                for spec in [self.fleet.node_spec(name)]
            },
            "scheduler": entry(scheduler, running=True),
        }

    def start(self) -> None:
        self._done = dict(self._latest())
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            for name, (id_, thing) in self._latest().items():
                if self._done.get(name) != (id_, thing):
                    self._make_true(name, id_, thing)
                    self._done[name] = (id_, thing)

    def _latest(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """The newest object of each name."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        with suppress(OSError, ValueError):  # one is being written
            for id_, thing in self.cli.world().items():
                name, _, number = id_.rpartition("-")
                if name not in found or int(number) > int(found[name][0].rpartition("-")[2]):
                    found[name] = (id_, thing)
        return found

    def _make_true(self, name: str, id_: str, thing: Mapping[str, Any]) -> None:
        kind, _, what = name.partition("-")
        if kind == "job":
            self._job(id_, json.loads(thing["value"]), what.rpartition("-")[0])
        elif (change := self._change(kind, what, thing)) is not None:
            self._settle(change)

    def _change(self, kind: str, what: str, thing: Mapping[str, Any]) -> InfraChange | None:
        match kind:
            case "node":
                return ReplaceNode(node=what, spec=_spec(json.loads(thing["key"])))
            case "front":
                return SetAttached(node=what, attached=bool(thing["value"]))
            case "scheduler":
                wanted = json.loads(thing["value"])
                return SetScheduler(spec=_spec(wanted) if wanted.get("running", True) else None)
        return None

    def _settle(self, change: InfraChange) -> None:
        self._numbers += 1
        self.fleet.begin(f"controller/{os.getpid()}/{id(self)}-{self._numbers}", change)

    def _job(self, id_: str, wanted: Mapping[str, Any], job: str) -> None:
        key = f"controller/{id(self)}/{id_}"
        try:
            self.fleet.begin(
                key, RunJob(job=job, image=wanted["image"], revision=wanted["revision"])
            )
            while (status := self.fleet.work(key)).state in (JobState.QUEUED, JobState.RUNNING):
                time.sleep(LOOK_S)
            said = to_json(status)
        except OutsideError as error:
            said = {"state": "failed", "detail": error.message}
        folder = self.cli.folder / ANSWERS
        folder.mkdir(exist_ok=True)
        (folder / "next").write_text(json.dumps(said))
        (folder / "next").replace(folder / f"{id_}.json")


def _spec(wanted: Mapping[str, Any]) -> ProcessSpec:
    return ProcessSpec(
        image=wanted["image"],
        marker=wanted.get("marker"),
        server_id=wanted.get("server_id"),
        environment=wanted.get("environment") or {},
    )


@contextmanager
def rolled(
    machine: Machine, info: SandboxInfo, cli: Cli, **configuration: str
) -> Iterator[tuple[Machine, Controller]]:
    """A stack that describes the sandbox as it is, and a machine whose plan names that stack."""
    environment = {**machine.environment, **cli.environment()}
    with in_environment(environment):
        fleet = ProcessDriver(info.folder / "fleet.yaml", environment)
        controller = Controller(cli, fleet)
        bring_up(cli, {"fleet": json.dumps(controller.base()), **configuration})
    shutil.copy(PROGRAM, cli.folder)  # a rollout is held to the digest of what lies beside it
    beside = replace(machine, environment=environment)
    (beside.folder / "plan.yaml").write_text(plan(info, cli))
    controller.start()
    try:
        yield beside, controller
    finally:
        controller.stop()
        beside.leave()


def bring_up(cli: Cli, configuration: Mapping[str, str]) -> None:
    """As somebody does it with `pulumi up`."""
    from pulumi import automation

    from tests.drivers.pulumi.programs import rolled_fleet

    stack = automation.create_or_select_stack(
        "dev",
        project_name="rolled_fleet",
        program=rolled_fleet.main,
        opts=automation.LocalWorkspaceOptions(work_dir=str(cli.work)),
    )
    for key, value in configuration.items():
        stack.set_config(f"rolled_fleet:{key}", automation.ConfigValue(value))
    stack.up(message="somebody else")


@contextmanager
def in_environment(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
