"""One API node: a pod with a name of its own, an address, and a label that the front selects by.

Two things must never be mixed up: what the node *is* and whether it is *in rotation*.

- What it is (its pod's spec) changes by replacement: the old pod is gone before the new one starts.
- Rotation is a label. The StatefulSet's template carries it for every pod to come, `OnDelete` keeps
  the controller from restarting a pod for it, and a patch gives it to the pod that is there. So
  attaching and detaching never restart a node, and a pod that was evicted in between comes back
  attached or detached as it was.
"""

from __future__ import annotations

import pulumi

from rollout_kit.model.stack_contract import InCluster, NodeWanted, Placed
from small_cluster import naming, pods, server
from small_cluster.objects import KubernetesObject, KubernetesPatch, Manifest, urns
from small_cluster.settings import Settings

COMPONENT = "api"
PORT = "http"
PATCHED = {"pulumi.com/patchForce": "true", "pulumi.com/skipAwait": "true"}
"""On the patch, and on every new pod: a fresh pod then reads as patched, not as drifted."""


class ApiNode(pulumi.ComponentResource):
    """A StatefulSet of one pod, its Service, and the label of the live pod."""

    def __init__(self, name: str, settings: Settings, wanted: NodeWanted) -> None:
        super().__init__("fleet:kubernetes:ApiNode", name)
        here = pulumi.ResourceOptions(parent=self)
        replaced = pulumi.ResourceOptions(
            replace_on_changes=["spec.template.spec"], delete_before_replace=True
        )
        self.name = name
        self.settings = settings
        self.wanted = wanted
        self.service = KubernetesObject(name, service(name, settings), here)
        self.pod = KubernetesObject(
            name,
            stateful_set(name, settings, wanted),
            pulumi.ResourceOptions.merge(here, replaced),
        )
        after = pulumi.ResourceOptions(depends_on=[self.pod])
        self.rotation = KubernetesPatch(
            f"{name}-rotation",
            rotation(name, settings, wanted),
            pulumi.ResourceOptions.merge(here, after),
        )
        self.register_outputs({})

    def placed(self) -> Placed:
        """As the stack contract gives it."""
        return Placed(
            resources=urns(self, self.service, self.pod, self.rotation),
            membership=urns(self.pod, self.rotation),
            runs=runs(self.name, self.settings, self.wanted),
            in_cluster=InCluster(
                kind="StatefulSet",
                namespace=self.settings.namespace,
                name=self.name,
                container=server.CONTAINER,
                marker_variable=server.MARKER,
                port=self.settings.port,
                membership_label=naming.ATTACHED,
            ),
        )


def runs(name: str, settings: Settings, wanted: NodeWanted) -> dict[str, object]:
    """The entry of `fleet:nodes` with the program's own values filled in."""
    return {
        "image": wanted.image,
        "marker": wanted.marker,
        "attached": wanted.attached,
        "server_id": wanted.server_id or name,
        "environment": server.plain_environment(settings, wanted.environment),
    }


def service(name: str, settings: Settings) -> Manifest:
    """The node's own address: it leads to the pod whether it is ready, attached or neither."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": pods.labels(COMPONENT, {naming.NODE: name}),
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {naming.NODE: name},
            "ports": [{"name": PORT, "port": settings.port, "targetPort": PORT}],
        },
    }


def stateful_set(name: str, settings: Settings, wanted: NodeWanted) -> Manifest:
    """One pod, `<name>-0`, replaced only as a whole."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": pods.labels(COMPONENT, {naming.NODE: name}),
            "annotations": _awaited(settings),
        },
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": {naming.NODE: name}},
            "template": {
                "metadata": {
                    "labels": pods.labels(
                        COMPONENT, {naming.NODE: name, naming.ATTACHED: _flag(wanted)}
                    ),
                    "annotations": PATCHED,
                },
                "spec": _pod(name, settings, wanted),
            },
        },
    }


def rotation(name: str, settings: Settings, wanted: NodeWanted) -> Manifest:
    """What the live pod is to carry."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-0",
            "namespace": settings.namespace,
            "labels": {naming.ATTACHED: _flag(wanted)},
            "annotations": PATCHED,
        },
    }


def _pod(name: str, settings: Settings, wanted: NodeWanted) -> Manifest:
    own = {server.SERVER_ID: wanted.server_id or name, server.MARKER: wanted.marker}
    api = server.container(settings, wanted.image, given=wanted.environment, own=own)
    # Kubernetes takes a pod that goes out of the front at once, and the server cuts what is in
    # flight when it is told to stop: the pause between lets every long poll end by itself.
    leave_s = settings.poll_timeout_s + 5
    api |= {
        "ports": [{"name": PORT, "containerPort": settings.port}],
        "lifecycle": {"preStop": {"sleep": {"seconds": leave_s}}},
        **_probes(settings),
    }
    spec = pods.pod_spec(settings, api, writable=settings.server_writable, grace_s=leave_s + 30)
    return spec | {"topologySpreadConstraints": pods.spread({naming.COMPONENT: COMPONENT})}


def _probes(settings: Settings) -> Manifest:
    """Ready and health answer late, not wrong, while long polls hold every worker of the node.

    So a probe waits for longer than a poll. A lost database shows in both: it takes a node out of
    the front within seconds, but restarting all nodes for it would help nobody, so that takes long.
    """
    patient = {"timeoutSeconds": settings.poll_timeout_s + 5}
    health = {"httpGet": {"path": "/api/health", "port": PORT}, **patient}
    return {
        "startupProbe": {**health, "periodSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {**health, "periodSeconds": 15, "failureThreshold": 20},
        "readinessProbe": {
            "httpGet": {"path": "/api/ready", "port": PORT},
            **patient,
            "periodSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _awaited(settings: Settings) -> dict[str, str]:
    """Where readiness is not awaited, the pod still is: there must be one to carry the label."""
    if settings.await_s:
        return pods.readiness_awaited(settings)
    return {"pulumi.com/waitFor": "jsonpath={.status.replicas}=1"}


def _flag(wanted: NodeWanted) -> str:
    return "true" if wanted.attached else "false"
