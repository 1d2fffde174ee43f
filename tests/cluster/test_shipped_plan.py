"""The shipped plan for Kubernetes, whole, over the shipped program, on a real control plane.

The engine is the stand-in, and the real one with its Kubernetes provider wherever both are on PATH.
The pods' programs are an emulated server of the 2.x generation and workers that really work.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pulumi import automation as auto

from rollout_kit.model.identity import CohortRef
from rollout_kit.sandbox import ledger
from rollout_kit.sandbox.wire import CONTROL_PLANE
from tests.cluster.front import Front
from tests.cluster.objects import PORT
from tests.cluster.programs import TOKENS, EmulatedPods
from tests.infra.in_a_cluster import label_nodes, pods, until
from tests.infra.rendering import INFRA, loaded
from tests.standin.fixtures import Cli, real_or_standin
from tests.toolchain.cluster import Cluster

__all__ = ["real_or_standin"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

ROOT = INFRA.parent
PROGRAM = "small-cluster"
PLAN = ROOT / "pipelines" / "plans" / "rolling-upgrade-kubernetes.yaml"
NODES = ("api-1", "api-2", "api-3")
OLD, NEW = "emulated/server:2.3.14", "emulated/server:2.4.0"
OLD_BUILD, NEW_BUILD = "orders-17", "orders-18"
OLD_WORKER, NEW_WORKER = "emulated/orders:17", "emulated/orders:18"
QUEUE = "orders"
REPLICAS = 1
TARGET = "cluster"
PACE = {
    "bake": "1s",
    "node_bake": "0s",
    "hold": "1s",
    "sample_every": "1s",
    "gate_within": "60s",
    "node_within": "60s",
    "canary_within": "90s",
    "drain_within": "120s",
}
LATEST_S = 1200.0


def cohort(build: str, image: str, replicas: int = REPLICAS) -> tuple[str, dict[str, Any]]:
    ref = CohortRef(namespace="default", task_queue=QUEUE, build_id=build)
    parts = {"namespace": "default", "task_queue": QUEUE, "build_id": build}
    return ref.path, {**parts, "image": image, "replicas": replicas}


def configuration(space: str) -> dict[str, Any]:
    """What stands before the rollout."""
    return {
        f"{PROGRAM}:namespace": space,
        f"{PROGRAM}:image": OLD,
        f"{PROGRAM}:port": PORT,
        f"{PROGRAM}:version_variable": "APP_VERSION",
        f"{PROGRAM}:poll_timeout_s": 2,
        f"{PROGRAM}:server_environment": {
            "DW_AUTH_DRIVER": "token",
            "DW_DEFAULT_NAMESPACE": "default",
            "DW_EXPOSE_PACKAGE_PROVENANCE": "true",
            "DW_WORKER_POLL_TIMEOUT": "2",
            "DW_WORKER_HEARTBEAT_INTERVAL_SECONDS": "1",
            "DW_WORKER_STALE_AFTER_SECONDS": "4",
            "DW_V2_COMPATIBILITY_HEARTBEAT_TTL": "4",
            "ROLLOUT_KIT_EMULATOR_LEASE_SECONDS": "5",
        },
        "fleet:nodes": {name: {"image": OLD} for name in NODES},
        "fleet:cohorts": dict([cohort(OLD_BUILD, OLD_WORKER)]),
    }


@dataclass(frozen=True)
class Fleet:
    """A fleet in a namespace of the cluster, and the command beside it."""

    cli: Cli
    cluster: Cluster
    space: str
    folder: Path
    url: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.cli.environment(), **TOKENS}
        environment |= {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "DURABLE_WORKFLOW_SERVER_URL": self.url,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "rollout_kit", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=LATEST_S)
        return process.returncode, said

    def plan(self, **changed: str) -> tuple[str, ...]:
        """The shipped plan, with its variables told."""
        told = {
            **PACE,
            "server_from": OLD.rpartition(":")[2],
            "server_to": NEW.rpartition(":")[2],
            "server_image": NEW,
            "worker_from": OLD_BUILD,
            "worker_to": NEW_BUILD,
            "worker_image": NEW_WORKER,
            "replicas": str(REPLICAS),
            "target": TARGET,
            "namespace": "default",
            "queue": QUEUE,
            "program": str(INFRA / PROGRAM),
            "stack": "dev",
            "context": "certificate",
            "space": self.space,
            **changed,
        }
        shutil.copy(PLAN, self.folder)  # what a driver keeps is beside the plan
        return (PLAN.name, *(f"--var={name}={value}" for name, value in told.items()))

    def events(self) -> list[dict[str, Any]]:
        """Of the one rollout, as far as they are whole."""
        lines = []
        for journal in (self.folder / ".rollout-kit" / TARGET).glob("*.jsonl"):
            lines += [line for line in journal.read_text().splitlines(True) if line.endswith("\n")]
        return [json.loads(line)["event"] for line in lines]

    def event(self, kind: str, operation: str | None = None) -> dict[str, Any]:
        """The first of this kind; empty while there is none."""
        for record in self.events():
            about = record.get("operation")
            if isinstance(about, dict):  # as it was intended
                about = about["id"]
            if record["is"] == kind and operation in (None, about):
                return record
        return {}

    def await_event(self, kind: str, operation: str) -> None:
        until(lambda: self.event(kind, operation), LATEST_S)

    def recorded(self) -> dict[str, Any]:
        """Of each resource but the runs of jobs, its id and inputs."""
        resources = self.cli.checkpoint(project=PROGRAM)["resources"]
        return {
            one["urn"]: (one.get("id"), one.get("inputs"))
            for one in resources
            if not one["type"].endswith(":Job")
            and "JobRun" not in one["urn"]
            and one["type"] != "pulumi:pulumi:Stack"
        }

    def runs(self) -> dict[str, str]:
        """The image of each pod's program, by the pod's owner; jobs that ended left out."""
        found = pods(self.cluster, self.space, "app.kubernetes.io/name=durable-workflow")
        return {
            pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"]
            for pod in found
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        }

    def specs(self) -> dict[str, Any]:
        """What the live objects ask for."""
        root = f"/apis/apps/v1/namespaces/{self.space}"
        return {
            f"{kind}/{item['metadata']['name']}": item["spec"]
            for kind in ("statefulsets", "deployments")
            for item in self.cluster.call("GET", f"{root}/{kind}")["items"]
        }


@pytest.fixture
def fleet(
    real_or_standin: Cli,
    cluster: Cluster,
    space: str,
    tmp_path: Path,
) -> Iterator[Fleet]:
    if real_or_standin.real and shutil.which("pulumi-resource-kubernetes") is None:
        pytest.skip("no pulumi-resource-kubernetes on PATH")
    label_nodes(cluster)
    bring_up(real_or_standin, cluster, configuration(space))
    folder = tmp_path / "beside"
    folder.mkdir()
    programs = EmulatedPods(cluster, space, tmp_path, bootstrapped="2.3.14")
    with programs, Front(lambda: endpoints(cluster, space), PORT) as front:
        programs.url = front.url
        made = Fleet(real_or_standin, cluster, space, folder, front.url)
        until(lambda: len(endpoints(cluster, space)) == len(NODES))
        yield made


class Load:
    """Runs that are started all the time, one a second."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._ledger = folder / "load.jsonl"
        where = ("--url", url, "--ledger", str(self._ledger), "--queues", f"{QUEUE},{QUEUE}")
        argv = [sys.executable, "-m", "rollout_kit.sandbox.load", *where, "--rate", "1"]
        self.process = subprocess.Popen(argv, env=os.environ | TOKENS, stdout=subprocess.DEVNULL)

    @property
    def started(self) -> int:
        return len(ledger.read(self._ledger))

    def unfinished(self) -> dict[str, str]:
        """No run is started any more: those that do not complete, with how they stand."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        headers = {"Authorization": f"Bearer {TOKENS['DW_OPERATOR_TOKEN']}", **CONTROL_PLANE}
        with httpx.Client(base_url=self._url, headers=headers, timeout=20) as http:
            left: dict[str, str] = {}

            def all_completed() -> bool:
                for name in ledger.read(self._ledger):
                    if left.get(name) != "completed":
                        left[name] = http.get(f"/api/workflows/{name}").json()["status"]
                return all(status == "completed" for status in left.values())

            with suppress(AssertionError):
                until(all_completed, 60)
        return {name: status for name, status in left.items() if status != "completed"}


@pytest.fixture
def load(fleet: Fleet) -> Iterator[Load]:
    made = Load(fleet.url, fleet.folder)
    yield made
    made.process.kill()
    made.process.wait()


def bring_up(cli: Cli, cluster: Cluster, values: Mapping[str, Any]) -> None:
    """As somebody does it with `pulumi up`."""
    options = auto.LocalWorkspaceOptions(
        work_dir=str(cli.work), env_vars={"KUBECONFIG": str(cluster.kubeconfig)}
    )
    with loaded(PROGRAM) as module:
        stack = auto.create_or_select_stack("dev", PROGRAM, program=module.fleet, opts=options)
        stack.set_all_config(
            {
                name: auto.ConfigValue(value if isinstance(value, str) else json.dumps(value))
                for name, value in {**values, "kubernetes:context": "certificate"}.items()
            }
        )
        stack.up()


def endpoints(cluster: Cluster, space: str) -> list[str]:
    """Addresses of the pods that the front Service leads to."""
    slices = cluster.call(
        "GET",
        f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices",
        params={"labelSelector": "kubernetes.io/service-name=api"},
    )["items"]
    return sorted(
        endpoint["addresses"][0]
        for item in slices
        for endpoint in item.get("endpoints") or []
        if endpoint["conditions"]["ready"]
    )


def test_killed_and_resumed_it_loses_no_run_and_its_rollback_puts_everything_back(
    fleet: Fleet, load: Load
) -> None:
    before = fleet.recorded(), fleet.specs()
    code, said = fleet.run("preview", *fleet.plan())
    assert code == 0, said
    assert "20 changes, each with its undo" in said

    applying = fleet.start("apply", *fleet.plan())
    fleet.await_event("OperationIntended", "api/api-1/replace")
    applying.kill()
    applying.communicate()
    code, said = fleet.run("resume")
    assert code == 0, said
    ran = fleet.runs()
    assert {name: image for name, image in ran.items() if name.startswith("api-")} == {
        f"{name}-0": NEW for name in NODES
    }
    assert sorted(image for name, image in ran.items() if not name.startswith("api-")) == sorted(
        [NEW, NEW, *[NEW_WORKER] * REPLICAS]  # scheduler, maintenance, workers
    )
    started = fleet.event("RolloutStarted")
    announced = started["announced"]
    assert touched(announced, "api/api-1/detach") == {
        "StatefulSet api-1": "update",
        "PodPatch api-1-rotation": "update",
    }
    assert touched(announced, "api/api-1/replace") == {"StatefulSet api-1": "replace"}
    assert touched(announced, "scheduler/stop") == {"Deployment scheduler": "update"}

    code, said = fleet.run("rollback", started["rollout"])
    assert code == 10, said
    assert (fleet.recorded(), fleet.specs()) == before
    assert fleet.cli.locks(project=PROGRAM) == []
    assert load.unfinished() == {}
    assert load.started > 20


def test_a_job_that_fails_ends_it_before_anything_is_changed(fleet: Fleet) -> None:
    before, ran = (fleet.recorded(), fleet.specs()), fleet.runs()
    code, said = fleet.run("apply", *fleet.plan(server_image="emulated/fails:2.4.0"))
    assert code == 10, said
    assert "✗ schema/run  failed: " in said
    assert "ends, last with exit code 1: SQLSTATE[HY000]: cannot add the column" in said
    assert (fleet.recorded(), fleet.specs(), fleet.runs()) == (*before, ran)


def test_an_image_that_cannot_be_pulled_is_said_at_once(fleet: Fleet) -> None:
    before, ran = (fleet.recorded(), fleet.specs()), fleet.runs()
    code, said = fleet.run("apply", *fleet.plan(server_image="emulated/broken:2.4.0"))
    assert code == 10, said
    assert "ImagePullBackOff" in said
    assert "emulated/broken:2.4.0" in said
    assert (fleet.recorded(), fleet.specs(), fleet.runs()) == (*before, ran)


def test_a_node_that_never_gets_ready_is_put_back(fleet: Fleet) -> None:
    before, ran = (fleet.recorded(), fleet.specs()), fleet.runs()
    told = fleet.plan(server_image="emulated/silent:2.4.0", node_within="15s")
    code, said = fleet.run("apply", *told)
    assert code == 10, said
    assert "✗ api/api-1/ready  failed: " in said
    assert "api-2/replace" not in said
    assert (fleet.recorded(), fleet.specs(), fleet.runs()) == (*before, ran)


def test_workers_that_cannot_start_are_known_at_once_and_server_and_workers_go_back(
    fleet: Fleet, load: Load
) -> None:
    before, ran = (fleet.recorded(), fleet.specs()), fleet.runs()
    code, said = fleet.run("apply", *fleet.plan(worker_image="emulated/crash:18"))
    assert code == 10, said
    assert "CrashLoopBackOff" in said
    assert (fleet.recorded(), fleet.specs()) == before
    assert set(fleet.runs().values()) == set(ran.values())
    assert load.unfinished() == {}


def touched(announced: list[dict[str, Any]], operation: str) -> dict[str, str]:
    """What was announced of an operation, by `Kind name`."""
    (said,) = [one for one in announced if one["operation"] == operation]
    return {
        f"{urn.split('::')[2].rpartition(':')[2]} {urn.rpartition('::')[2]}": kind
        for urn, kind in zip(said["resources"], said["kinds"], strict=True)
    }
