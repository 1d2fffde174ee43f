"""A cluster that is one JSON file: every object is ready as soon as it is applied."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .api import Tree

_CLUSTER_WIDE = {
    "Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "StorageClass",
    "CustomResourceDefinition", "PriorityClass",
}  # fmt: skip


class Offline:
    """The world is a mapping `NAMESPACE/KIND/NAME` to object."""

    settles_s = 0.0

    def __init__(self) -> None:
        self._path = Path(os.environ.get("STANDIN_WORLD", "cluster.json"))

    def ping(self) -> None:
        return

    def namespaced(self, api: str, kind: str) -> bool:
        return kind not in _CLUSTER_WIDE

    def resource(self, api: str, kind: str) -> str:
        group = api.partition("/")[0] if "/" in api else ""
        return f"{kind.lower()}s" + (f".{group}" if group else "")

    def get(self, api: str, kind: str, namespace: str, name: str) -> Tree | None:
        with self._open(write=False) as world:
            return world.get(f"{namespace}/{kind}/{name}")

    def around(self, live: Tree) -> list[Tree]:
        return [{}] if live["kind"] == "Service" else []

    def apply(
        self, place: tuple[str, str, str, str], new: Tree, manager: str, *, dry: bool, force: bool
    ) -> Tree:
        _, kind, namespace, name = place
        with self._open(write=not dry) as world:
            old = world.get(f"{namespace}/{kind}/{name}") or {}
            metadata = dict(old.get("metadata") or {"uid": str(uuid.uuid4()), "generation": 0})
            if old.get("spec") != new.get("spec"):
                metadata["generation"] += 1
            if namespace:
                metadata["namespace"] = namespace
            live = {**new, "metadata": {**metadata, **new["metadata"]}}
            live["status"] = _status(live)
            world[f"{namespace}/{kind}/{name}"] = live
        return live

    def delete(self, api: str, kind: str, namespace: str, name: str) -> None:
        with self._open(write=True) as world:
            world.pop(f"{namespace}/{kind}/{name}", None)

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[dict[str, Tree]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            world = json.loads(self._path.read_text()) if self._path.exists() else {}
            yield world
            if write:
                beside = self._path.with_suffix(".new")
                beside.write_text(json.dumps(world, indent=1, sort_keys=True))
                beside.replace(self._path)


def _status(live: Tree) -> Tree:
    replicas = (live.get("spec") or {}).get("replicas", 1)
    counts = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
    match live["kind"]:
        case "Deployment" | "StatefulSet":
            status: Tree = dict.fromkeys(counts, replicas)
            status["observedGeneration"] = live["metadata"]["generation"]
            return status
        case "Job":
            return {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        case "Pod":
            return {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        case _:
            return {}
