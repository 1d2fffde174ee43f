"""Ways to a real API server that lead through a pod's own account, or through a proxy."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from kubernetes.config import incluster_config

from rollout_kit.ports.errors import OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport.messages import Request
from rollout_kit.transport.network import NetworkExchange
from rollout_kit.wiring.clock import SystemClock
from rollout_kit.wiring.reaching import Reaching
from tests.cluster.nodes import BEARER, TOKEN, Serve, asked, ready, said, through
from tests.cluster.proxy import ConnectProxy
from tests.cluster.test_rights import RIGHTS, bind, documented, grant
from tests.toolchain.cluster import Cluster, eventually, write_kubeconfig

pytestmark = pytest.mark.cluster

NAME = "https://api.orders.invalid:6443"
"""Has no address here: only the proxy knows where it is."""
EITHER_WAY = pytest.mark.parametrize("headers", [{}, TOKEN], ids=["plain", "token"])


@dataclass
class InAPod:
    """What the node gives a pod of a service account, and what asks from within."""

    cluster: Cluster
    space: str
    folder: Path

    def mount(self, token: str) -> None:
        (self.folder / "token").write_text(token)

    def new_token(self) -> str:
        path = f"/api/v1/namespaces/{self.space}/serviceaccounts/default/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.cluster.call("POST", path, body)["status"]["token"])

    def reaching(self, context: str = "") -> Reaching:
        host, _, port = self.cluster.url.removeprefix("https://").partition(":")
        environment = {
            "HOME": str(self.folder),
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
        }
        clock = SystemClock()
        direct = NetworkExchange(monotonic_s=clock.monotonic_s)
        return Reaching(direct, environment=environment, clock=clock, context=context)

    def ask(self, **more: Any) -> Any:
        reach = self.reaching()
        try:
            return said(reach(asked(self.space, "/api/ready", **more)))
        finally:
            reach.close()

    def refusal(self, context: str = "") -> OutsideError:
        return failure(self.reaching(context), asked(self.space, "/api/ready"))


@pytest.fixture
def pod(cluster: Cluster, space: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InAPod:
    """Its account has the documented rights, and its token ends with a line end."""
    given = InAPod(cluster, space, tmp_path)
    path = f"/api/v1/namespaces/{space}/serviceaccounts/default"
    assert eventually(lambda: cluster.http.get(path).status_code == 200)
    given.mount(given.new_token() + "\n")
    (tmp_path / "ca.crt").write_bytes(cluster.authority.pair.certificate.read_bytes())
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    grant(cluster, space, documented())
    bind(cluster, space, f"system:serviceaccount:{space}:default")
    return given


@EITHER_WAY
def test_inside_a_pod_its_own_account_is_enough(
    pod: InAPod, serve: Serve, headers: dict[str, Any]
) -> None:
    address = ready(pod.cluster, pod.space, serve)

    heard = pod.ask(headers=headers)

    assert heard["server"] == address
    assert heard["headers"].get("authorization") == (BEARER if headers else None)


def test_a_token_that_the_node_has_renewed_is_read_again(
    pod: InAPod, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(pod.cluster, pod.space, serve)
    reach = pod.reaching()
    renewed = (pod.folder / "token").read_text()
    pod.mount("expired")
    error = failure(reach, asked(pod.space, "/api/ready"))
    assert error.message == "the cluster does not accept our credentials"

    pod.mount(renewed)
    later = dt.datetime.now() + dt.timedelta(minutes=2)  # noqa: DTZ005 - as the library
    later_on = SimpleNamespace(datetime=SimpleNamespace(now=lambda: later), timedelta=dt.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", later_on)
    for headers in ({}, TOKEN):
        assert said(reach(asked(pod.space, "/api/ready", headers=headers)))
    reach.close()


def test_a_right_that_the_account_lacks_is_named_with_the_account(pod: InAPod) -> None:
    pod.cluster.call("DELETE", f"{RIGHTS}/{pod.space}/rolebindings/looks")
    assert eventually(lambda: pod.refusal().trouble is Trouble.AUTH)

    message = pod.refusal().message
    assert f'User "system:serviceaccount:{pod.space}:default" cannot get' in message


def test_what_a_pod_lacks_of_its_account_is_one_sentence(pod: InAPod) -> None:
    (pod.folder / "ca.crt").write_text("")
    assert "the pod's service account: Cert file exists but empty" in pod.refusal().message
    pod.mount("two\nlines")
    (pod.folder / "ca.crt").write_bytes(pod.cluster.authority.pair.certificate.read_bytes())
    assert "its token has a character that no header can carry" in pod.refusal().message
    (pod.folder / "token").unlink()
    error = pod.refusal()
    assert isinstance(error, Refused)
    assert error.message == (
        "no way to the cluster by the pod's service account: Service token file does not exist."
    )


def test_a_context_is_never_taken_for_the_pods_own_account(pod: InAPod) -> None:
    """The plan's cluster may be another one than that in which the pod lives."""
    error = pod.refusal("prod")

    assert isinstance(error, Refused)
    assert (
        "context prod: a context is named, and there is no kubeconfig to have it" in error.message
    )


def failure(reach: Reaching, request: Request) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        reach(request)
    return caught.value


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@dataclass
class FarAway:
    """A kubeconfig whose server only a proxy can find."""

    cluster: Cluster
    space: str
    path: Path

    def reach(self, **more: str) -> Reaching:
        users = {"token": {"token": self.cluster.token}}
        write_kubeconfig(
            self.path,
            NAME,
            self.cluster.authority.pair,
            users,
            tls_server_name="localhost",
            **more,
        )
        return through(self.path)

    def heard(self, headers: dict[str, Any], **more: str) -> Any:
        reach = self.reach(**more)
        try:
            return said(reach(asked(self.space, "/api/ready", headers=headers)))["path"]
        finally:
            reach.close()

    def refusal(self, headers: dict[str, Any], **more: str) -> OutsideError:
        reach = self.reach(**more)
        found = failure(reach, asked(self.space, "/api/ready", headers=headers))
        reach.close()
        return found


@pytest.fixture
def far(cluster: Cluster, space: str, serve: Serve, tmp_path: Path, no_proxies: None) -> FarAway:
    ready(cluster, space, serve)
    return FarAway(cluster, space, tmp_path / "far.kubeconfig")


@EITHER_WAY
def test_the_proxy_of_the_environment_is_asked(
    far: FarAway, headers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(far.cluster.url) as proxy:
        for spelling in (f"http://{proxy.address}", proxy.address):
            monkeypatch.setenv("HTTPS_PROXY", spelling)
            assert far.heard(headers) == "/api/ready"

    assert set(proxy.asked) == {"api.orders.invalid:6443"}


@EITHER_WAY
@pytest.mark.parametrize("around", ["*", "orders.invalid", "x, .orders.invalid", f"{NAME[8:]}"])
def test_a_server_of_no_proxy_is_asked_directly_in_every_way(
    far: FarAway, headers: dict[str, Any], around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy(far.cluster.url) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", around)
        error = far.refusal(headers)

    assert proxy.asked == []
    assert isinstance(error, Unavailable)
    assert "the host of the cluster has no address" in error.message


@EITHER_WAY
def test_a_server_on_this_machine_is_asked_directly(
    cluster: Cluster,
    space: str,
    serve: Serve,
    headers: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    no_proxies: None,
) -> None:
    ready(cluster, space, serve)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    reach = through(cluster.kubeconfig)

    assert said(reach(asked(space, "/api/ready", headers=headers)))["path"] == "/api/ready"
    reach.close()


@EITHER_WAY
def test_the_kubeconfigs_own_proxy_is_asked_whatever_the_environment_says(
    far: FarAway, headers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    with ConnectProxy(far.cluster.url) as proxy:
        assert far.heard(headers, proxy_url=f"http://{proxy.address}") == "/api/ready"

    assert proxy.asked


@EITHER_WAY
def test_a_proxy_is_shown_its_name_and_password_and_nobody_else(
    far: FarAway, headers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    login = "ci:a:b/c@d+~"
    with ConnectProxy(far.cluster.url, login) as proxy:
        name, _, password = login.partition(":")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{name}:{quote(password, '')}@{proxy.address}")
        assert far.heard(headers) == "/api/ready"
        monkeypatch.setenv("HTTPS_PROXY", f"http://ci:wrong@{proxy.address}")
        error = far.refusal(headers)

    words = f"{error.message} {error.why} {error.hint}"
    assert "the proxy between here and the cluster refused the request: HTTP 407" in words
    assert "wrong" not in words


@EITHER_WAY
def test_a_proxy_that_is_not_there_is_not_taken_for_the_cluster(
    far: FarAway, headers: dict[str, Any]
) -> None:
    error = far.refusal(headers, proxy_url="http://127.0.0.1:1")

    assert isinstance(error, Unavailable)
    assert error.message == (
        "the proxy between here and the cluster refused the request: it does not answer, or is none"
    )
    assert "NO_PROXY" in error.hint


@pytest.mark.parametrize("kind", ["socks5", "https"])
def test_a_proxy_that_only_half_of_all_requests_could_use_is_refused(
    far: FarAway, kind: str
) -> None:
    error = far.refusal({}, proxy_url=f"{kind}://me:secret@proxy.invalid:1080")

    assert isinstance(error, Refused)
    assert f"its proxy {kind}://proxy.invalid is of a kind that port-forwards" in error.message
    assert "secret" not in error.message
