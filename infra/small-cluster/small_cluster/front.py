"""What all API nodes share: the one address that leads to the attached ones, and their budget."""

from __future__ import annotations

import pulumi

from small_cluster import naming, node, pods
from small_cluster.objects import KubernetesObject, Manifest
from small_cluster.settings import Settings

NAME = "api"


class Front(pulumi.ComponentResource):
    """No rollout changes it: nodes come and go by their own labels."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("fleet:kubernetes:Front", NAME)
        here = pulumi.ResourceOptions(parent=self)
        KubernetesObject(NAME, service(settings), here)
        KubernetesObject(NAME, budget(settings), here)
        self.register_outputs({})


def url(settings: Settings) -> str:
    """Where workers and clients in the cluster find the fleet."""
    return f"http://{NAME}.{settings.namespace}.svc:{settings.port}"


def service(settings: Settings) -> Manifest:
    """Ready nodes that are attached, and no others."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": NAME,
            "namespace": settings.namespace,
            "labels": pods.labels(node.COMPONENT, {}),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "type": settings.front_type,
            "selector": {naming.COMPONENT: node.COMPONENT, naming.ATTACHED: "true"},
            "ports": [{"name": node.PORT, "port": settings.port, "targetPort": node.PORT}],
        },
    }


def budget(settings: Settings) -> Manifest:
    """One node at a time may be evicted; one that is not ready does not stand in a drain's way."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": NAME,
            "namespace": settings.namespace,
            "labels": pods.labels(node.COMPONENT, {}),
        },
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {naming.COMPONENT: node.COMPONENT}},
        },
    }
