"""What all pods of the fleet have in common: hardening, environment, spread. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from small_cluster.naming import COMPONENT
from small_cluster.objects import Manifest
from small_cluster.settings import Command, Settings

CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def labels(component: str, own: Mapping[str, str]) -> dict[str, str]:
    """The common labels, and a thing's own."""
    return {
        "app.kubernetes.io/name": "durable-workflow",
        "app.kubernetes.io/part-of": "durable-workflow-fleet",
        COMPONENT: component,
        **own,
    }


def environment(
    plain: Mapping[str, str], fields: Mapping[str, str] | None = None
) -> list[Manifest]:
    """Variables in a fixed order; `fields` are the pod's own, first, so that others may quote them."""
    taken = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in sorted((fields or {}).items())
    ]
    return taken + [{"name": name, "value": value} for name, value in sorted(plain.items())]


def quoted(text: str) -> str:
    """A value that Kubernetes is not to read as a reference to another variable."""
    return text.replace("$", "$$")


def container(
    name: str,
    image: str,
    *,
    variables: list[Manifest],
    requests: Mapping[str, str],
    writable: tuple[str, ...],
    arguments: Command = (),
) -> Manifest:
    """A container that may write to nothing but `writable`; its memory has a limit, its CPU none."""
    made: Manifest = {
        "name": name,
        "image": image,
        "env": variables,
        "resources": {
            "requests": dict(requests),
            "limits": {part: amount for part, amount in requests.items() if part == "memory"},
        },
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": f"writable-{number}", "mountPath": path}
            for number, path in enumerate(writable)
        ],
    }
    if arguments:
        made["args"] = list(arguments)  # the image's own entry point stays in front of them
    return made


def sources(config_maps: tuple[str, ...], secrets: tuple[str, ...]) -> list[Manifest]:
    """Environment that is kept elsewhere: only its name is known here."""
    return [{"configMapRef": {"name": name}} for name in config_maps] + [
        {"secretRef": {"name": name}} for name in secrets
    ]


def pod_spec(
    settings: Settings, made: Manifest, *, writable: tuple[str, ...], grace_s: int
) -> Manifest:
    """A pod of this one container, without a token of the API server."""
    security: Manifest = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if settings.run_as_user is not None:
        security |= {"runAsUser": settings.run_as_user, "fsGroup": settings.run_as_user}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security,
        "terminationGracePeriodSeconds": grace_s,
        "containers": [made],
        "volumes": [
            {"name": f"writable-{number}", "emptyDir": {}} for number in range(len(writable))
        ],
    } | (
        {"imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets]}
        if settings.image_pull_secrets
        else {}
    )


def spread(selector: Mapping[str, str]) -> list[Manifest]:
    """Pods apart from each other, by machine and by zone, but never unscheduled for that."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def never_beside(selector: Mapping[str, str]) -> Manifest:
    """No second pod like this one anywhere in the cluster, not even beside one that is still going.

    A Deployment replaces an evicted pod at once, while the old one may take its whole grace. The
    scheduler counts pods until they are gone, and every machine has the same operating system: so
    the new one stays pending for that long.
    """
    return {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/os",
                    "labelSelector": {"matchLabels": dict(selector)},
                }
            ]
        }
    }


def readiness_awaited(settings: Settings) -> dict[str, str]:
    """Annotations that say how long an update waits until an object is ready.

    Not at all by default: the rollout looks at pods itself and says at once why one does not come
    up, and an update that is not waiting can hardly be interrupted half-way.
    """
    if settings.await_s:
        return {"pulumi.com/timeoutSeconds": str(settings.await_s)}
    return {"pulumi.com/skipAwait": "true"}
