"""A workload of a cluster and the pods that are it now: the newest template's, and not going away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import quote, urlencode

from rollout_kit.ports.errors import OutsideError
from rollout_kit.transport import cluster_faults
from rollout_kit.transport.client import JsonClient, Reply, Terms
from rollout_kit.transport.cluster_api import SCHEME
from rollout_kit.transport.errors import Malformed
from rollout_kit.transport.messages import Request

Object: TypeAlias = Mapping[str, Any]
"""An object of the API server, decoded; nothing of it is sure to be there."""

BUDGET_S = 4.5
READ_TIMEOUT_S = 10.0
LOG_BYTES = 64 * 1024
LOG_LINES = 2000
GROUPS = {
    "Deployment": "apis/apps/v1",
    "StatefulSet": "apis/apps/v1",
    "ReplicaSet": "apis/apps/v1",
    "ControllerRevision": "apis/apps/v1",
    "Job": "apis/batch/v1",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2",
    "Pod": "api/v1",
    "Event": "api/v1",
    "Service": "api/v1",
    "EndpointSlice": "apis/discovery.k8s.io/v1",
}
_BETWEEN = {"Deployment": "ReplicaSet", "StatefulSet": "ControllerRevision"}
"""What keeps the templates that the pods were made from."""
_HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRef:
    """`kind`: `Deployment`, `StatefulSet`, `Job` or `Service`."""

    namespace: str
    kind: str
    name: str

    @property
    def label(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The object, and all pods that it owns, dying and outdated ones too.

    `current`: of those, the ones that carry its template and are not going away, by name.
    `events`: what could not be done for it, or for a pod that does not begin; only asked for where
    no status says it.
    """

    ref: WorkloadRef
    object: Object
    pods: tuple[Object, ...]
    current: tuple[Object, ...]
    events: tuple[Object, ...] = ()


class Workloads:
    """Reads them. Every call returns within its budget, and may raise InFlight.

    Args:
        cluster: how messages call it.
        timeout_s: how long one request may be under way, whoever waits for it.
        budget_s: how long one call takes at most, all its requests together.
    """

    def __init__(
        self,
        client: JsonClient,
        cluster: str,
        monotonic_s: Callable[[], float] = time.monotonic,
        timeout_s: float = READ_TIMEOUT_S,
        budget_s: float = BUDGET_S,
    ) -> None:
        self._client = client
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._budget_s = budget_s
        self._monotonic_s = monotonic_s

    def object(self, ref: WorkloadRef) -> Object:
        """The object alone. Raises OutsideError: `Trouble.NOT_FOUND` where there is none."""
        return self._object(ref, self._until_s())

    def read(self, ref: WorkloadRef) -> Workload:
        """The object and its pods. Raises as `object` does."""
        until_s = self._until_s()
        found = self._object(ref, until_s)
        selector = {"labelSelector": _selector(found)}
        pods = self._list("Pod", ref.namespace, selector, until_s)
        between: tuple[Object, ...] = ()
        if pods and ref.kind in _BETWEEN:
            between = self._list(_BETWEEN[ref.kind], ref.namespace, selector, until_s)
        pods, current = split(ref.kind, found, pods, between)
        events: tuple[Object, ...] = ()
        silent = _tells_nothing(ref.kind, found, current)
        if silent is not None:
            fields = f"involvedObject.uid={uid_of(silent)},type=Warning"
            events = self._list("Event", ref.namespace, {"fieldSelector": fields}, until_s)
        return Workload(ref=ref, object=found, pods=pods, current=current, events=events)

    def autoscaler(self, ref: WorkloadRef) -> Object | None:
        """What scales this workload, if anything does."""
        found = self._list("HorizontalPodAutoscaler", ref.namespace, {}, self._until_s())
        for one in found:
            target = dig(one, "spec", "scaleTargetRef")
            if target.get("kind") == ref.kind and target.get("name") == ref.name:
                return one
        return None

    def endpoints(self, ref: WorkloadRef) -> tuple[Object, tuple[Object, ...]]:
        """A Service and its endpoint slices. Raises as `object` does."""
        until_s = self._until_s()
        service = self._object(ref, until_s)
        of_it = {"labelSelector": f"kubernetes.io/service-name={ref.name}"}
        return service, self._list("EndpointSlice", ref.namespace, of_it, until_s)

    def log(self, namespace: str, pod: str, container: str) -> str:
        """The last 64 KiB that a container printed."""
        query = urlencode({"container": container, "tailLines": LOG_LINES})
        path = f"{_folder('Pod', namespace)}/{quote(pod)}/log?{query}"
        request = Request(method="GET", url=SCHEME + path, timeout_s=self._timeout_s)
        answer = self._client.flights.read(self._client.exchange, request, self._budget_s)
        if answer.status != 200:
            said = cluster_faults.own_words(answer.status, answer.body, "") or {}
            what = f"to read the log of pod {pod}"
            raise cluster_faults.refusal(answer.status, said, what, self._cluster)
        return answer.body[-LOG_BYTES:].decode(errors="replace")

    def _until_s(self) -> float:
        return self._monotonic_s() + self._budget_s

    def _object(self, ref: WorkloadRef, until_s: float) -> Object:
        return self._ask(
            f"{_folder(ref.kind, ref.namespace)}/{quote(ref.name)}", ref.label, until_s
        )

    def _list(
        self, kind: str, namespace: str, query: Mapping[str, str], until_s: float
    ) -> tuple[Object, ...]:
        asked = f"?{urlencode(query)}" if query else ""
        what = f"to list {kind.lower()}s in {namespace}"
        found = self._ask(_folder(kind, namespace) + asked, what, until_s)
        items = found.get("items")
        return tuple(one for one in items if isinstance(one, dict)) if items else ()

    def _ask(self, path: str, what: str, until_s: float) -> Object:
        request = Request(method="GET", url=SCHEME + path, timeout_s=self._timeout_s)

        def explain(status: int, body: Mapping[str, Any]) -> OutsideError:
            return cluster_faults.refusal(status, body, what, self._cluster)

        left_s = max(0.05, until_s - self._monotonic_s())
        terms = Terms(budget_s=left_s, explain=explain, remember=False)
        return self._client.read(request, _decoded, terms)


def _tells_nothing(kind: str, owner: Object, current: tuple[Object, ...]) -> Object | None:
    """Of which only events can say why nothing comes of it: a pod that was taken by a node and does
    not begin, or a workload that lacks pods and has no condition for that."""
    for pod in current:
        waiting = [
            dig(one, "state", "waiting") for one in listed(pod, "status", "containerStatuses")
        ]
        if any(one.get("reason") == "ContainerCreating" for one in waiting):
            return pod
    lacks = len(current) < wanted_pods(owner)
    return owner if lacks and kind != "Deployment" else None


def wanted_pods(owner: Object) -> int:
    """How many pods a workload is to have; of a Job, one."""
    count = dig(owner, "spec").get("replicas", 1)
    return count if isinstance(count, int) else 1


def split(
    kind: str, owner: Object, pods: tuple[Object, ...], between: tuple[Object, ...]
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """Of the pods that its selector finds: those that it owns, and of these the current ones. Pure.

    `between`: what keeps the templates that pods were made from (replica sets, revisions).
    """
    ours = [one for one in between if owned_by(one, owner)]
    match kind:
        case "Deployment":
            owned = [pod for pod in pods if any(owned_by(pod, one) for one in ours)]
            newest = [one for one in ours if _made_of_it(owner, dig(one, "spec", "template"))]
            current = [pod for pod in owned if any(owned_by(pod, one) for one in newest)]
        case "StatefulSet":
            owned = [pod for pod in pods if owned_by(pod, owner)]
            made = {name_of(one): dig(one, "data", "spec", "template") for one in ours}
            names = {name for name, template in made.items() if _made_of_it(owner, template)}
            current = [pod for pod in owned if _revision(pod) in names]
        case _:
            owned = [pod for pod in pods if owned_by(pod, owner)]
            current = owned
    kept = sorted((pod for pod in current if not going(pod)), key=name_of)
    return tuple(owned), tuple(kept)


def going(pod: Object) -> bool:
    """Whether it was deleted, and only finishes."""
    return bool(dig(pod, "metadata").get("deletionTimestamp"))


def alive(pod: Object) -> bool:
    """Whether it can still run anything: neither going nor ended."""
    return not going(pod) and not over(pod)


def over(pod: Object) -> bool:
    """Whether all of its containers have ended for good."""
    return dig(pod, "status").get("phase") in ("Failed", "Succeeded")


def began_at(pod: Object) -> str:
    """When it was created; such moments sort as text."""
    return str(dig(pod, "metadata").get("creationTimestamp", ""))


def dig(found: Object, *names: str) -> Mapping[str, Any]:
    """The object at this place; an empty one where there is none."""
    value: object = found
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listed(found: Object, *names: str) -> tuple[Object, ...]:
    """The objects of the list at this place."""
    value = dig(found, *names[:-1]).get(names[-1])
    return tuple(one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def name_of(found: Object) -> str:
    return str(dig(found, "metadata").get("name", ""))


def uid_of(found: Object) -> str:
    return str(dig(found, "metadata").get("uid", ""))


def owned_by(found: Object, owner: Object) -> bool:
    """Whether `owner` is the controller of it."""
    owners = listed(found, "metadata", "ownerReferences")
    return any(one.get("controller") and one.get("uid") == uid_of(owner) for one in owners)


def _made_of_it(owner: Object, template: Object) -> bool:
    """Whether this is the owner's present template, which needs no word of its controller.

    Where only a deletion replaces pods (`OnDelete`), a template that differs in labels alone is for
    later pods: the present one is what it is to be.
    """
    wanted = dig(owner, "spec", "template")
    if dig(wanted, "spec") != dig(template, "spec"):
        return False
    if dig(owner, "spec", "updateStrategy").get("type") == "OnDelete":
        return True
    labels = {k: v for k, v in dig(template, "metadata", "labels").items() if k != _HASH}
    return dig(wanted, "metadata", "labels") == labels and dig(
        wanted, "metadata", "annotations"
    ) == dig(template, "metadata", "annotations")


def _revision(pod: Object) -> str:
    return str(dig(pod, "metadata", "labels").get("controller-revision-hash", ""))


def _selector(found: Object) -> str:
    labels = dig(found, "spec", "selector", "matchLabels")
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _folder(kind: str, namespace: str) -> str:
    return f"/{GROUPS[kind]}/namespaces/{quote(namespace)}/{kind.lower()}s"


def _decoded(reply: Reply) -> Object:
    if not isinstance(reply.body, dict):
        raise Malformed("the answer", "an object", type(reply.body).__name__)
    return cast("Object", reply.body)
