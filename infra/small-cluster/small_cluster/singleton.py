"""A process of the server of which there is one: the scheduler, and each maintenance process."""

from __future__ import annotations

import pulumi

from rollout_kit.model.stack_contract import InCluster, Placed, SingletonWanted
from small_cluster import naming, pods, server
from small_cluster.objects import KubernetesObject, Manifest, urns
from small_cluster.settings import Command, Settings

SCHEDULER = "scheduler"
MAINTENANCE = "maintenance"
GRACE_S = 60
"""Longer than one tick: what it has begun it ends."""


class Singleton(pulumi.ComponentResource):
    """A Deployment of one pod or, stopped, of none."""

    def __init__(
        self, name: str, component: str, settings: Settings, wanted: SingletonWanted, run: Command
    ) -> None:
        super().__init__("fleet:kubernetes:Singleton", name)
        self.name = name
        self.settings = settings
        self.wanted = wanted
        self.deployment = KubernetesObject(
            name,
            deployment(name, component, settings, wanted, run),
            pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.register_outputs({})

    def placed(self) -> Placed:
        """As the stack contract gives it."""
        return Placed(
            resources=urns(self, self.deployment),
            runs={
                "image": self.wanted.image,
                "marker": self.wanted.marker,
                "running": self.wanted.running,
                "environment": server.plain_environment(self.settings, self.wanted.environment),
            },
            in_cluster=InCluster(
                kind="Deployment",
                namespace=self.settings.namespace,
                name=self.name,
                container=server.CONTAINER,
                marker_variable=server.MARKER,
            ),
        )


def deployment(
    name: str, component: str, settings: Settings, wanted: SingletonWanted, run: Command
) -> Manifest:
    """Never two: the old pod is gone before a new one is made, and before one is let run."""
    only = {naming.SINGLETON: name}
    process = server.container(
        settings,
        wanted.image,
        given=wanted.environment,
        own={server.MARKER: wanted.marker},
        arguments=run,
    )
    spec = pods.pod_spec(settings, process, writable=settings.server_writable, grace_s=GRACE_S)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": pods.labels(component, only),
            "annotations": pods.readiness_awaited(settings),
        },
        "spec": {
            "replicas": 1 if wanted.running else 0,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": only},
            "template": {
                "metadata": {"labels": pods.labels(component, only)},
                "spec": spec | {"affinity": pods.never_beside(only)},
            },
        },
    }
