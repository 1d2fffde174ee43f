"""Where a sandbox's fleet runs in a rollout by a shipped script: Nomad, real or not, ECS, Ansible."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rollout_kit.drivers.process.whole import await_work
from rollout_kit.ports.infra import ProcessSpec
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import NODES, SandboxInfo
from tests.acceptance.machine import PLANS
from tests.drivers import docker_standin, nomad_agent
from tests.drivers.contained import IMAGE, MARKER
from tests.drivers.ecs import Agents, cluster, define
from tests.drivers.ecs import service as ecs_service
from tests.drivers.machines import TOLD, Machines, contained, environment_of, what_is
from tests.drivers.nomad import Job, image_of, service, serving


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One job or service of the fleet, as it is before the rollout. `build`: of workers."""

    name: str
    image: str
    count: int
    variables: Mapping[str, str]
    queue: str = ""
    build: str = ""

    @property
    def tags(self) -> dict[str, str]:
        place = {"namespace": "default", "task_queue": self.queue, "build_id": self.build}
        return place if self.queue else {}


Platform: TypeAlias = Callable[
    [Path, SandboxInfo, list[Thing]], AbstractContextManager[dict[str, str]]
]


def things(info: SandboxInfo) -> list[Thing]:
    """What the sandbox's fleet consists of."""
    driver = fleet.driver_of(info)
    specs = {f"fleet-node-{name}": driver.node_spec(name) for name in NODES}
    specs |= {f"fleet-maintenance-{name}": s for name, s in driver.maintenance_specs().items()}
    scheduler = driver.scheduler_spec()
    assert scheduler is not None
    servers = [
        _server(name, spec) for name, spec in [*specs.items(), ("fleet-scheduler", scheduler)]
    ]
    workers = [
        Thing(
            name=f"fleet-worker-{cohort.task_queue}-{cohort.build_id}",
            image=spec.image,
            count=spec.replicas,
            variables={},
            queue=cohort.task_queue,
            build=cohort.build_id or "",
        )
        for cohort, spec in driver.cohort_specs().items()
    ]
    return servers + workers


def _server(name: str, spec: ProcessSpec) -> Thing:
    given = {MARKER: spec.marker, "DW_SERVER_ID": spec.server_id}
    told = {name: spec.environment[name] for name in TOLD if name in spec.environment}
    variables = told | {name: value for name, value in given.items() if value is not None}
    return Thing(name=name, image=spec.image, count=1, variables=variables)


def hand_over(info: SandboxInfo, there: list[Thing]) -> None:
    """The sandbox's own processes give their places to those of the platform."""
    driver = fleet.driver_of(info)
    names = {what_is(thing.name) for thing in there if not thing.queue}
    roles = [*names, *(f"worker/{one.path}/0" for one in driver.cohort_specs())]
    for role in roles:
        driver.end_program(f"over/{role}", role)
    await_work(driver, [f"over/{role}" for role in roles], 30)


# --- Nomad ---------------------------------------------------------------------------------------


class Site:
    """The machines of the stand-in for Nomad."""

    def __init__(self, info: SandboxInfo) -> None:
        self._machines = Machines(info)

    def lacks(self, job: Job) -> str:
        return ""

    def start(self, job: Job, allocation: str) -> str:
        (task,) = job["TaskGroups"][0]["Tasks"]
        meta = {f"NOMAD_META_{name}": value for name, value in (job["Meta"] or {}).items()}
        variables = {**(task["Env"] or {}), **meta, IMAGE: image_of(job)}
        if job["Type"] == "batch":
            command = (task["Config"]["command"], *task["Config"]["args"])
            self._machines.start(allocation, "job", variables, *command)
        else:
            self._machines.start(allocation, what_is(job["ID"]), variables)
        return ""

    def stop(self, allocation: str) -> None:
        self._machines.stop(allocation)

    def end(self, allocation: str) -> tuple[int, str, str]:
        return self._machines.end(allocation)


@contextmanager
def nomad(folder: Path, info: SandboxInfo, there: list[Thing]) -> Iterator[dict[str, str]]:
    """The stand-in for its API."""
    shutil.copy(PLANS / "command-nomad.py", folder)
    with serving(Site(info)) as (_, where):
        for thing in there:
            job = service(thing.name, thing.image, thing.count, meta=thing.tags, **thing.variables)
            nomad_agent.ask(where, "/v1/jobs", {"Job": job})
        nomad_agent.ask(where, "/v1/jobs", {"Job": service("fleet-job", "none", 1)})
        yield where


@contextmanager
def real_nomad(folder: Path, info: SandboxInfo, there: list[Thing]) -> Iterator[dict[str, str]]:
    """An agent of its own; tasks are processes of this machine."""
    shutil.copy(PLANS / "command-nomad.py", folder)
    programs = folder.parent / "programs"
    programs.mkdir()
    for name in ("server-bootstrap", "php"):
        argv = " ".join(contained(info, "job", name))
        (programs / name).write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
        (programs / name).chmod(0o755)
    environment = environment_of(info)
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    with nomad_agent.agent(folder.parent / "nomad", environment) as where:
        for thing in there:
            job = service(thing.name, "", thing.count, meta=thing.tags, **thing.variables)
            _runs_here(job, thing.image, contained(info, what_is(thing.name)))
            nomad_agent.ask(where, "/v1/jobs", {"Job": job})
        template = service("fleet-job", "", 1)
        _runs_here(template, "none", ["nothing"])
        nomad_agent.ask(where, "/v1/jobs", {"Job": template})
        yield where


def _runs_here(job: dict[str, Any], image: str, argv: list[str]) -> None:
    (task,) = job["TaskGroups"][0]["Tasks"]
    task |= {
        "Driver": "raw_exec",
        "Config": {"command": argv[0], "args": argv[1:]},
        "Env": {**(task["Env"] or {}), IMAGE: image},
        "Templates": None,
        "Resources": {"CPU": 1, "MemoryMB": 10},
    }


# --- ECS -----------------------------------------------------------------------------------------


@contextmanager
def ecs(folder: Path, info: SandboxInfo, there: list[Thing]) -> Iterator[dict[str, str]]:
    """moto's API, and agents that start processes."""
    shutil.copy(PLANS / "command-ecs.py", folder)
    machines = Machines(info)
    try:
        with cluster(machines) as (agents, where):
            _services(agents, there)
            yield where
    finally:
        machines.leave()


def _services(agents: Agents, there: list[Thing]) -> None:
    for thing in there:
        own = {"FLEET_BUILD_ID": thing.build} if thing.build else {}
        variables = {**thing.variables, **own}
        ecs_service(agents, thing.name, thing.image, thing.count, tags=thing.tags, **variables)
    define(agents, "fleet-job", "none")


# --- Ansible -------------------------------------------------------------------------------------


@contextmanager
def ansible(folder: Path, info: SandboxInfo, there: list[Thing]) -> Iterator[dict[str, str]]:
    """The real ansible-playbook over a local connection; docker is a stand-in that starts processes."""
    for name in ("command-ansible.py", "command-ansible.playbook.yml"):
        shutil.copy(PLANS / name, folder)
    groups = {"nodes": list(NODES), "scheduler": [NODES[0]], "workers": [NODES[0]]}
    docker = docker_standin.Docker(folder.parent / "docker", info)
    lines = ["[all:vars]", f"ansible_python_interpreter={sys.executable}"]
    for group, names in groups.items():
        lines += [f"[{group}]"]
        lines += [f"{one} ansible_connection=local engine={docker.engine(one)}" for one in names]
    (folder / "here.ini").write_text("\n".join(lines) + "\n")
    shared = next(dict(thing.variables) for thing in there if thing.name == "fleet-node-api-1")
    shared.pop("DW_SERVER_ID", None)
    where = {
        "FLEET_INVENTORY": str(folder / "here.ini"),
        "FLEET_ENVIRONMENT": json.dumps(shared),
        "ANSIBLE_LOCAL_TEMP": str(folder.parent / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(folder.parent / "ansible"),
    }
    numbers: dict[str, Iterator[int]] = {}
    try:
        for thing in there:
            kind, _, name = what_is(thing.name).partition("/")
            machine = name if kind == "node" else NODES[0]
            label: dict[str, Any] = {"is": what_is(thing.name), "image": thing.image}
            if thing.queue:
                number = next(numbers.setdefault(thing.name, itertools.count()))
                path = f"default/{thing.queue}/{thing.build}"
                label |= {**thing.tags, "is": f"worker/{path}", "number": number}
            else:
                label |= {"marker": None, "server_id": thing.variables.get("DW_SERVER_ID")}
                label |= {"environment": shared}
            docker.run(machine, label, {"FLEET_BUILD_ID": thing.build})
        yield where
    finally:
        docker.leave()


PLATFORMS: Mapping[str, Platform] = {
    "nomad": nomad,
    "real nomad": real_nomad,
    "ecs": ecs,
    "ansible": ansible,
}
