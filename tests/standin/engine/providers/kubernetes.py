"""`kubernetes:*`: server-side apply to the API server of the kubeconfig, and waits for rollouts.

The kubeconfig (text or path) and context are the provider's own inputs, else KUBECONFIG names the
file. Without any, objects live in the JSON file STANDIN_WORLD and are ready at once, so that
programs can be run without a cluster.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from functools import cached_property
from typing import Any

from tests.standin.engine.failure import OperationFailed, Unfinished
from tests.standin.engine.values import has_unknown

from .api import Call, Change, Read, Tree, deep
from .awaiting import standing, waits
from .cluster import Cluster, Conflict, Invalid, Missing, Unreachable, connect
from .offline import Offline
from .replacing import forces
from .waiting import Wait, annotation, gone, id_of, reported

_CONFLICT = (
    "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/"
    "kubernetes/how-to-guides/managing-resources-with-server-side-apply/"
    "#handle-field-conflicts-on-existing-resources for troubleshooting help\n"
    'The resource managed by field manager "{manager}" had an apply conflict: {text}'
)
_EXISTS = (
    'resource "{urn}" was not successfully created by the Kubernetes API server: {what} "{name}" '
    "already exists\n\nThe resource already exists in the cluster. This can happen when:\n\n"
    "  - Renaming a Pulumi resource: use an alias to preserve the identity,\n"
    "    or use deleteBeforeReplace if the resource needs replacement.\n"
    "  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)\n"
    "    to manage specific fields without owning the resource lifecycle.\n"
    "  - Adopting a resource into Pulumi: use `pulumi import`. Note that\n"
    "    protected resources (e.g. kube-system) cannot be deleted on destroy.\n"
    "  - Intentional upsert: set upsertExistingObjects on the provider to allow\n"
    "    server-side apply to update existing objects on create."
)
_NOT_READY = "Resource '{}' was created but failed to initialize"
_RETRY = 'Retry #0; creation failed: {what} "{name}" already exists'
_OWN = ("__inputs", "__fieldManager", "__initialApiVersion")


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
        if new.get("kind") == "Secret" and "stringData" in new:
            plain = new.pop("stringData")
            sealed = {key: b64encode(value.encode()).decode() for key, value in plain.items()}
            new["data"] = {**(new.get("data") or {}), **sealed}
        return new, []

    def diff(self, call: Call, old_inputs: Tree, old_outputs: Tree, new: Tree) -> Change:
        old_inputs = old_outputs.get("__inputs", old_inputs)  # also of what never got ready
        paths = deep(old_inputs, new)
        kind = new.get("kind", "")
        immutable = old_inputs.get("immutable")
        for path in list(paths):
            if forces(kind, path) or (immutable and path.startswith(("data", "stringData"))):
                paths[path] += "-replace"
        renamed = any(path.startswith(("metadata.name",)) for path in paths)
        return Change(paths, delete_first=not renamed, by_inputs=False)

    def create(self, call: Call, new: Tree) -> tuple[str, Tree]:
        manager = f"pulumi-kubernetes-{hashlib.sha256(os.urandom(8)).hexdigest()[:8]}"
        if call.preview:
            return "", self._try(call, new, manager, creating=True)
        self._require_reachable()
        place = self._place(new)
        exists = self._cluster.get(*place) is not None
        if _is_patch(call) and not exists and isinstance(self._cluster, Cluster):
            raise OperationFailed(f'patch of "{id_of(place)}": there is no such object')
        if exists and not _is_patch(call):
            what = self._cluster.resource(new["apiVersion"], new["kind"])
            call.say(_RETRY.format(what=what, name=place[3]))
            raise OperationFailed(_EXISTS.format(urn=call.urn, what=what, name=place[3]))
        live = self._apply(new, manager, None)
        return self._settled(call, new, live, manager, updating=False)

    def update(self, call: Call, id_: str, old: Tree, outputs: Tree, new: Tree) -> Tree:
        manager = outputs.get("__fieldManager", "pulumi-kubernetes")
        if call.preview:
            return self._try(call, new, manager, creating=False)
        self._require_reachable()
        live = self._apply(new, manager, id_)
        return self._settled(call, new, live, manager, updating=True)[1]

    def _require_reachable(self) -> None:
        try:
            self._cluster.ping()
        except Unreachable as wrong:
            text = str(wrong).replace(
                "/version", "/openapi/v2?timeout=32s"
            )  # what the real one asks
            raise OperationFailed(
                "configured Kubernetes cluster is unreachable: unable to load schema information "
                f"from the API server: {text}"
            ) from None

    def _place(self, new: Tree) -> tuple[str, str, str, str]:
        """apiVersion, kind, namespace ("" where there is none), name."""
        metadata = new["metadata"]
        namespaced = self._cluster.namespaced(new["apiVersion"], new["kind"])
        namespace = (metadata.get("namespace") or self._namespace) if namespaced else ""
        return new["apiVersion"], new["kind"], namespace, metadata["name"]

    def _apply(self, new: Tree, manager: str, id_: str | None, *, dry: bool = False) -> Tree:
        force = annotation(new, "patchForce") == "true"
        try:
            return self._cluster.apply(self._place(new), new, manager, dry=dry, force=force)
        except Conflict as wrong:
            text = _CONFLICT.format(manager=manager, text=wrong)
            if id_ is None:
                raise OperationFailed(text) from None
            raise Unfinished(id_, {}, [reported(id_, text)]) from None
        except Invalid as wrong:
            raise OperationFailed(
                f'resource "{id_ or new["metadata"]["name"]}" was not successfully '
                f"{'updated' if id_ else 'created'} by the Kubernetes API server: {wrong}"
            ) from None

    def _try(self, call: Call, new: Tree, manager: str, *, creating: bool) -> Tree:
        """What a preview asks: a dry run, where the cluster can be asked and all is known."""
        if has_unknown(new):
            return {**new}
        try:
            place = self._place(new)
            if creating and self._cluster.get(*place) is not None:
                what = self._cluster.resource(new["apiVersion"], new["kind"])
                call.say(_RETRY.format(what=what, name=place[3]))
                return {**new}
            live = self._apply(new, manager, None if creating else id_of(place), dry=True)
        except (Unreachable, Missing):
            return {**new}
        return {**new} if creating else live

    def _settled(
        self, call: Call, new: Tree, live: Tree, manager: str, *, updating: bool
    ) -> tuple[str, Tree]:
        place = self._place(new)
        own = {"__inputs": new, "__fieldManager": manager, "__initialApiVersion": new["apiVersion"]}
        if not _is_patch(call) and waits(new):
            if annotation(new, "skipAwait") == "true":
                call.say("Skipping await logic")
                call.say("")
            else:
                live = Wait(self._cluster, call, new, place, own).over(updating=updating)
        return id_of(place), {**live, **own}

    def delete(self, call: Call, id_: str, outputs: Tree) -> None:
        self._require_reachable()
        given = outputs.get("__inputs") or outputs
        place = self._place(given)
        if _is_patch(call):
            return self._let_go(given, place, outputs.get("__fieldManager", "pulumi-kubernetes"))
        self._cluster.delete(*place)
        uid = (outputs.get("metadata") or {}).get("uid", "")
        return gone(self._cluster, call, place, uid)

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
        awaited = _waited(call, live) and annotation(wanted, "skipAwait") != "true"
        seen = standing(live, self._cluster.around(live)) if awaited else None
        if seen is not None:
            call.say(seen.message)
            call.say("")
        reasons = [] if seen is None or seen.ready else [_NOT_READY.format(place[3]), *seen.reasons]
        kept = {key: outputs[key] for key in _OWN if key in outputs}
        found = _like(wanted, live) if inputs else {k: v for k, v in live.items() if k != "status"}
        return Read(inputs=found, outputs={**live, **kept, "__inputs": found}, reasons=reasons)

    def invoke(self, token: str, arguments: Tree) -> Tree:
        raise OperationFailed(f"the stand-in's kubernetes has no function {token}")


def _is_patch(call: Call) -> bool:
    return call.type.endswith("Patch")


def _waited(call: Call, live: Tree) -> bool:
    return waits(live) and not _is_patch(call)


def _of_id(id_: str, type_: str) -> Tree:
    """Enough of an object to find it: `kubernetes:apps/v1:Deployment` and `shop/web`."""
    _, version, kind = type_.split(":")
    namespace, _, name = id_.rpartition("/")
    api = version.removeprefix("core/")
    return {"apiVersion": api, "kind": kind, "metadata": {"namespace": namespace, "name": name}}


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
