"""Puts a rendering of `small-cluster` into the test cluster, object by object, and looks at its pods."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tests.infra.rendering import Rendered
from tests.toolchain.cluster import NODES, Cluster

T = TypeVar("T")
_PLURALS = {
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Job": "jobs",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Secret": "secrets",
    "Service": "services",
    "StatefulSet": "statefulsets",
}


def path_of(manifest: Mapping[str, Any]) -> str:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    plural = _PLURALS[manifest["kind"]]
    return f"{root}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


def apply(cluster: Cluster, rendered: Rendered) -> None:
    """Server-side apply of all of it, strictly validated; patches once their pods are there."""
    objects = sorted(rendered.objects, key=lambda item: bool(item["kind"] == "Pod"))
    for item in objects:
        path = path_of(item)
        if item["kind"] == "Pod":
            until(lambda path=path: cluster.http.get(path).is_success)  # type: ignore[misc]
        cluster.apply(path, item)


def pods(cluster: Cluster, space: str, selector: str) -> list[Any]:
    """The pods, the oldest first."""
    found = cluster.call(
        "GET", f"/api/v1/namespaces/{space}/pods", params={"labelSelector": selector}
    )["items"]
    return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))


def in_front(cluster: Cluster, space: str, service: str) -> set[str]:
    """Names of the pods that the Service leads to."""
    slices = cluster.call(
        "GET",
        f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices",
        params={"labelSelector": f"kubernetes.io/service-name={service}"},
    )["items"]
    return {
        endpoint["targetRef"]["name"]
        for item in slices
        for endpoint in item.get("endpoints") or []
        if endpoint["conditions"]["ready"]
    }


def label_nodes(cluster: Cluster) -> None:
    """Real machines carry this label of themselves."""
    body = {"metadata": {"labels": {"kubernetes.io/os": "linux"}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    for node in NODES:
        cluster.call("PATCH", f"/api/v1/nodes/{node}", body, headers=headers)


def phase(pod: Mapping[str, Any]) -> str:
    return str(pod["status"]["phase"])


def until(look: Callable[[], T], within_s: float = 60) -> T:
    """The first answer that counts as true."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found
