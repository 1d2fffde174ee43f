"""The front as its Service: reached through the API server, one ready pod after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.ports.errors import Refused, Unavailable
from rollout_kit.transport.messages import Request
from tests.cluster.nodes import BEARER, TOKEN, Serve, said, through
from tests.cluster.objects import LABEL, PORT, address_of, place
from tests.cluster.programs import TOKENS, EmulatedPods
from tests.cluster.test_node_access import failure
from tests.toolchain.cluster import Cluster, eventually

pytestmark = pytest.mark.cluster

FRONT_PORT = 80
NODES = ("api-1", "api-2")
EITHER_WAY = pytest.mark.parametrize("headers", [{}, TOKEN], ids=["plain", "token"])


def front(cluster: Cluster, space: str) -> None:
    """As that of a fleet: it selects by the label that says who is in rotation."""
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api", "namespace": space},
        "spec": {
            "selector": {LABEL: "true"},
            "ports": [{"name": "api", "port": FRONT_PORT, "targetPort": PORT}],
        },
    }
    cluster.apply(f"/api/v1/namespaces/{space}/services/api", body)


def in_rotation(cluster: Cluster, space: str) -> set[str]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
    slices = cluster.call("GET", path)["items"]
    ready = [one for each in slices for one in each["endpoints"] if one["conditions"]["ready"]]
    return {one["targetRef"]["name"] for one in ready}


def asked(space: str, port: int = FRONT_PORT, **more: Any) -> Request:
    url = f"kubernetes://{space}/Service/api:{port}/api/ready"
    return Request(**{"method": "GET", "url": url, "timeout_s": 10.0} | more)


def fleet(cluster: Cluster, space: str, serve: Serve) -> dict[str, str]:
    """Both nodes in rotation; their addresses by name."""
    front(cluster, space)
    for name in NODES:
        place(cluster, space, "StatefulSet", name, labels={LABEL: "true"})
    found = {
        name: eventually(lambda name=name: address_of(cluster, space, name))  # type: ignore[misc]
        for name in NODES
    }
    for name, address in found.items():
        serve(address)
        cluster.forward(space, f"{name}-0", PORT, address)
    assert eventually(lambda: len(in_rotation(cluster, space)) == len(NODES))
    return found


def attach(cluster: Cluster, space: str, pod: str, said: str) -> None:
    cluster.call(
        "PATCH",
        f"/api/v1/namespaces/{space}/pods/{pod}",
        {"metadata": {"labels": {LABEL: said}}},
        headers={"Content-Type": "application/merge-patch+json"},
    )


@EITHER_WAY
def test_every_node_in_rotation_is_asked_in_turn_and_none_that_is_out(
    cluster: Cluster, space: str, serve: Serve, headers: dict[str, Any]
) -> None:
    nodes = fleet(cluster, space, serve)
    reach = through(cluster.kubeconfig)

    heard = [said(reach(asked(space, headers=headers))) for _ in range(4)]

    assert [one["server"] for one in heard[:2]] == [one["server"] for one in heard[2:]]
    assert {one["server"] for one in heard} == set(nodes.values())
    assert {one["headers"].get("authorization") for one in heard} == {BEARER if headers else None}

    attach(cluster, space, "api-1-0", "false")
    assert eventually(lambda: in_rotation(cluster, space) == {"api-2-0"})
    after = {said(reach(asked(space, headers=headers)))["server"] for _ in range(3)}
    assert after == {nodes["api-2"]}
    reach.close()


def test_a_front_with_nobody_in_rotation_says_so(cluster: Cluster, space: str) -> None:
    front(cluster, space)

    error = failure(through(cluster.kubeconfig), asked(space))

    assert isinstance(error, Unavailable)
    assert error.message == f"Service {space}/api leads to no pod that is ready"


def test_a_service_that_is_not_there_or_lacks_the_port_is_named(
    cluster: Cluster, space: str
) -> None:
    missing = failure(through(cluster.kubeconfig), asked(space))
    front(cluster, space)
    other = failure(through(cluster.kubeconfig), asked(space, PORT))

    assert isinstance(missing, Refused)
    assert '"api" not found' in missing.message
    assert isinstance(other, Refused)
    assert other.message == f"Service {space}/api has no port {PORT}; it has {FRONT_PORT}"


PLAN = """
version: 1
name: through-the-front
target:
  name: orders
  engine: durable-workflow
  url: kubernetes://{space}/Service/api:{front}
  namespace: default
  credentials: {{operator: "${{env:DW_OPERATOR_TOKEN}}", admin: "${{env:DW_ADMIN_TOKEN}}"}}
  nodes:
    - {{name: api-1, url: "kubernetes://{space}/StatefulSet/api-1:{port}"}}
    - {{name: api-2, url: "kubernetes://{space}/StatefulSet/api-2:{port}"}}
infra: {{driver: manual}}
release: {{server: {{from: "2.3.14", to: "2.4.0", image: "server:2.4.0", identity: version}}}}
steps:
  - {{id: schema, uses: bootstrap, with: {{additive: true}}}}
"""


def test_doctor_finds_a_fleet_behind_its_service(
    cluster: Cluster, space: str, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN.format(space=space, front=FRONT_PORT, port=PORT))
    front(cluster, space)
    for name in NODES:
        rotated: dict[str, Any] = {"labels": {LABEL: "true"}, "variables": {"DW_SERVER_ID": name}}
        place(cluster, space, "StatefulSet", name, image="server:2.3.14", **rotated)

    with EmulatedPods(cluster, space, tmp_path, bootstrapped="2.3.14") as nodes:
        assert eventually(lambda: len(nodes.addresses()) == len(NODES))
        looked = subprocess.run(
            [sys.executable, "-m", "rollout_kit", "doctor", "plan.yaml"],
            cwd=tmp_path,
            env=os.environ | TOKENS | {"KUBECONFIG": str(cluster.kubeconfig), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert f"kubernetes://{space}/Service/api:{FRONT_PORT} takes it" in looked.stdout
    assert looked.stdout.count("answers on its own: version 2.3.14, ready") == len(NODES)
