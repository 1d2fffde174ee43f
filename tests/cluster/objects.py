"""Objects that tests put into the cluster."""

from __future__ import annotations

from typing import Any

from rollout_kit.model.stack_contract import InCluster
from tests.toolchain.cluster import Cluster

PORT = 8080
LABEL = "rollout-kit.dev/attached"
MARKER = "DW_V2_CURRENT_COMPATIBILITY"


def template(
    name: str, image: str, *, labels: dict[str, str] | None = None, **pod: Any
) -> dict[str, Any]:
    environment = [
        {"name": MARKER, "value": "blue"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ROLLOUT_KIT_WORKER_ID", "value": "orders:b1:$(POD)"},
        {"name": "MODE", "value": "fast"},
    ]
    environment += [{"name": k, "value": v} for k, v in pod.pop("variables", {}).items()]
    annotations = pod.pop("annotations", {})
    container = {"name": "server", "image": image, "env": environment}
    return {
        "metadata": {"labels": {"app": name, **(labels or {})}, "annotations": annotations},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 30, **pod},
    }


def place(cluster: Cluster, space: str, kind: str, name: str, **changes: Any) -> InCluster:
    """Apply a workload; the same name again is a change of it. `spec`: more of the workload's own."""
    group = "batch/v1" if kind == "Job" else "apps/v1"
    image, spec = changes.pop("image", "server:1"), changes.pop("spec", {})
    wanted: dict[str, Any] = {"template": template(name, image, **changes)}
    if kind == "Job":
        wanted["backoffLimit"] = 0
        wanted["template"]["spec"]["restartPolicy"] = "Never"
    else:
        wanted |= {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    if kind == "StatefulSet":
        wanted["serviceName"] = name
    body = {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": name, "namespace": space},
        "spec": wanted | spec,
    }
    cluster.apply(f"/apis/{group}/namespaces/{space}/{kind.lower()}s/{name}", body)
    return InCluster(
        kind=kind,
        namespace=space,
        name=name,
        container="server",
        marker_variable=MARKER,
        port=PORT,
        membership_label=LABEL,
    )


def pods(cluster: Cluster, space: str, name: str) -> list[dict[str, Any]]:
    query = {"labelSelector": f"app={name}"}
    found = cluster.call("GET", f"/api/v1/namespaces/{space}/pods", params=query)
    return list(found["items"])


def address_of(cluster: Cluster, space: str, name: str) -> str:
    """Of its one running pod; empty while there is none."""
    found = [
        pod["status"].get("podIP", "")
        for pod in pods(cluster, space, name)
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]
    return str(found[0]) if len(found) == 1 else ""
