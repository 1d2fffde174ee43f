"""The official packages run workflows to completion while a rollout goes on, over real sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.process.whole import await_work
from rollout_kit.model.identity import CohortRef
from rollout_kit.ports.infra import CohortSpec, SetCohort
from rollout_kit.sandbox import fleet
from rollout_kit.sandbox.layout import Generation, SandboxInfo
from rollout_kit.sandbox.wire import CONTROL_PLANE, Wire
from tests.clients.environments import NEWEST, OLDER, OLDEST, Package, install

pytestmark = [pytest.mark.clients, pytest.mark.processes, pytest.mark.timeout(170)]

HERE = Path(__file__).parent
PROGRAM = HERE / "program.py"
GREETER = {"workflow_type": "greeter", "input": ["ada"]}
SHORT = {"workflow_type": "short", "input": [{}]}


@contextmanager
def sandbox(folder: Path, generation: Generation) -> Iterator[SandboxInfo]:
    try:
        yield fleet.up(folder, generation=generation, workers=1, rate_hz=1.0)
    finally:
        fleet.down(folder)


def add_workers(info: SandboxInfo, packages: Sequence[Package]) -> None:
    """A cohort of the fleet for each package, on a queue of its own, with the build that serves."""
    written = json.loads(info.fleet_file.read_text("utf-8"))
    written["cohorts"] += [
        {
            "namespace": "default",
            "task_queue": queue_of(package),
            "argv": [str(package.python), str(PROGRAM), "worker", info.url, "{task_queue}"],
            "environment": {"DW_WORKER_TOKEN": "${env:DW_WORKER_TOKEN}"},
        }
        for package in packages
    ]
    info.fleet_file.write_text(json.dumps(written), "utf-8")
    driver, build = fleet.driver_of(info), info.versions.worker_from
    spec = CohortSpec(image=info.versions.worker_image(build), replicas=1)
    for package in packages:
        cohort = CohortRef(namespace="default", task_queue=queue_of(package), build_id=build)
        key = f"clients/{package.version}"
        driver.begin(key, SetCohort(cohort=cohort, spec=spec))
        await_work(driver, [key], 20)


def queue_of(package: Package) -> str:
    return f"sdk-{package.version}"


@contextmanager
def client(
    package: Package, info: SandboxInfo, queue: str, options: dict[str, Any]
) -> Iterator[subprocess.Popen[str]]:
    """The package's own process; it ends with the block."""
    argv = [str(package.python), str(PROGRAM), "client", info.url, queue, json.dumps(options)]
    with info.folder.joinpath(f"client-{package.version}.log").open("w") as log:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **info.tokens},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def roll_out(info: SandboxInfo) -> None:
    """The server from its version to the next, by the command line."""
    versions = info.versions
    variables = {
        "server_from": versions.server_from,
        "server_to": versions.server_to,
        "server_image": versions.server_image(versions.server_to),
        "fleet": str(info.fleet_file),
    }
    chosen = [part for name, value in variables.items() for part in ("--var", f"{name}={value}")]
    state = str(info.folder / "journal")
    argv = [sys.executable, "-m", "rollout_kit", "apply", str(HERE / "server.yaml")]
    ran = subprocess.run(
        [*argv, *chosen, "--state", state],
        env={**os.environ, **info.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def version_of(info: SandboxInfo) -> object:
    token = info.tokens["DW_OPERATOR_TOKEN"]
    wire = Wire(url=info.url, token=token, namespace="default", headers=CONTROL_PLANE)
    return wire.call("GET", "/api/cluster/info").body["version"]


def during_a_rollout(
    info: SandboxInfo, clients: Sequence[tuple[Package, str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """What each client reports that started workflows from before the rollout until after it."""
    stop = info.folder / "stop"
    with ExitStack() as stack:
        running = []
        for package, queue, wanted in clients:
            prefix = f"client-{package.version}"
            options = {**wanted, "until": str(stop), "prefix": prefix, "at_a_time": 2}
            running.append(stack.enter_context(client(package, info, queue, options)))
        roll_out(info)
        stop.touch()
        return [json.loads(process.communicate(timeout=60)[0]) for process in running]


def test_clients_and_workers_of_0_4_live_through_a_rollout_of_the_older_server(
    tmp_path: Path,
) -> None:
    packages = (OLDEST, OLDER)
    install(packages)
    with sandbox(tmp_path, Generation.V0_2) as info:
        add_workers(info, packages)
        wanted = [(package, queue_of(package), GREETER) for package in packages]
        reports = during_a_rollout(info, wanted)
        assert version_of(info) == info.versions.server_to
    for report, package in zip(reports, packages, strict=True):
        assert (report["package"], report["server"]) == (package.version, "0.2.9")
        assert len(report["results"]) >= 4
        ends = {(result["status"], result["output"]) for result in report["results"]}
        assert ends == {("completed", "HELLO ADA, BYE")}


def test_the_newest_client_lives_through_a_rollout_of_the_newer_server(tmp_path: Path) -> None:
    """Its runs are done by the sandbox's own workers: those of the package come later."""
    install([NEWEST])
    with sandbox(tmp_path, Generation.V2) as info:
        (report,) = during_a_rollout(info, [(NEWEST, "orders", SHORT)])
        assert version_of(info) == info.versions.server_to
    assert (report["package"], report["server"]) == (NEWEST.version, "2.3.14")
    assert len(report["results"]) >= 4
    assert {result["status"] for result in report["results"]} == {"completed"}
