"""Programs of Kubernetes objects as data, as the recordings have them.

`namespace`: false for none of its own; `ns`: its name; `cm`: data of a ConfigMap; `service`: `skip`
or `await`; `sts`, `job`: images; `secret`: one value; `deployment`: `image`, `timeout` (of the wait
for it, in seconds), `label`, `pds` (progressDeadlineSeconds), `never`: its pods stay pending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from tests.toolchain.stages import STAYS_PENDING

Spec = dict[str, Any]


def program(spec: Spec, kubeconfig: str, suffix: str) -> Callable[[], None]:
    """The inline program of this data, in namespaces of the test's own (`suffix`)."""

    def run() -> None:
        provider = k8s.Provider("k", kubeconfig=kubeconfig)
        name = spec.get("ns", "shop") + suffix
        first: list[pulumi.Resource] = []
        if spec.get("namespace", True):
            here = pulumi.ResourceOptions(provider=provider)
            first = [k8s.core.v1.Namespace("ns", metadata={"name": name}, opts=here)]
        opts = pulumi.ResourceOptions(provider=provider, depends_on=first)
        _small(spec, name, opts)
        _workloads(spec, name, opts)

    return run


def _small(spec: Spec, namespace: str, opts: pulumi.ResourceOptions) -> None:
    if "cm" in spec:
        metadata = {"name": "cm", "namespace": namespace}
        k8s.core.v1.ConfigMap("cm", metadata=metadata, data=spec["cm"], opts=opts)
    if "secret" in spec:
        metadata = {"name": "sec", "namespace": namespace}
        hidden = {"password": spec["secret"]}
        k8s.core.v1.Secret("sec", metadata=metadata, string_data=hidden, opts=opts)
    if "service" in spec:
        service: Spec = {"name": "web", "namespace": namespace}
        if spec["service"] == "skip":
            service["annotations"] = {"pulumi.com/skipAwait": "true"}
        wanted = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        k8s.core.v1.Service("svc", metadata=service, spec=wanted, opts=opts)


def _workloads(spec: Spec, namespace: str, opts: pulumi.ResourceOptions) -> None:
    if "deployment" in spec:
        metadata, wanted = deployment(spec["deployment"], namespace)
        k8s.apps.v1.Deployment("web", metadata=metadata, spec=wanted, opts=opts)
        pulumi.export("image", spec["deployment"]["image"])
    if "sts" in spec:
        wanted = {
            "serviceName": "db",
            "replicas": 2,
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": _pod(spec["sts"])},
        }
        k8s.apps.v1.StatefulSet(
            "db", metadata=_awaited("db", namespace, 30), spec=wanted, opts=opts
        )
    if "job" in spec:
        pod = {**_pod(spec["job"]), "restartPolicy": "Never"}
        wanted = {"backoffLimit": 0, "template": {"metadata": {}, "spec": pod}}
        k8s.batch.v1.Job("job", metadata=_awaited("job", namespace, 30), spec=wanted, opts=opts)


def deployment(given: Spec, namespace: str) -> tuple[Spec, Spec]:
    """Metadata and spec of the Deployment `web`."""
    labels = {"app": given.get("label", "web")}
    template: Spec = {"metadata": {"labels": labels}, "spec": _pod(given["image"])}
    if given.get("never"):
        template["metadata"]["annotations"] = {STAYS_PENDING: "1"}
    wanted: Spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    if "pds" in given:
        wanted["progressDeadlineSeconds"] = given["pds"]
    return _awaited("web", namespace, given["timeout"]), wanted


def _awaited(name: str, namespace: str, seconds: int) -> Spec:
    annotations = {"pulumi.com/timeoutSeconds": str(seconds)}
    return {"name": name, "namespace": namespace, "annotations": annotations}


def _pod(image: str) -> Spec:
    return {"containers": [{"name": "c", "image": image}]}
