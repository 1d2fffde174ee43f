"""A real Kubernetes control plane on loopback, with fake nodes whose pods have reachable addresses.

etcd, API server, controller manager and scheduler are the real ones; KWOK plays the nodes
(`stages`). Pods get addresses of a range that is routed to this machine for the time of the run, so
that whatever listens there is what the API server's pod proxy reaches.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from rollout_kit.sandbox.free_ports import free_ports
from tests.toolchain.certificates import Authority, Pair
from tests.toolchain.stages import documents

T = TypeVar("T")

PRINTED = "2026-11-21T22:00:00.000000000Z stdout F ledger at 42\n"
"""What every container has printed, in the form that a node keeps it in."""
NODES = ("node-a", "node-b")
OF_FAKE_NODES = "kwok.x-k8s.io/v1alpha1"
"""Objects that say what a fake node does not know: where a pod's port leads, what it has printed."""
_PLURAL = {"PortForward": "portforwards", "Logs": "logs"}
_ADMISSION = "ServiceAccount,TaintNodesByCondition"
_CONTROLLERS = (
    "*,-nodelifecycle,-node-ipam-controller,-service-lb-controller,-node-route-controller,"
    "-persistentvolume-attach-detach-controller"
)


_NO_ADDRESSES = "pods of the test cluster need addresses of this machine"


class NoAddressesError(Exception):
    """This machine does not let the run make addresses for pods; the message says why."""


@dataclass(slots=True)
class Cluster:
    """A control plane that runs. `kubeconfig`: its administrator, contexts `certificate` and `token`."""

    url: str
    folder: Path
    kubeconfig: Path
    authority: Authority
    http: httpx.Client
    started_in_s: float
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        """One request as administrator, its answer decoded. Raises what is not a success."""
        answer = self.http.request(method, path, json=body, **options)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def apply(self, path: str, wanted: Mapping[str, Any], by: str = "tests") -> Any:
        """Server-side apply of one object, strictly validated. `path`: of the object itself."""
        return self.call(
            "PATCH",
            path,
            wanted,
            params={"fieldManager": by, "fieldValidation": "Strict", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def forward(self, namespace: str, pod: str, port: int, address: str) -> None:
        """Lead port-forwards of this pod to an address: a fake node knows of none itself.

        The same pod again is led elsewhere: names of StatefulSets' pods come back.
        """
        target = {"address": address, "port": port}
        spec = {"forwards": [{"ports": [port], "target": target}]}
        self._tell(namespace, "PortForward", pod, spec)

    def printed(self, namespace: str, pod: str, text: str) -> None:
        """What the containers of this pod have printed, whole."""
        file = self.folder / f"{namespace}-{pod}.log"
        stamp = PRINTED.partition(" ")[0]
        file.write_text("".join(f"{stamp} stdout F {line}\n" for line in text.splitlines()))
        self._tell(namespace, "Logs", pod, {"logs": [{"logsFile": str(file)}]})

    def _tell(self, namespace: str, kind: str, pod: str, spec: Mapping[str, Any]) -> None:
        self.apply(
            f"/apis/{OF_FAKE_NODES}/namespaces/{namespace}/{_PLURAL[kind]}/{pod}",
            {
                "apiVersion": OF_FAKE_NODES,
                "kind": kind,
                "metadata": {"name": pod, "namespace": namespace},
                "spec": spec,
            },
        )

    def user(self, name: str, groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig of somebody who may do what is granted to him, and no more."""
        path = self.folder / f"{name}.kubeconfig"
        pair = self.authority.client(name, groups)
        write_kubeconfig(path, self.url, self.authority.pair, {"certificate": _by_pair(pair)})
        return path

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text()


@contextmanager
def running(programs: Mapping[str, Path], folder: Path) -> Iterator[Cluster]:
    """Start all of it, ready for pods; stop it and take its address range back at the end.

    Raises:
        NoAddressesError: no range could be routed to this machine.
        AssertionError: a program did not get ready; the last lines of its log are in it.
    """
    began_s = time.monotonic()
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with pod_addresses() as addresses:
        try:
            yield _started(programs, folder, addresses, processes, began_s)
        finally:
            _stop(processes)


@contextmanager
def pod_addresses(block: str = "198.18") -> Iterator[str]:
    """A range whose every address is this machine's own, as long as it lasts.

    The block is set aside for tests of networks, so no real one is hidden by it. Each run holds a
    name for its range that ends with its process and is seen wherever the route is: what one that
    was killed has left is taken over, and goes with this one.
    """
    if not shutil.which("ip"):
        raise NoAddressesError(f"{_NO_ADDRESSES}; there is no `ip` program")
    for number in range(256):
        with socket.socket(socket.AF_UNIX) as held:
            try:
                held.bind(f"\0rollout-kit-pods-{block}.{number}")
            except OSError:  # another run's
                continue
            with _routed(f"{block}.{number}.0/24") as addresses:
                yield addresses
            return
    raise NoAddressesError(f"{_NO_ADDRESSES}; 256 runs hold one each")


@contextmanager
def _routed(addresses: str) -> Iterator[str]:
    route = ["local", addresses, "dev", "lo"]
    make = ["ip", "route", "replace", *route]
    ended = subprocess.run(make, check=False, capture_output=True, text=True)
    if ended.returncode != 0:
        raise NoAddressesError(f"{_NO_ADDRESSES}; `{' '.join(make)}`: {ended.stderr.strip()}")
    try:
        yield addresses
    finally:
        subprocess.run(["ip", "route", "del", *route], check=False)


def _started(
    programs: Mapping[str, Path],
    folder: Path,
    addresses: str,
    processes: dict[str, subprocess.Popen[bytes]],
    began_s: float,
) -> Cluster:
    authority = Authority(folder)
    token = os.urandom(16).hex()
    (folder / "token").write_text(token)
    (folder / "tokens.csv").write_text(f'{token},by-token,by-token,"system:masters"\n')
    etcd, peer, api, kubelet = free_ports(4)
    url = f"https://127.0.0.1:{api}"
    admin = authority.client("admin", ("system:masters",))
    kubeconfig = folder / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        url,
        authority.pair,
        {"certificate": _by_pair(admin), "token": {"token": token}},
    )

    def start(name: str, *arguments: str) -> None:
        processes[name] = _start(programs[name], folder, arguments)

    start("etcd", *_etcd_arguments(folder, etcd, peer))
    start("kube-apiserver", *_api_arguments(folder, authority, etcd, api))
    trust = ssl.create_default_context(cafile=str(authority.pair.certificate))
    http = httpx.Client(
        base_url=url, verify=trust, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    cluster = Cluster(url, folder, kubeconfig, authority, http, 0.0, processes)
    _await(cluster, "the API server", lambda: http.get("/readyz").status_code == 200)
    for kind in _PLURAL:
        _define(cluster, kind)
    start(
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        f"--controllers={_CONTROLLERS}",
        f"--service-account-private-key-file={folder / 'service-accounts.key'}",
        "--secure-port=0",
    )
    start("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
    _await(cluster, "what fake nodes are told", lambda: _all_known(cluster))
    (folder / "printed.log").write_text(PRINTED)
    (folder / "stages.yaml").write_text(documents(folder / "printed.log"))
    serving = authority.server("kubelet")
    start(
        "kwok",
        f"--kubeconfig={kubeconfig}",
        f"--config={folder / 'stages.yaml'}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",
        f"--cidr={addresses}",
        f"--enable-crds={','.join(_PLURAL)}",
        "--node-ip=127.0.0.1",
        f"--node-port={kubelet}",
        f"--server-address=127.0.0.1:{kubelet}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
    )
    for node in NODES:
        labels = {"pool": node.removeprefix("node-"), "kubernetes.io/hostname": node}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels}}
        cluster.call("POST", "/api/v1/nodes", body)
    _await(cluster, "the fake nodes", lambda: _ready_nodes(cluster) == len(NODES))
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    _await(cluster, "the controllers", lambda: http.get(account).status_code == 200)
    cluster.started_in_s = time.monotonic() - began_s
    return cluster


def _etcd_arguments(folder: Path, client: int, peer: int) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]


def _api_arguments(folder: Path, authority: Authority, etcd: int, port: int) -> list[str]:
    serving = authority.server("api")
    accounts = authority.client("accounts")
    shutil.copy(accounts.key, folder / "service-accounts.key")
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.pair.certificate}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.test",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
        f"--disable-admission-plugins={_ADMISSION}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--cert-dir={folder}",
    ]


def _define(cluster: Cluster, kind: str) -> None:
    """KWOK reads what it is told of a pod from objects of its own kinds."""
    group, _, version = OF_FAKE_NODES.partition("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    cluster.call(
        "POST",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{_PLURAL[kind]}.{group}"},
            "spec": {
                "group": group,
                "names": {"kind": kind, "plural": _PLURAL[kind]},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": version,
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}},
                    }
                ],
            },
        },
    )


def _all_known(cluster: Cluster) -> bool:
    root = f"/apis/{OF_FAKE_NODES}"
    return all(cluster.http.get(f"{root}/{name}").status_code == 200 for name in _PLURAL.values())


def _ready_nodes(cluster: Cluster) -> int:
    nodes = cluster.call("GET", "/api/v1/nodes")["items"]
    conditions = [one for node in nodes for one in node.get("status", {}).get("conditions", [])]
    return sum(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _await(cluster: Cluster, what: str, is_so: Callable[[], bool], within_s: float = 90.0) -> None:
    until_s = time.monotonic() + within_s
    while True:
        dead = [name for name, one in cluster.processes.items() if one.poll() is not None]
        if not dead:
            try:
                if is_so():
                    return
            except httpx.HTTPError:
                pass
        if dead or time.monotonic() > until_s:
            names = dead or list(cluster.processes)
            tails = [f"{name}:\n{_tail(cluster.folder / f'{name}.log')}" for name in names]
            raise AssertionError(f"{what} did not get ready\n" + "\n".join(tails))
        time.sleep(0.02)


def eventually(look: Callable[[], T], within_s: float = 30.0) -> T:
    """The first true answer; the last one when the time is over."""
    until_s = time.monotonic() + within_s
    while not (answer := look()) and time.monotonic() < until_s:
        time.sleep(0.02)
    return answer


def write_kubeconfig(
    path: Path, url: str, authority: Pair, users: Mapping[str, Mapping[str, Any]], **more: str
) -> None:
    """One context for each user, of the same name; the first is the current one.

    `more`: more of the cluster's entry, `proxy_url` for its `proxy-url`.
    """
    named = {name.replace("_", "-"): value for name, value in more.items()}
    cluster = {"server": url, "certificate-authority": str(authority.certificate), **named}
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": name, "user": dict(user)} for name, user in users.items()],
        "contexts": [
            {"name": name, "context": {"cluster": "test", "user": name}} for name in users
        ],
        "current-context": next(iter(users)),
    }
    path.write_text(yaml.safe_dump(text))
    path.chmod(0o600)


def _by_pair(pair: Pair) -> dict[str, str]:
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}


def _start(program: Path, folder: Path, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """It ends with this process, whatever that one dies of."""
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    with (folder / f"{program.name}.log").open("wb") as log:
        return subprocess.Popen(
            [*guard, str(program), *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _stop(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        process.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + 0.5  # the API server takes five seconds to say goodbye to nobody
    for process in processes.values():
        try:
            process.wait(max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
