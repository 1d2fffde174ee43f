"""The CLI killed (-9) while it replaces a node of `infra/small-cluster`: the way back restores all.

With the real CLI and its Kubernetes provider only: where a kill strikes is theirs to decide.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.drivers.pulumi import api, update
from rollout_kit.drivers.pulumi.api import Outcome, UpdateRequest, UpdateResult
from rollout_kit.drivers.pulumi.marks import Marks
from tests.infra.test_small_cluster import PROGRAM
from tests.infra.test_small_cluster_through_the_engine import Stack, moved, stack  # noqa: F401
from tests.standin.fixtures import Cli
from tests.toolchain.cluster import Cluster

ROOT = Path(__file__).parents[2]
MOMENTS_S = (0.1, 0.4, 0.7, 0.85, 0.95, 1.05, 1.15, 1.25, 1.35, 1.45)
"""After the update was begun. It takes about 1.5 s; its steps are the last 0.7 of them."""
REAL = pytest.mark.parametrize(
    "real_or_standin", [pytest.param("real", marks=pytest.mark.real_pulumi)], indirect=True
)
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


class Changes:
    """Changes of the nodes, each by a child of its own."""

    def __init__(self, cli: Cli, cluster: Cluster, folder: Path) -> None:
        self._cli, self._folder, self._number = cli, folder, 0
        program = api.Program(path=str(ROOT / "infra" / PROGRAM / "program.py"), function="fleet")
        (folder / "stack").mkdir()
        self._stack = api.Stack(
            program=program,
            name="dev",
            project=PROGRAM,
            folder=str(folder / "stack"),
            backend=f"file://{cli.state}",
            kubeconfig=str(cluster.kubeconfig),
        )

    def make(self, nodes: Any, kill_after_s: float | None = None) -> UpdateResult:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        urns = [item["urn"] for item in self._cli.checkpoint(project=PROGRAM)["resources"]]
        request = UpdateRequest(
            stack=self._stack,
            operation=f"r/op-{self._number}/1",
            wanted={"fleet:nodes": nodes},
            may=tuple(api.May(urn=urn, ops=("*",)) for urn in urns),
            within_s=120.0,
        )
        update.write(folder / api.REQUEST_FILE, request)
        child = subprocess.Popen(
            [sys.executable, "-m", "rollout_kit.drivers.pulumi.update", str(folder)],
            env={**os.environ, **self._cli.environment(), "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        if kill_after_s is not None:
            self._kill(child, kill_after_s)
        child.wait(timeout=180)
        result = update.read_result(folder)
        assert result is not None
        return result

    def _kill(self, child: subprocess.Popen[bytes], after_s: float) -> None:
        """As soon as the update's own process is on the record, and has had so long."""
        marks = Marks(Path(self._stack.folder))
        while (mark := marks.found()) is None or not mark.pids:
            if child.poll() is not None:
                return
            time.sleep(0.005)
        time.sleep(after_s)
        for pid, _ in mark.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it had ended
                continue

    def recorded(self) -> dict[str, tuple[str, str]]:
        """Of each resource, by URN: its id and its inputs."""
        resources = self._cli.checkpoint(project=PROGRAM)["resources"]
        return {
            item["urn"]: (item.get("id", ""), json.dumps(item.get("inputs"), sort_keys=True))
            for item in resources
        }


def running(cluster: Cluster, space: str) -> dict[str, Any]:
    """What the live objects ask for."""
    path = f"/apis/apps/v1/namespaces/{space}/statefulsets"
    return {item["metadata"]["name"]: item["spec"] for item in cluster.call("GET", path)["items"]}


@REAL
def test_killed_at_ten_moments_the_way_back_restores_what_is_recorded_and_what_runs(
    stack: Stack,  # noqa: F811
    real_or_standin: Cli,
    cluster: Cluster,
    space: str,
    tmp_path: Path,
) -> None:
    stack.up()
    before = stack.configured("nodes")
    after = copy.deepcopy(before)
    after["api-1"]["image"] = "server:new"
    changes = Changes(real_or_standin, cluster, tmp_path)
    assert changes.make(after).outcome is Outcome.DONE
    assert changes.make(before).outcome is Outcome.DONE
    recorded, ran = changes.recorded(), running(cluster, space)
    struck = []
    for moment_s in MOMENTS_S:
        struck.append(changes.make(after, kill_after_s=moment_s).outcome)
        back = changes.make(before)
        assert back.outcome is Outcome.DONE, back
        assert changes.recorded() == recorded, moment_s
        assert running(cluster, space) == ran, moment_s
    assert struck.count(Outcome.FAILED) > len(MOMENTS_S) / 2, "most of them strike before the end"
    assert moved(stack.preview()) == {}
