"""The workers of one build id on one task queue: a Deployment, its bounds and its budget."""

from __future__ import annotations

from dataclasses import astuple

import pulumi

from rollout_kit.model.stack_contract import CohortWanted, InCluster, Placed
from small_cluster import naming, pods
from small_cluster.objects import KubernetesObject, Manifest, urns
from small_cluster.settings import Settings

COMPONENT = "worker"
CONTAINER = "worker"
POD_NAME = "POD_NAME"


class Cohort(pulumi.ComponentResource):
    """Workers that are changed, scaled and stopped for themselves alone."""

    def __init__(
        self, path: str, settings: Settings, wanted: CohortWanted, server_url: str
    ) -> None:
        name = object_name(path, wanted)
        super().__init__("fleet:kubernetes:Cohort", name)
        here = pulumi.ResourceOptions(parent=self)
        self.name = name
        self.settings = settings
        self.wanted = wanted
        self.made = [
            KubernetesObject(name, deployment(path, settings, wanted, server_url), here),
            KubernetesObject(name, budget(path, settings, wanted), here),
        ]
        if _is_scaled(wanted):
            self.made.append(KubernetesObject(name, autoscaler(path, settings, wanted), here))
        self.register_outputs({})

    def placed(self) -> Placed:
        """As the stack contract gives it."""
        wanted = self.wanted
        return Placed(
            resources=urns(self, *self.made),
            runs={
                "namespace": wanted.namespace,
                "task_queue": wanted.task_queue,
                "build_id": wanted.build_id,
                "image": wanted.image,
                "replicas": wanted.replicas,
                "at_least": wanted.at_least,
                "at_most": wanted.at_most,
                "environment": plain_environment(self.settings, wanted),
            },
            in_cluster=InCluster(
                kind="Deployment",
                namespace=self.settings.namespace,
                name=self.name,
                container=CONTAINER,
            ),
        )


def object_name(path: str, wanted: CohortWanted) -> str:
    """The same for the same cohort, whatever its parts look like."""
    build = "unversioned" if wanted.build_id is None else wanted.build_id
    return naming.object_name(COMPONENT, wanted.task_queue, build, exact=path)


def deployment(path: str, settings: Settings, wanted: CohortWanted, server_url: str) -> Manifest:
    """Workers take their work themselves, so all that a pod needs is time to end what it took."""
    grace_s = settings.worker_grace_s
    spec = pods.pod_spec(
        settings,
        _container(settings, wanted, server_url),
        writable=settings.worker_writable,
        grace_s=grace_s,
    )
    counted = wanted.replicas == 0 or not _is_scaled(wanted)  # else the autoscaler counts
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(path, settings, wanted, pods.readiness_awaited(settings)),
        "spec": ({"replicas": wanted.replicas} if counted else {})
        | {
            "minReadySeconds": 5,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": _selector(path)},
            "template": {
                "metadata": {"labels": _labels(path, wanted), "annotations": _annotations(wanted)},
                "spec": spec | {"topologySpreadConstraints": pods.spread(_selector(path))},
            },
        },
    }


def budget(path: str, settings: Settings, wanted: CohortWanted) -> Manifest:
    """Evictions take one worker at a time: what it leased comes back before the next one goes."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(path, settings, wanted, {}),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": _selector(path)},
        },
    }


def autoscaler(path: str, settings: Settings, wanted: CohortWanted) -> Manifest:
    """Between the bounds by CPU; idle where the Deployment itself is stopped with 0 replicas."""
    at_least = max(1, wanted.at_least or 1)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(path, settings, wanted, {}),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": object_name(path, wanted),
            },
            "minReplicas": at_least,
            "maxReplicas": max(at_least, wanted.at_most or wanted.replicas),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": settings.worker_cpu_percent,
                        },
                    },
                }
            ],
        },
    }


def plain_environment(settings: Settings, wanted: CohortWanted) -> dict[str, str]:
    """What a rollout gave, under what is the program's own to say.

    A rollout that reads the live object gives back everything, the cohort's own names included, and
    it may give one cohort what it read of another: those names are never taken from it.
    """
    names = {POD_NAME, *astuple(settings.worker_variables)}
    given = {name: value for name, value in wanted.environment.items() if name not in names}
    return {**given, **settings.worker_environment}


def _is_scaled(wanted: CohortWanted) -> bool:
    return wanted.at_least is not None or wanted.at_most is not None


def _container(settings: Settings, wanted: CohortWanted, server_url: str) -> Manifest:
    names = settings.worker_variables
    queue, build = pods.quoted(wanted.task_queue), pods.quoted(wanted.build_id or "")
    plain = {
        **plain_environment(settings, wanted),
        names.server_url: server_url,
        names.namespace: wanted.namespace,
        names.task_queue: queue,
        names.worker_id: f"{queue}:{build}:$({POD_NAME})",
    }
    if wanted.build_id is not None:
        plain[names.build_id] = build
    made = pods.container(
        CONTAINER,
        wanted.image,
        variables=pods.environment(plain, {POD_NAME: "metadata.name"}),
        requests=settings.worker_requests,
        writable=settings.worker_writable,
        arguments=settings.worker_arguments,
    )
    stop: Manifest = {"sleep": {"seconds": 2}}
    if settings.worker_pre_stop:
        stop = {"exec": {"command": list(settings.worker_pre_stop)}}
    # A worker is told to stop only after everybody has seen that it goes: its leases are then
    # counted as those of a leaving pod, and not as lost.
    made["lifecycle"] = {"preStop": stop}
    taken = pods.sources((), settings.worker_secrets)
    return made | ({"envFrom": taken} if taken else {})


def _metadata(
    path: str, settings: Settings, wanted: CohortWanted, more: dict[str, str]
) -> Manifest:
    return {
        "name": object_name(path, wanted),
        "namespace": settings.namespace,
        "labels": _labels(path, wanted),
        "annotations": _annotations(wanted) | more,
    }


def _selector(path: str) -> dict[str, str]:
    return {naming.COHORT: naming.digest(path)}


def _labels(path: str, wanted: CohortWanted) -> dict[str, str]:
    """Each part as far as a label can hold it; the unversioned cohort has the empty build id."""
    return pods.labels(
        COMPONENT,
        {
            **_selector(path),
            naming.NAMESPACE: naming.label_value(wanted.namespace),
            naming.TASK_QUEUE: naming.label_value(wanted.task_queue),
            naming.BUILD_ID: naming.label_value(wanted.build_id or ""),
        },
    )


def _annotations(wanted: CohortWanted) -> dict[str, str]:
    """The parts as they are; an unversioned cohort has no build id here."""
    exact = {naming.NAMESPACE: wanted.namespace, naming.TASK_QUEUE: wanted.task_queue}
    return exact | ({} if wanted.build_id is None else {naming.BUILD_ID: wanted.build_id})
