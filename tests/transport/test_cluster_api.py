"""A cluster that is not to be had: each way has its sentence, and none takes longer than a call may."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollout_kit.ports.errors import InFlight, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport.client import JsonClient, Patience
from rollout_kit.transport.cluster_api import SCHEME, ApiServer
from rollout_kit.transport.flights import ThreadFlights
from rollout_kit.transport.messages import Request
from rollout_kit.transport.workloads import WorkloadRef, Workloads

ROOT = Path(__file__).parents[2]
ASKED = Request(method="GET", url=f"{SCHEME}/api", timeout_s=2.0)
WORKLOAD = WorkloadRef(namespace="orders", kind="StatefulSet", name="api-1")


def written(folder: Path, user: Mapping[str, Any], server: str = "http://127.0.0.1:1") -> Path:
    path = folder / "kubeconfig"
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": dict(user)}],
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "prod",
    }
    path.write_text(yaml.safe_dump(text))
    return path


def plugin(*program: str) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": ["-S", "-c", *program],
            "interactiveMode": "Never",
        }
    }


def failure(kubeconfig: Path, context: str = "") -> OutsideError:
    api = ApiServer(kubeconfig=kubeconfig, context=context, environment={})
    with pytest.raises(OutsideError) as caught:
        api(ASKED)
    api.close()
    return caught.value


def test_a_kubeconfig_that_is_not_there_or_not_one_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("clusters: [")

    for path in (tmp_path / "none", broken):
        error = failure(path)
        assert isinstance(error, Refused)
        assert error.trouble is Trouble.AUTH
        assert error.message.startswith(f"no way to the cluster by {path}: ")


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = failure(written(tmp_path, {"token": "t"}), "staging")

    assert "kubeconfig, context staging: " in error.message


def test_a_plugin_that_fails_says_so_and_so_does_one_without_sense(tmp_path: Path) -> None:
    failing = failure(written(tmp_path, plugin("import sys; sys.exit('log in first')")))
    assert "exec: process returned 1. log in first" in failing.message
    assert failing.trouble is Trouble.AUTH
    assert "failed to decode" in failure(written(tmp_path, plugin("print('hello')"))).message


def test_a_port_where_nobody_listens_is_unavailable(tmp_path: Path) -> None:
    error = failure(written(tmp_path, {"token": "t"}), "prod")

    assert isinstance(error, Unavailable)
    assert error.message == "the cluster of context prod refused the connection"
    assert error.why == "Nothing was sent."


def test_a_host_without_an_address_is_unavailable(tmp_path: Path) -> None:
    error = failure(written(tmp_path, {"token": "t"}, "http://no-such-host.invalid:1"))

    assert error.message.startswith("the host of the cluster has no address: ")


def workloads(kubeconfig: Path, budget_s: float) -> Workloads:
    api = ApiServer(kubeconfig=kubeconfig, context="", environment={})
    flights = ThreadFlights(interrupted=lambda: False)
    client = JsonClient(exchange=api, flights=flights, patience=Patience(budget_s=budget_s))
    return Workloads(client, api.label, budget_s=budget_s)


def test_a_plugin_that_never_ends_holds_nobody_up(tmp_path: Path) -> None:
    found = workloads(written(tmp_path, plugin("import time; time.sleep(6)")), 0.5)
    began_s = time.monotonic()

    with pytest.raises(InFlight):
        found.object(WORKLOAD)

    assert time.monotonic() - began_s < 3


def test_a_server_that_never_answers_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = workloads(written(tmp_path, {"token": "t"}, server), 0.5)
        began_s = time.monotonic()

        with pytest.raises((InFlight, Unavailable)):
            found.read(WORKLOAD)

        assert time.monotonic() - began_s < 3


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_forward_to_a_server_that_never_answers_ends_by_itself(
    tmp_path: Path, scheme: str
) -> None:
    """Nobody would end its thread otherwise."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        api = ApiServer(
            kubeconfig=written(tmp_path, {"token": "t"}, server), context="", environment={}
        )
        asked = Request(method="POST", url="kubernetes://a/Deployment/b:80/x", timeout_s=0.3)

        with pytest.raises(Unavailable) as caught:
            api.tunnel("a", "b", 80, asked)

    assert caught.value.message == "the cluster did not accept a connection in time"
    assert caught.value.trouble is Trouble.TIMEOUT


def test_who_names_no_cluster_never_waits_for_its_library() -> None:
    look = (
        "import sys, rollout_kit.wiring.outside\n"
        "print({'kubernetes', 'websocket', 'rollout_kit.transport.pod_proxy'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "set()"
