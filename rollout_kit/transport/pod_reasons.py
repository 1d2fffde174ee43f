"""Why something on a cluster does not come up, in the words a person needs. Pure.

The cluster knows these the moment they happen; whoever waits for readiness alone learns of them by
a timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from rollout_kit.transport.workloads import (
    Object,
    Workload,
    alive,
    dig,
    listed,
    name_of,
    wanted_pods,
)

TEXT_CHARACTERS = 400
OUT_OF_MEMORY = "OOMKilled"


class Cause(StrEnum):
    """What it is, for whoever decides by it."""

    NO_IMAGE = "image"
    CRASHES = "crash"
    NO_MEMORY = "memory"
    NO_ROOM = "unschedulable"
    NOT_CREATED = "not-created"  # quota, admission, a broken specification
    NOT_STARTED = "not-started"  # its configuration: a Secret that is not there
    EVICTED = "evicted"
    FAILED = "failed"
    TOO_SLOW = "deadline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`text` is one sentence without its full stop; it names the pod or the workload.

    `may_pass`: it can come up yet without anybody's doing (a node is added, a quota gets free).
    """

    cause: Cause
    text: str
    may_pass: bool = False

    @property
    def cannot_start(self) -> bool:
        """No program of it runs, or ever will as it is described."""
        return self.cause in (Cause.NO_IMAGE, Cause.NOT_STARTED) and not self.may_pass


_NO_IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
_NOT_STARTED = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_ON_ITS_WAY = ("ContainerCreating", "PodInitializing")
_BY_EVENT = {
    "FailedCreate": (Cause.NOT_CREATED, "cannot create its pods"),
    "FailedUpdate": (Cause.NOT_CREATED, "cannot create its pods"),
    "FailedMount": (Cause.NOT_STARTED, "waits for a volume"),
    "FailedAttachVolume": (Cause.NOT_STARTED, "waits for a volume"),
    "FailedCreatePodSandBox": (Cause.NOT_STARTED, "has a pod without a network yet"),
}
"""What only events tell, of a workload without pods or of a pod that does not begin."""


def of_workload(workload: Workload) -> Reason | None:
    """The first reason: of a pod before that of the workload; None where nothing is known."""
    if workload.ref.kind == "Job":
        return _of_job(workload, _of_pods(workload.current))
    able = [pod for pod in workload.current if alive(pod)]
    found = _of_pods(able) or _of_conditions(workload) or _of_events(workload)
    if found is None and len(able) < wanted_pods(workload.object):
        return _of_pods(workload.current)  # one that is over has no successor yet
    return found


def _of_pods(pods: Iterable[Object]) -> Reason | None:
    return next((found for pod in pods if (found := of_pod(pod)) is not None), None)


def sentence(workload: Workload) -> str:
    """The reason's text, or nothing."""
    reason = of_workload(workload)
    return "" if reason is None else reason.text


def of_pod(pod: Object) -> Reason | None:
    """Why this pod does not run; None for one that runs, or has only just begun."""
    status = dig(pod, "status")
    why = status.get("reason")
    if why and status.get("phase") == "Failed":  # by its node, whatever its containers did
        how = "was evicted" if why == "Evicted" else f"was given up by its node ({why})"
        text = f"pod {name_of(pod)} {how}: {_said(status.get('message'))}"
        return Reason(cause=Cause.EVICTED, text=text, may_pass=True)
    for condition in listed(pod, "status", "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            text = f"no node takes pod {name_of(pod)}: {_said(condition.get('message'))}"
            return Reason(cause=Cause.NO_ROOM, text=text, may_pass=True)
    containers = [
        *listed(pod, "status", "initContainerStatuses"),
        *listed(pod, "status", "containerStatuses"),
    ]
    found = [reason for one in containers if (reason := _of_container(pod, one)) is not None]
    return found[0] if found else None


def _of_container(pod: Object, container: Object) -> Reason | None:
    where = f"container {container.get('name')} of pod {name_of(pod)}"
    waiting, ended = dig(container, "state", "waiting"), dig(container, "state", "terminated")
    last = dig(container, "lastState", "terminated")
    why = waiting.get("reason")
    if why in _NO_IMAGE:
        said = _said(waiting.get("message"))
        text = f"the image {container.get('image')} of {where} cannot be pulled ({why}): {said}"
        return Reason(cause=Cause.NO_IMAGE, text=text, may_pass=why == "ErrImagePull")
    if why in _NOT_STARTED:
        text = f"{where} cannot start ({why}): {_said(waiting.get('message'))}"
        return Reason(cause=Cause.NOT_STARTED, text=text)
    if why == "CrashLoopBackOff":
        return _crashed(where, last, f"again and again ({why}, {_restarts(container)})")
    if why and why not in _ON_ITS_WAY:
        text = f"{where} waits ({why}): {_said(waiting.get('message'))}"
        return Reason(cause=Cause.NOT_STARTED, text=text, may_pass=True)
    if ended.get("exitCode"):
        return _crashed(where, ended, "")
    if last.get("reason") == OUT_OF_MEMORY and not container.get("ready"):
        killed = _crashed(where, last, f"before ({_restarts(container)})")
        return replace(killed, may_pass=True)  # it runs again
    return None


def _crashed(where: str, ended: Object, how: str) -> Reason:
    again = f" {how}" if how else ""
    if ended.get("reason") == OUT_OF_MEMORY:
        text = f"{where} was killed for using more memory than its limit{again} ({OUT_OF_MEMORY})"
        return Reason(cause=Cause.NO_MEMORY, text=text)
    code, signal = ended.get("exitCode"), ended.get("signal")
    by = (
        f"by signal {signal}" if signal else f"with exit code {'unknown' if code is None else code}"
    )
    left = f": {_said(ended['message'])}" if ended.get("message") else ""
    return Reason(cause=Cause.CRASHES, text=f"{where} ends{again}, last {by}{left}")


def _restarts(container: Object) -> str:
    count = container.get("restartCount", 0)
    return "1 restart" if count == 1 else f"{count} restarts"


def _of_conditions(workload: Workload) -> Reason | None:
    label = workload.ref.label
    for condition in listed(workload.object, "status", "conditions"):
        said = _said(condition.get("message"))
        match condition.get("type"), condition.get("status"), condition.get("reason"):
            case "ReplicaFailure", "True", _:
                text = f"{label} cannot create its pods: {said}"
                return Reason(cause=Cause.NOT_CREATED, text=text, may_pass=True)
            case "Progressing", "False", "ProgressDeadlineExceeded":
                text = f"{label} does not get ready: {said}"
                return Reason(cause=Cause.TOO_SLOW, text=text, may_pass=True)
    return None


def _of_events(workload: Workload) -> Reason | None:
    for event in reversed(workload.events):
        if event.get("reason") in _BY_EVENT:
            cause, how = _BY_EVENT[str(event["reason"])]
            text = f"{workload.ref.label} {how}: {_said(event.get('message'))}"
            return Reason(cause=cause, text=text, may_pass=True)
    return None


def _of_job(workload: Workload, pod: Reason | None) -> Reason | None:
    """A Job that failed says only how often it tried; what happened stands at its pod."""
    label = workload.ref.label
    for condition in listed(workload.object, "status", "conditions"):
        over = condition.get("type") in ("FailureTarget", "Failed")  # the first is known earlier
        if over and condition.get("status") == "True":
            said = _said(condition.get("message"))
            slow = condition.get("reason") == "DeadlineExceeded"
            because = "" if pod is None else f"; {pod.text}"
            return Reason(
                cause=Cause.TOO_SLOW if slow else Cause.FAILED,
                text=f"{label} failed ({condition.get('reason')}): {said}{because}",
            )
    return pod or _of_events(workload)


def _said(text: object) -> str:
    """What the cluster said, on one line, within reason."""
    words = " ".join(str(text).split()) if text else "it does not say more"
    return words[:TEXT_CHARACTERS].rstrip(".")
