"""Which changes of an object cannot be made in place."""

from __future__ import annotations

import re

_EVERYWHERE = ("metadata.name", "metadata.namespace", "apiVersion", "kind")
_STATEFUL_MAY = (
    "replicas", "ordinals", "template", "updateStrategy", "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds", "revisionHistoryLimit",
)  # fmt: skip
_REPLACED_FOR = {
    "Deployment": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "Job": ("spec.selector", "spec.template", "spec.completions", "spec.completionMode"),
    "Service": ("spec.clusterIP",),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName"),
    "StorageClass": ("parameters", "provisioner"),
}


def forces(kind: str, path: str) -> bool:
    if path in _EVERYWHERE:
        return True
    if kind == "StatefulSet" and path.startswith("spec."):
        return re.split(r"[.\[]", path)[1] not in _STATEFUL_MAY
    return any(
        path == one or path.startswith((f"{one}.", f"{one}["))
        for one in _REPLACED_FOR.get(kind, ())
    )
