"""`kubernetes:*`: server-side apply to the API server of the kubeconfig, and waits for rollouts.

The kubeconfig (text or path) and context are the provider's own inputs, else KUBECONFIG names the
file. Without any, objects live in the JSON file STANDIN_WORLD and are ready at once, so that
programs can be run without a cluster.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from functools import cached_property
from typing import Any

from tests.standin.engine.failure import OperationFailed, Unfinished
from tests.standin.engine.values import has_unknown

from .api import Call, Change, Read, Tree, deep
from .awaiting import GONE_S, standing, wait_s, waits
from .cluster import Cluster, Conflict, Invalid, Missing, Unreachable, connect
from .offline import Offline

_CONFLICT = (
    "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/"
    "kubernetes/how-to-guides/managing-resources-with-server-side-apply/"
    "#handle-field-conflicts-on-existing-resources for troubleshooting help\n"
    'The resource managed by field manager "{manager}" had an apply conflict: {text}'
)
_EXISTS = (
    'resource "{urn}" was not successfully created by the Kubernetes API server: {what} "{name}" '
    "already exists\n\nThe resource already exists in the cluster."
)
_OWN = ("__inputs", "__fieldManager", "__initialApiVersion")
_POLL_S = 0.1
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


class Kubernetes:
    def __init__(self, inputs: Tree) -> None:
        self._inputs = inputs
        self._namespace = inputs.get("namespace") or "default"

    @cached_property
    def _cluster(self) -> Cluster | Offline:
        given = self._inputs.get("kubeconfig") or os.environ.get("KUBECONFIG", "")
        if not given:
            return Offline()
        return connect(given, self._inputs.get("context") or "")

    def check(self, call: Call, new: Tree) -> tuple[Tree, list[tuple[str, str]]]:
        new = {key: value for key, value in new.items() if value is not None and key != "status"}
        metadata = dict(new.get("metadata") or {})
        if not metadata.get("name"):
            if metadata.get("generateName"):
                return new, []
            digest = hashlib.sha256(call.urn.encode()).hexdigest()[:8]
            metadata["name"] = f"{call.name}-{digest}"
            metadata["annotations"] = {
                **(metadata.get("annotations") or {}),
                "pulumi.com/autonamed": "true",
            }
        new["metadata"] = metadata
        return new, []

    def diff(self, call: Call, old_inputs: Tree, old_outputs: Tree, new: Tree) -> Change:
        paths = deep(old_inputs, new)
        kind = new.get("kind", "")
        immutable = old_inputs.get("immutable")
        for path in list(paths):
            if _forces(kind, path) or (immutable and path.startswith(("data", "stringData"))):
                paths[path] += "-replace"
        renamed = any(path.startswith(("metadata.name",)) for path in paths)
        return Change(paths, delete_first=not renamed, by_inputs=False)

    def create(self, call: Call, new: Tree) -> tuple[str, Tree]:
        manager = f"pulumi-kubernetes-{hashlib.sha256(os.urandom(8)).hexdigest()[:8]}"
        if call.preview:
            return "", self._try(new, manager, creating=True)
        self._require_reachable()
        place = self._place(new)
        exists = self._cluster.get(*place) is not None
        if _is_patch(call) and not exists and isinstance(self._cluster, Cluster):
            raise OperationFailed(f'patch of "{_id(place)}": there is no such object')
        if exists and not _is_patch(call):
            what = self._cluster.resource(new["apiVersion"], new["kind"])
            raise OperationFailed(_EXISTS.format(urn=call.urn, what=what, name=place[3]))
        live = self._apply(new, manager, None)
        return self._settled(call, new, live, manager, updating=False)

    def update(self, call: Call, id_: str, old: Tree, outputs: Tree, new: Tree) -> Tree:
        manager = outputs.get("__fieldManager", "pulumi-kubernetes")
        if call.preview:
            return self._try(new, manager, creating=False)
        self._require_reachable()
        live = self._apply(new, manager, id_)
        return self._settled(call, new, live, manager, updating=True)[1]

    def _require_reachable(self) -> None:
        try:
            self._cluster.ping()
        except Unreachable as wrong:
            raise OperationFailed(
                "configured Kubernetes cluster is unreachable: unable to load schema information "
                f"from the API server: {wrong}"
            ) from None

    def _place(self, new: Tree) -> tuple[str, str, str, str]:
        """apiVersion, kind, namespace ("" where there is none), name."""
        metadata = new["metadata"]
        namespaced = self._cluster.namespaced(new["apiVersion"], new["kind"])
        namespace = (metadata.get("namespace") or self._namespace) if namespaced else ""
        return new["apiVersion"], new["kind"], namespace, metadata["name"]

    def _apply(self, new: Tree, manager: str, id_: str | None, *, dry: bool = False) -> Tree:
        force = _annotation(new, "patchForce") == "true"
        try:
            return self._cluster.apply(self._place(new), new, manager, dry=dry, force=force)
        except Conflict as wrong:
            text = _CONFLICT.format(manager=manager, text=wrong)
            if id_ is None:
                raise OperationFailed(text) from None
            raise Unfinished(id_, {}, [_reported(id_, text)]) from None
        except Invalid as wrong:
            raise OperationFailed(
                f'resource "{id_ or new["metadata"]["name"]}" was not successfully '
                f"{'updated' if id_ else 'created'} by the Kubernetes API server: {wrong}"
            ) from None

    def _try(self, new: Tree, manager: str, *, creating: bool) -> Tree:
        """What a preview asks: a dry run, where the cluster can be asked and all is known."""
        if has_unknown(new):
            return {**new}
        try:
            place = self._place(new)
            if creating and self._cluster.get(*place) is not None:
                return {**new}
            live = self._apply(new, manager, None if creating else _id(place), dry=True)
        except (Unreachable, Missing):
            return {**new}
        return {**new} if creating else live

    def _settled(
        self, call: Call, new: Tree, live: Tree, manager: str, *, updating: bool
    ) -> tuple[str, Tree]:
        place = self._place(new)
        id_ = _id(place)

        def outputs(now: Tree) -> Tree:
            return {
                **now,
                "__inputs": new,
                "__fieldManager": manager,
                "__initialApiVersion": new["apiVersion"],
            }

        if _is_patch(call) or not waits(new) or _annotation(new, "skipAwait") == "true":
            return id_, outputs(live)
        deadline = time.monotonic() + wait_s(new, call.timeout_s)
        said = ""
        while True:
            now = self._cluster.get(*place)
            if now is None:
                raise OperationFailed(f"{id_} was deleted while it was awaited")
            pods = self._cluster.pods_of(now)
            seen = standing(now, pods, _annotation(new, "waitFor"))
            if seen.message != said:
                said = seen.message
                call.say(said)
            if seen.ready:
                return id_, outputs(now)
            if seen.failed or time.monotonic() > deadline:
                name = place[3]
                first = seen.failed or f"'{name}' timed out waiting to be Ready"
                raise Unfinished(id_, outputs(now), [_reported(id_, first), *seen.reasons])
            if call.cancelled.wait(_POLL_S):
                raise OperationFailed(f'resource operation was cancelled for "{name_of(place)}"')

    def delete(self, call: Call, id_: str, outputs: Tree) -> None:
        self._require_reachable()
        given = outputs.get("__inputs") or outputs
        place = self._place(given)
        if _is_patch(call):
            return self._let_go(given, place, outputs.get("__fieldManager", "pulumi-kubernetes"))
        self._cluster.delete(*place)
        deadline = time.monotonic() + (call.timeout_s or GONE_S)
        uid = (outputs.get("metadata") or {}).get("uid")
        while (live := self._cluster.get(*place)) is not None:
            if uid and live["metadata"].get("uid") != uid:
                return None
            if time.monotonic() > deadline:
                raise OperationFailed(f"timed out waiting for {id_} to be gone")
            if call.cancelled.wait(_POLL_S):
                raise OperationFailed(f'resource operation was cancelled for "{name_of(place)}"')
        return None

    def _let_go(self, given: Tree, place: tuple[str, str, str, str], manager: str) -> None:
        """A patch that goes takes its fields along; the object stays."""
        if self._cluster.get(*place) is not None:
            bare = {"name": place[3]} | ({"namespace": place[2]} if place[2] else {})
            kept = {key: given[key] for key in ("apiVersion", "kind")}
            self._cluster.apply(place, {**kept, "metadata": bare}, manager, dry=False, force=False)

    def read(self, call: Call, id_: str, inputs: Tree, outputs: Tree) -> Read | None:
        wanted = inputs or _of_id(id_, call.type)
        try:
            self._require_reachable()
            place = self._place(wanted)
            live = self._cluster.get(*place)
        except Missing:
            return None
        if live is None:
            return None
        awaited = _waited(call, live) and _annotation(wanted, "skipAwait") != "true"
        seen = standing(live, self._cluster.pods_of(live)) if awaited else None
        reasons = [] if seen is None or seen.ready else [seen.message, *seen.reasons]
        kept = {key: outputs[key] for key in _OWN if key in outputs}
        found = _like(wanted, live) if inputs else {k: v for k, v in live.items() if k != "status"}
        return Read(inputs=found, outputs={**live, **kept, "__inputs": found}, reasons=reasons)

    def invoke(self, token: str, arguments: Tree) -> Tree:
        raise OperationFailed(f"the stand-in's kubernetes has no function {token}")


def _is_patch(call: Call) -> bool:
    return call.type.endswith("Patch")


def _waited(call: Call, live: Tree) -> bool:
    return waits(live) and not _is_patch(call)


def name_of(place: tuple[str, str, str, str]) -> str:
    return place[3]


def _id(place: tuple[str, str, str, str]) -> str:
    return f"{place[2]}/{place[3]}" if place[2] else place[3]


def _of_id(id_: str, type_: str) -> Tree:
    """Enough of an object to find it: `kubernetes:apps/v1:Deployment` and `shop/web`."""
    _, version, kind = type_.split(":")
    namespace, _, name = id_.rpartition("/")
    api = version.removeprefix("core/")
    return {"apiVersion": api, "kind": kind, "metadata": {"namespace": namespace, "name": name}}


def _reported(id_: str, text: str) -> str:
    return (
        f'the Kubernetes API server reported that "{id_}" failed to fully initialize or become '
        f"live: {text}"
    )


def _annotation(new: Tree, name: str) -> str:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(f"pulumi.com/{name}", ""))


def _forces(kind: str, path: str) -> bool:
    if path in _EVERYWHERE:
        return True
    if kind == "StatefulSet" and path.startswith("spec."):
        return re.split(r"[.\[]", path)[1] not in _STATEFUL_MAY
    return any(
        path == one or path.startswith((f"{one}.", f"{one}["))
        for one in _REPLACED_FOR.get(kind, ())
    )


def _like(wanted: Any, live: Any) -> Any:
    """The live values of what the inputs set; lists are matched by name, where items have one."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {key: _like(value, live[key]) for key, value in wanted.items() if key in live}
    if isinstance(wanted, list) and isinstance(live, list):
        named = {one["name"]: one for one in live if isinstance(one, dict) and "name" in one}
        return [
            _like(one, named[one["name"]])
            if isinstance(one, dict) and one.get("name") in named
            else _like(one, live[at] if at < len(live) else one)
            for at, one in enumerate(wanted)
        ]
    return live
