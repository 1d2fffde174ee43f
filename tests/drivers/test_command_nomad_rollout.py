"""A whole rollout through the shipped script for Nomad: killed on its way forward, then taken back.

Nomad is the stand-in; what its allocations stand for are a sandbox's processes.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.work import processes
from rollout_kit.drivers.work.folder import UNDER_WAY
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import (
    CohortSpec,
    InfraChange,
    JobState,
    LiveProcess,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetMaintenance,
    SetScheduler,
)
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NODES, SandboxInfo
from tests.acceptance.machine import PACE, PLANS, STATE, Machine, assignments, sandbox_machine
from tests.drivers.conftest import eventually
from tests.drivers.nomad import Job, Nomad, service, serving
from tests.drivers.test_command_rollout import PATIENT, builds, is_as_before, versions

pytestmark = [pytest.mark.processes, pytest.mark.crash, pytest.mark.timeout(900)]

MARKER = "DW_V2_CURRENT_COMPATIBILITY"
HERE = ("--state", STATE)
JOBS = {"server-bootstrap": "bootstrap", "php": "migrate-status"}


class OfSandbox:
    """The machines of Nomad: a sandbox's fleet."""

    def __init__(self, info: SandboxInfo) -> None:
        self.driver = fleet.driver_of(info)
        self._numbers = itertools.count()
        self._ended: dict[str, tuple[bool, str]] = {}

    def settle(self, job: Job, count: int) -> None:
        name, task = job["ID"], job["TaskGroups"][0]["Tasks"][0]
        kind, _, rest = name.removeprefix("fleet-").partition("-")
        environment = dict(task["Env"] or {})
        image = task["Config"]["image"]
        spec = ProcessSpec(
            image=image,
            marker=environment.pop(MARKER, None),
            server_id=environment.pop("DW_SERVER_ID", None),
            environment=environment,
        )
        match kind:
            case "node" | "maintenance" if not count:
                self._end(self._live(name))
            case "node":
                self._do(ReplaceNode(node=rest, spec=spec))
            case "maintenance":
                self._do(SetMaintenance(name=rest, spec=spec))
            case "scheduler":
                self._do(SetScheduler(spec=spec if count else None))
            case "worker":
                wanted = CohortSpec(image=image, replicas=count, environment=environment)
                self._do(SetCohort(cohort=cohort_of(job), spec=wanted))
            case "job":
                job_name = JOBS[task["Config"]["command"]]
                self._ended[name] = self._do(RunJob(job=job_name, image=image, revision="2.4.0"))

    def live(self, name: str) -> int:
        return len(self._live(name))

    def output(self, name: str) -> tuple[bool, str]:
        return self._ended[name]

    def _live(self, name: str) -> tuple[LiveProcess, ...]:
        kind, _, rest = name.removeprefix("fleet-").partition("-")
        match kind:
            case "node":
                return self.driver.node_processes(rest)
            case "maintenance":
                return self.driver.maintenance_processes(rest)
            case "scheduler":
                return self.driver.scheduler_processes()
            case _:
                queue, _, build = rest.partition("-")
                place = CohortRef(namespace="default", task_queue=queue, build_id=build)
                return self.driver.cohort_processes(place)

    def _do(self, change: InfraChange) -> tuple[bool, str]:
        key = f"nomad-{next(self._numbers)}/it/1"
        self.driver.begin(key, change)
        assert eventually(lambda: self.driver.work(key).state not in UNDER_WAY, 60.0)
        status = self.driver.work(key)
        return status.state is JobState.SUCCEEDED, status.output

    def _end(self, live: tuple[LiveProcess, ...]) -> None:
        for one in live:
            os.kill(one.pid, signal.SIGTERM)
        assert eventually(lambda: all(processes.started(one.pid) is None for one in live), 30.0)


def cohort_of(job: Job) -> CohortRef:
    place = {name: job["Meta"][name] for name in ("namespace", "task_queue", "build_id")}
    return CohortRef(**place)


def seed(nomad: Nomad, site: OfSandbox) -> None:
    """The jobs whose allocations the sandbox's processes are."""
    driver = site.driver
    specs = {f"fleet-node-{name}": driver.node_spec(name) for name in NODES}
    specs |= {f"fleet-maintenance-{n}": spec for n, spec in driver.maintenance_specs().items()}
    scheduler = driver.scheduler_spec()
    assert scheduler is not None
    for name, spec in {**specs, "fleet-scheduler": scheduler}.items():
        given: dict[str, Any] = {MARKER: spec.marker, "DW_SERVER_ID": spec.server_id}
        known = {key: value for key, value in given.items() if value is not None}
        nomad.holds(service(name, spec.image, 1, **spec.environment, **known))
    for cohort, workers in driver.cohort_specs().items():
        meta = {
            "namespace": "default",
            "task_queue": cohort.task_queue,
            "build_id": cohort.build_id,
        }
        name = f"fleet-worker-{cohort.task_queue}-{cohort.build_id}"
        nomad.holds(
            service(name, workers.image, workers.replicas, **workers.environment, meta=meta)
        )
    nomad.holds(service("fleet-job", "server:0", 0))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Machine, SandboxInfo, dict[str, str]]]:
    with sandbox_machine(tmp_path, workers=1, rate_hz=0) as (machine, info):
        site = OfSandbox(info)
        with serving(site) as (nomad, environment):
            seed(nomad, site)
            shutil.copy(PLANS / "command-nomad.py", machine.folder)
            yield machine, info, environment
            machine.leave()


def plan_of(machine: Machine, info: SandboxInfo) -> tuple[str, ...]:
    """The shipped plan, with the shipped script in the place of the fleet file."""
    text = (PLANS / "rolling-upgrade.yaml").read_text()
    driver = 'infra: {driver: process, fleet: "${var:fleet}"}'
    argv = json.dumps([sys.executable, "command-nomad.py"])
    assert driver in text
    text = text.replace(driver, f"infra: {{driver: command, argv: {argv}, state: .fleet}}")
    (machine.folder / "plan.yaml").write_text(text)
    return ("plan.yaml", *assignments({**info.variables, **PACE, **PATIENT, "node_within": "90s"}))


def test_killed_on_its_way_it_goes_on_and_its_rollback_leaves_the_fleet_as_it_was(
    place: tuple[Machine, SandboxInfo, dict[str, str]],
) -> None:
    machine, info, environment = place
    running = machine.start("apply", *plan_of(machine, info), *HERE, environment=environment)
    machine.await_event("OperationIntended", "api/api-2/replace")
    running.kill()
    ran = machine.run("resume", *HERE, environment=environment, within_s=400)
    assert ran.code == 0, ran.both[-4000:]
    assert versions(info) == {info.versions.server_to}
    assert builds(info) == {info.versions.worker_to}
    assert len(fleet.driver_of(info).scheduler_processes()) == 1
    (started,) = [one for one in machine.events() if one["is"] == "RolloutStarted"]
    said = {one["operation"]: one["resources"] for one in started["announced"]}
    assert said["api/api-1/replace"] == ["job/fleet-node-api-1"]

    back = machine.run("rollback", started["rollout"], *HERE, environment=environment, within_s=400)
    assert back.code == 10, back.both[-4000:]
    is_as_before(info)
