"""Whether an object of a cluster is ready, judged from the object and its pods alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .api import Tree

GONE_S = 600.0
_DEFAULT_S = 600.0
_AWAITED = {"Deployment", "StatefulSet", "Job", "Pod", "Service"}


_LEADS_NOWHERE = (
    "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' "
    "may not match labels on any Pods"
)


@dataclass
class Standing:
    """`message` says what is waited for; `failed` that it can never come."""

    ready: bool
    message: str
    reasons: list[str] = field(default_factory=list)
    failed: str = ""


def waits(new: Tree) -> bool:
    return new.get("kind") in _AWAITED


def wait_s(new: Tree, timeout_s: float | None) -> float:
    annotations = (new.get("metadata") or {}).get("annotations") or {}
    given = annotations.get("pulumi.com/timeoutSeconds")
    return float(given) if given else timeout_s or _DEFAULT_S


def standing(live: Tree, pods: list[Tree], waited_for: str = "") -> Standing:
    """`pods`: its own, or the endpoints of a Service.

    `waited_for`: what a create or update waits for instead; a look never heeds that.
    """
    if waited_for:
        return _waited_for(live, waited_for)
    match live["kind"]:
        case "Deployment":
            return _deployment(live, pods)
        case "StatefulSet":
            return _stateful_set(live, pods)
        case "Job":
            return _job(live, pods)
        case "Service":
            return _service(live, pods)
        case _:
            ready = _condition(live, "Ready").get("status") == "True"
            return Standing(ready, "Waiting for Pod to be ready", _pod_reasons([live]))


def _condition(live: Tree, kind: str) -> Tree:
    for one in (live.get("status") or {}).get("conditions") or []:
        if one["type"] == kind:
            return one
    return {}


def _seen(live: Tree) -> bool:
    observed = (live.get("status") or {}).get("observedGeneration", 0)
    return observed >= live["metadata"].get("generation", 0)


def _deployment(live: Tree, pods: list[Tree]) -> Standing:
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    done = _seen(live) and updated >= wanted and available >= wanted
    if done and status.get("replicas", 0) <= updated:
        return Standing(ready=True, message="Deployment initialization complete")
    count = f"{min(updated, available)}/{wanted}"
    message = f"Waiting for app ReplicaSet to be available ({count} Pods available)"
    reasons = []
    progressing = _condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        message = f"[ProgressDeadlineExceeded] {progressing.get('message', '')}"
        reasons.append(message)
    failure = _condition(live, "ReplicaFailure")
    if failure.get("status") == "True":
        reasons.append(f"[{failure.get('reason', '')}] {failure.get('message', '')}")
    reasons.append("Minimum number of Pods to consider the application live was not attained")
    return Standing(ready=False, message=message, reasons=[*reasons, *_pod_reasons(pods)])


def _stateful_set(live: Tree, pods: list[Tree]) -> Standing:
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    same = status.get("currentRevision") == status.get("updateRevision")
    updated = status.get("updatedReplicas", wanted) >= wanted
    if (live["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        same = updated = status.get("replicas", 0) == wanted  # pods are replaced by somebody else
    if _seen(live) and ready >= wanted and same and updated:
        return Standing(ready=True, message="StatefulSet initialization complete")
    message = f"[1/2] Waiting for StatefulSet to create Pods ({ready}/{wanted} Pods ready)"
    return Standing(
        ready=False,
        message=message,
        reasons=[
            f"{ready} out of {wanted} replicas succeeded readiness checks",
            *_pod_reasons(pods),
        ],
    )


def leads_to_pods(live: Tree) -> bool:
    """A Service for whose endpoints one waits."""
    spec = live.get("spec") or {}
    elsewhere = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
    return live["kind"] == "Service" and bool(spec.get("selector")) and not elsewhere


def _service(live: Tree, endpoints: list[Tree]) -> Standing:
    """Pods that it leads to and that are not ready keep it waiting; none at all does not."""
    spec = live["spec"]
    subsets = [subset for one in endpoints for subset in one.get("subsets") or []]
    ready = not any(subset.get("notReadyAddresses") for subset in subsets)
    reasons = []
    if not any(subset.get("addresses") for subset in subsets):
        reasons = [_LEADS_NOWHERE]
    if spec.get("type") == "LoadBalancer":
        ready &= bool((live["status"].get("loadBalancer") or {}).get("ingress"))
    if not leads_to_pods(live):
        ready = True
    message = "Service initialization complete"
    if not ready:
        message = "[1/3] Finding Pods to direct traffic to"
    return Standing(ready=ready, message=message, reasons=reasons)


def _waited_for(live: Tree, text: str) -> Standing:
    """`jsonpath={.a.b}=value`: the object's own word for being ready, in the place of all others."""
    found = re.fullmatch(r"jsonpath=\{\.([\w.]+)\}=(.+)", text)
    if found is None:
        return Standing(ready=False, message="", failed=f"cannot wait for {text!r}")
    value: object = live
    for part in found[1].split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return Standing(ready=_seen(live) and str(value) == found[2], message=f"Waiting for {text}")


def _job(live: Tree, pods: list[Tree]) -> Standing:
    status, name = live.get("status") or {}, live["metadata"]["name"]
    full = f"{live['metadata'].get('namespace', '')}/{name}"
    failed = _condition(live, "Failed")
    counts = " | ".join(
        f"{one}: {status.get(one.lower(), 0)}" for one in ("Active", "Succeeded", "Failed")
    )
    message = f'Waiting for Job "{full}" to succeed ({counts})'
    if _condition(live, "Complete").get("status") == "True":
        return Standing(ready=True, message=message)
    if not status:
        message = f'Waiting for Job "{full}" to start'
    ended = ""
    if failed.get("status") == "True":
        ended = f'Job "{full}" failed: [{failed.get("reason", "")}] {failed.get("message", "")}'
    return Standing(ready=False, message=message, reasons=_pod_reasons(pods), failed=ended)


def _pod_reasons(pods: list[Tree]) -> list[str]:
    """Why pods are not ready: what their containers wait for, or that nothing can take them."""
    found = []
    for pod in pods:
        where = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
        scheduled = _condition(pod, "PodScheduled")
        if scheduled.get("status") == "False":
            text = f"[{scheduled.get('reason', '')}] {scheduled.get('message', '')}"
            found.append(f"[Pod {where}]: {text}")
        for one in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (one.get("state") or {}).get("waiting") or (one.get("state") or {}).get(
                "terminated"
            )
            if one.get("ready") or not waiting or waiting.get("reason") == "Completed":
                continue
            text = f"[{waiting.get('reason', '')}] {waiting.get('message', '')}".rstrip()
            found.append(
                f"[Pod {where}]: containers with unready status: [{one['name']}] -- {text}"
            )
    return found
