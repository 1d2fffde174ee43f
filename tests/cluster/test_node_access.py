"""Nodes reached through a real API server: tokens intact, diagnoses, long reads, no opened port."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from rollout_kit.ports.errors import InFlight, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport.flights import ThreadFlights
from rollout_kit.transport.messages import Request, Response
from rollout_kit.wiring.reaching import Reaching
from tests.cluster.nodes import BEARER, TOKEN, Serve, asked, ready, said, through
from tests.cluster.objects import PORT, address_of, place
from tests.toolchain.cluster import Cluster, eventually, write_kubeconfig

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("context", ["certificate", "token", "plugin"])
def test_a_token_of_the_workflow_server_arrives_whatever_the_cluster_was_shown(
    cluster: Cluster, space: str, serve: Serve, context: str
) -> None:
    address = ready(cluster, space, serve)
    reach = through(kubeconfig(cluster, context), context)

    answer = reach(
        asked(
            space,
            "/api/worker?page=2&name=a%20b%2Fc",
            method="POST",
            body=b'{"a": 1}',
            headers=TOKEN | {"X-Namespace": "orders"},
        )
    )

    heard = said(answer)
    assert (heard["server"], heard["method"], heard["body"]) == (address, "POST", '{"a": 1}')
    assert heard["path"] == "/api/worker?page=2&name=a%20b%2Fc"
    assert heard["headers"]["authorization"] == BEARER
    assert heard["headers"]["x-namespace"] == "orders"
    reach.close()


def kubeconfig(cluster: Cluster, context: str) -> Path:
    """The administrator's own; or one whose credentials a plugin gives."""
    if context != "plugin":
        return cluster.kubeconfig
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": cluster.token},
    }
    plugin = {
        "apiVersion": credential["apiVersion"],
        "command": "echo",
        "args": [json.dumps(credential)],
        "interactiveMode": "Never",
    }
    path = cluster.folder / "plugin.kubeconfig"
    write_kubeconfig(path, cluster.url, cluster.authority.pair, {"plugin": {"exec": plugin}})
    return path


@pytest.mark.parametrize("context", ["certificate", "token"])
def test_the_clusters_own_credentials_never_reach_a_pod(
    cluster: Cluster, space: str, serve: Serve, context: str
) -> None:
    ready(cluster, space, serve)
    reach = through(cluster.kubeconfig, context)

    plain = said(reach(asked(space, "/api/ready")))
    with_ours = said(reach(asked(space, "/api/ready", headers=TOKEN)))

    assert "authorization" not in plain["headers"]
    assert cluster.token not in json.dumps([plain, with_ours])
    reach.close()


def test_the_pod_proxy_itself_would_have_dropped_it(
    cluster: Cluster, space: str, serve: Serve
) -> None:
    """Why there are two ways: if this ever changes, one will do."""
    ready(cluster, space, serve)

    path = f"/api/v1/namespaces/{space}/pods/api-1-0:{PORT}/proxy/api/ready"
    heard = cluster.call("GET", path)

    assert "authorization" not in heard["headers"]


@pytest.mark.parametrize("headers", [{}, TOKEN], ids=["plain", "token"])
def test_a_node_that_is_not_ready_says_why_with_its_own_status(
    cluster: Cluster, space: str, serve: Serve, headers: dict[str, Any]
) -> None:
    ready(cluster, space, serve)
    reach = through(cluster.kubeconfig)

    answer = reach(asked(space, "/unready?verbose=1", headers=headers))

    assert answer.status == 503
    assert said(answer)["path"] == "/unready?verbose=1"
    reach.close()


@pytest.mark.parametrize("headers", [{}, TOKEN], ids=["plain", "token"])
def test_long_answers_are_whole_and_slow_ones_end_in_time(
    cluster: Cluster, space: str, serve: Serve, headers: dict[str, Any]
) -> None:
    ready(cluster, space, serve)
    reach = through(cluster.kubeconfig)

    assert len(said(reach(asked(space, "/long", headers=headers)))["more"]) == 300_000
    assert said(reach(asked(space, "/slow", headers=headers)))["path"] == "/slow"
    began_s = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        reach(asked(space, "/slow", headers=headers, timeout_s=0.5))
    assert caught.value.trouble is Trouble.TIMEOUT
    assert time.monotonic() - began_s < 5
    reach.close()


def test_a_slow_read_stays_in_flight_as_any_other(
    cluster: Cluster, space: str, serve: Serve
) -> None:
    ready(cluster, space, serve)
    reach = through(cluster.kubeconfig)
    reach(asked(space, "/api/ready"))
    flights = ThreadFlights(interrupted=lambda: False)

    with pytest.raises(InFlight):
        flights.read(reach, asked(space, "/slow"), 0.2)

    def joined() -> Response | None:
        try:
            return flights.read(reach, asked(space, "/slow"), 0.5)
        except InFlight:
            return None

    answer = eventually(joined)
    assert answer is not None
    assert said(answer)["path"] == "/slow"
    reach.close()


def test_the_pod_is_looked_up_at_each_request(cluster: Cluster, space: str, serve: Serve) -> None:
    first = ready(cluster, space, serve, kind="Deployment")
    reach = through(cluster.kubeconfig)
    assert said(reach(asked(space, "/a", kind="Deployment")))["server"] == first

    place(cluster, space, "Deployment", "api-1", image="server:2")
    second = eventually(
        lambda: found if (found := address_of(cluster, space, "api-1")) != first else ""
    )
    serve(second)

    assert said(reach(asked(space, "/a", kind="Deployment")))["server"] == second
    reach.close()


def failure(reach: Reaching, request: Request) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        reach(request)
    reach.close()
    return caught.value


@pytest.mark.parametrize("headers", [{}, TOKEN], ids=["plain", "token"])
def test_a_pod_whose_port_is_closed_is_not_there_yet(
    cluster: Cluster, space: str, headers: dict[str, Any]
) -> None:
    place(cluster, space, "StatefulSet", "api-1")
    address = eventually(lambda: address_of(cluster, space, "api-1"))
    cluster.forward(space, "api-1-0", PORT, address)

    error = failure(through(cluster.kubeconfig), asked(space, "/api/ready", headers=headers))

    assert isinstance(error, Unavailable)
    assert error.trouble is Trouble.NETWORK


def test_a_node_whose_image_cannot_be_pulled_says_so_instead_of_a_timeout(
    cluster: Cluster, space: str
) -> None:
    place(cluster, space, "StatefulSet", "api-1", image="server:broken")

    def look() -> str:
        return failure(through(cluster.kubeconfig), asked(space, "/api/ready")).message

    message = eventually(lambda: found if "broken" in (found := look()) else "")
    assert message.startswith(f"StatefulSet {space}/api-1 has no pod that could answer: the image")
    assert "ImagePullBackOff" in message


def test_a_workload_that_is_not_there_is_named(cluster: Cluster, space: str) -> None:
    error = failure(through(cluster.kubeconfig), asked(space, "/api/ready"))

    assert isinstance(error, Refused)
    assert error.trouble is Trouble.NOT_FOUND
    assert '"api-1" not found' in error.message


def test_ways_that_lead_to_no_cluster_have_a_sentence_each(
    cluster: Cluster, space: str, tmp_path: Path
) -> None:
    def message(kubeconfig: Path, context: str = "") -> str:
        return failure(through(kubeconfig, context), asked(space, "/api/ready")).message

    assert "kubeconfig, context nobody: " in message(cluster.kubeconfig, "nobody")
    pair, stranger = cluster.authority.pair, tmp_path / "stranger"
    write_kubeconfig(stranger, cluster.url, cluster.authority.client("x"), {"a": {"token": "t"}})
    assert "the TLS certificate of the cluster is not trusted" in message(stranger)
    unknown = tmp_path / "unknown"
    write_kubeconfig(unknown, cluster.url, pair, {"a": {"token": "not-a-token"}})
    assert message(unknown) == "the cluster does not accept our credentials"


def test_the_figures_of_one_readiness_call(cluster: Cluster, space: str, serve: Serve) -> None:
    ready(cluster, space, serve)
    reach = through(cluster.kubeconfig)
    for name, headers in (("plain", {}), ("token", TOKEN)):
        took_ms = []
        for _ in range(10):
            began_s = time.monotonic()
            reach(asked(space, "/api/ready", headers=headers))
            took_ms.append(1000 * (time.monotonic() - began_s))
        print(f"{name}: first {took_ms[0]:.0f} ms, median {sorted(took_ms)[5]:.1f} ms")
        assert sorted(took_ms)[5] < 5000
    reach.close()
