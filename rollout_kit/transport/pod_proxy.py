"""Addresses of the form `kubernetes://NAMESPACE/KIND/NAME:PORT`: a workload's pod, through the cluster.

The pod is looked up at each request. Of a Service it is each time the next of those that are ready,
as whoever asks the Service itself would get one of them.

What carries no token goes through the API server's pod proxy. That proxy authenticates us and then
drops the Authorization header, whatever credentials the cluster itself was shown, so what carries a
token for the workflow server goes over a port-forward, unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from urllib.parse import urlsplit

import rollout_kit
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport import cluster_faults, port_forward, services
from rollout_kit.transport.cluster_api import SCHEME, ApiServer
from rollout_kit.transport.errors import Transient
from rollout_kit.transport.messages import Request, Response, shown_url
from rollout_kit.transport.network import plain_headers
from rollout_kit.transport.workloads import (
    Object,
    Workload,
    WorkloadRef,
    Workloads,
    alive,
    name_of,
)

POD_SCHEME = "kubernetes://"
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_KINDS = "Deployment|StatefulSet|Service"
_ADDRESS = re.compile(
    rf"{POD_SCHEME}(?P<namespace>{_NAME})/(?P<kind>{_KINDS})/(?P<name>{_NAME}):(?P<port>\d{{1,5}})"
    r"(?P<target>/.*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAddress:
    """`target`: path and query, with the leading slash."""

    workload: WorkloadRef
    port: int
    target: str = "/"


def pod_address(url: str) -> PodAddress:
    """Read an address. Raises Refused: what is wrong with it, and how one reads."""
    found = _ADDRESS.fullmatch(url.partition("#")[0])
    port = int(found["port"]) if found else 0
    if found is None or not 0 < port < 65536:
        raise Refused(
            f"{shown_url(url)} is no address of a pod",
            why="The API server finds a pod by namespace, kind and name of its workload.",
            hint=f"write {POD_SCHEME}NAMESPACE/KIND/NAME:PORT; "
            "KIND is Deployment or StatefulSet, or Service for the front",
        )
    workload = WorkloadRef(namespace=found["namespace"], kind=found["kind"], name=found["name"])
    return PodAddress(workload=workload, port=port, target=found["target"] or "/")


class PodProxy:
    """An `Exchange` for such addresses.

    Args:
        explain: why a workload has no pod that could answer, in words; "" where nothing tells.
    """

    def __init__(
        self,
        *,
        api: ApiServer,
        workloads: Workloads,
        explain: Callable[[Workload], str] = lambda _: "",
    ) -> None:
        self._api = api
        self._workloads = workloads
        self._explain = explain
        self._turns = count()

    def __call__(self, request: Request) -> Response:
        """Send once.

        Raises:
            OutsideError: there is no answer of the pod.
        """
        address = pod_address(request.url)
        headers = plain_headers(request)
        if address.workload.kind == services.KIND:
            pod, port = self._ready_one(address)
            address = replace(address, port=port)
        else:
            pod = self._pod(address.workload)
        if any(name.lower() == "authorization" for name in headers):
            return self._forwarded(request, address, pod, headers)
        return self._proxied(request, address, pod)

    def close(self) -> None:
        self._api.close()

    def _pod(self, ref: WorkloadRef) -> str:
        """The name of the pod to ask. Raises OutsideError where none can answer."""
        workload = self._workloads.read(ref)
        able = [pod for pod in workload.current if alive(pod)]
        running = [pod for pod in able if pod.get("status", {}).get("phase") == "Running"]
        if running:
            return name_of(running[0])
        reason = self._explain(workload) or _state(able)
        raise Transient(
            f"{ref.label} has no pod that could answer: {reason}",
            why="Its address leads nowhere until a pod of its present template runs.",
            hint=f"kubectl -n {ref.namespace} describe {ref.kind.lower()} {ref.name}",
        )

    def _ready_one(self, address: PodAddress) -> tuple[str, int]:
        """A pod behind a Service, and its port. Raises OutsideError where none is ready."""
        ref = address.workload
        pods = services.ready_pods(ref, address.port, *self._workloads.endpoints(ref))
        if pods:
            return pods[next(self._turns) % len(pods)]
        raise Transient(
            f"{ref.label} leads to no pod that is ready",
            why="Whoever asks the front gets no answer either.",
            hint=f"kubectl -n {ref.namespace} get pods; does its selector find any?",
        )

    def _proxied(self, request: Request, address: PodAddress, pod: str) -> Response:
        namespace = address.workload.namespace
        place = f"/api/v1/namespaces/{namespace}/pods/{pod}:{address.port}/proxy"
        answer = self._api(
            Request(
                method=request.method,
                url=f"{SCHEME}{place}{address.target}",
                headers={**_own_headers(), **request.headers},
                body=request.body,
                timeout_s=request.timeout_s,
            )
        )
        content_type = answer.headers.get("content-type", "")
        said = cluster_faults.own_words(answer.status, answer.body, content_type)
        if said is None:
            return answer
        if answer.status in (404, 500, 502, 503, 504):  # 404: the pod is gone since we looked
            raise port_forward.unreachable(request, str(said.get("message", "")))
        raise cluster_faults.refusal(answer.status, said, "the pod proxy", self._api.label)

    def _forwarded(
        self, request: Request, address: PodAddress, pod: str, headers: dict[str, str]
    ) -> Response:
        try:
            tunnel = self._api.tunnel(address.workload.namespace, pod, address.port, request)
        except Refused as error:
            if error.trouble is Trouble.NOT_FOUND:  # gone since we looked
                raise port_forward.unreachable(request, error.message) from None
            raise
        sent = {**_own_headers(), "Connection": "close", **headers}
        return port_forward.send(
            tunnel, f"localhost:{address.port}", _target(address.target), sent, request
        )


def _target(target: str) -> str:
    parts = urlsplit(target)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def _own_headers() -> dict[str, str]:
    return {"User-Agent": f"rollout-kit/{rollout_kit.__version__}", "Accept-Encoding": "identity"}


def _state(pods: list[Object]) -> str:
    if not pods:
        return "none carries its present template"
    return ", ".join(f"{name_of(pod)} is {pod.get('status', {}).get('phase')}" for pod in pods)
