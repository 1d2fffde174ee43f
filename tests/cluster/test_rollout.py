"""A rollout over nodes that only the API server of their cluster leads to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.front import Front
from tests.cluster.objects import PORT, place, pods
from tests.cluster.programs import TOKENS, EmulatedPods
from tests.toolchain.cluster import Cluster, eventually

pytestmark = pytest.mark.cluster

OLD, NEW = "server:2.3.14", "server:2.4.0"
NODES = ("api-1", "api-2")
PLAN = """
version: 1
name: on-a-cluster
target:
  name: orders
  engine: durable-workflow
  url: ${{env:SERVER}}
  namespace: default
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
    - {{name: api-1, url: "kubernetes://{space}/StatefulSet/api-1:{port}"}}
    - {{name: api-2, url: "kubernetes://{space}/StatefulSet/api-2:{port}"}}
  accept: {{unread-node-specs: One template}}
infra: {{driver: manual}}
release:
  server: {{from: "2.3.14", to: "2.4.0", image: "server:2.4.0", identity: version}}
gates:
  ready: {{readiness: all, for: 1s, within: 60s}}
steps:
  - {{id: schema, uses: bootstrap, with: {{additive: true}}}}
  - {{id: api, uses: api-cutover, with: {{bake: 1s, within: 60s}}, gates: [ready]}}
"""


def node(cluster: Cluster, space: str, name: str, image: str) -> None:
    place(cluster, space, "StatefulSet", name, image=image, variables={"DW_SERVER_ID": name})


def tool(folder: Path, kubeconfig: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | TOKENS | {"KUBECONFIG": str(kubeconfig), "SERVER": url}
    return subprocess.Popen(
        [sys.executable, "-m", "rollout_kit", *arguments],
        cwd=folder,
        env=environment | {"NO_COLOR": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def images(cluster: Cluster, space: str) -> dict[str, str]:
    """What runs, by the pod's own number."""
    found = [pod for name in NODES for pod in pods(cluster, space, name)]
    return {pod["metadata"]["uid"]: pod["spec"]["containers"][0]["image"] for pod in found}


@dataclass
class Person:
    """Does what the tool asks for: jobs by their word, nodes by another image."""

    cluster: Cluster
    space: str
    folder: Path
    url: str
    done: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        for operation in re.findall(r"rollout-kit approve (schema/\S+)", line):
            self._once(operation, lambda operation=operation: self._approve(operation))  # type: ignore[misc]
        for name in re.findall(r"replace what runs as (api-\d)", line):
            self._once(name, lambda name=name: node(self.cluster, self.space, name, NEW))  # type: ignore[misc]

    def _once(self, what: str, act: Callable[[], object]) -> None:
        if what not in self.done:
            self.done.append(what)
            act()

    def _approve(self, operation: str) -> None:
        words = ("approve", operation, "--because", "it ended with 0")
        approving = tool(self.folder, self.cluster.kubeconfig, self.url, *words)
        said, _ = approving.communicate(timeout=60)
        assert approving.returncode == 0, said


def test_nodes_behind_the_api_server_are_previewed_and_replaced_one_by_one(
    cluster: Cluster, space: str, tmp_path: Path
) -> None:
    """The pods' addresses lead to emulated nodes; somebody else changes the StatefulSets."""
    (tmp_path / "plan.yaml").write_text(PLAN.format(space=space, port=PORT))
    for name in NODES:
        node(cluster, space, name, OLD)
    with (
        EmulatedPods(cluster, space, tmp_path, bootstrapped="2.4.0") as nodes,
        Front(nodes.addresses, PORT) as front,
    ):
        assert eventually(lambda: len(nodes.addresses()) == len(NODES))
        before = images(cluster, space)
        previewing = tool(tmp_path, cluster.kubeconfig, front.url, "preview", "plan.yaml")
        shown, _ = previewing.communicate(timeout=60)
        assert previewing.returncode == 0, shown
        assert "4 changes, each with its undo" in shown

        person = Person(cluster, space, tmp_path, front.url)
        applying = tool(tmp_path, cluster.kubeconfig, front.url, "apply", "plan.yaml", "--wait")
        assert applying.stdout is not None
        lines = []
        try:
            for line in applying.stdout:
                lines.append(line)
                person.hear(line)
        finally:
            applying.kill()
        assert applying.wait() == 0, "".join(lines)
        assert person.done[-2:] == ["api-1", "api-2"]
        after = images(cluster, space)
        assert (set(before.values()), set(after.values())) == ({OLD}, {NEW})
        assert not before.keys() & after.keys()
