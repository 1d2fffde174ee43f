"""A cluster's objects as the specs, counts and states of `ports.infra`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout_kit.model.situation import ProgramEnd
from rollout_kit.model.stack_contract import InCluster
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.ports.infra import CohortSpec, JobState, JobStatus, LiveProcess, ProcessSpec
from rollout_kit.transport import pod_reasons
from rollout_kit.transport.workloads import Object, Workload, alive, dig, listed, uid_of

SERVER_ID = "DW_SERVER_ID"
WORKER_ID = re.compile(r"(.*_)?WORKER_ID")
"""Names of the variable that tells a worker its id; `$(NAME)` in its value is resolved."""
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """An autoscaler owns the count, within these."""

    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCohort:
    """`spec.replicas` is the desired count; under an autoscaler its minimum, 0 where it is stopped."""

    spec: CohortSpec
    bounds: Bounds | None = None


def process_spec(found: Object, where: InCluster) -> ProcessSpec:
    """The spec of a workload's template. Raises Refused where it lacks the container."""
    container = _container(found, where)
    values = _plain_values(container)
    marker = values.pop(where.marker_variable, None) if where.marker_variable else None
    return ProcessSpec(
        image=str(container.get("image", "")),
        marker=marker,
        server_id=values.pop(SERVER_ID, None),
        environment=values,
    )


def live_cohort(found: Object, scaler: Object | None, where: InCluster) -> LiveCohort:
    """A cohort's Deployment and what scales it, as a spec."""
    container = _container(found, where)
    replicas = dig(found, "spec").get("replicas", 1)
    bounds = None
    if scaler is not None:
        asked = dig(scaler, "spec")
        bounds = Bounds(at_least=asked.get("minReplicas", 1), at_most=asked["maxReplicas"])
        replicas = 0 if replicas == 0 else bounds.at_least
    spec = CohortSpec(
        image=str(container.get("image", "")),
        replicas=replicas,
        environment=_plain_values(container),
        autoscaled=bounds is not None,
    )
    return LiveCohort(spec=spec, bounds=bounds)


def attached(workload: Workload, where: InCluster) -> bool:
    """`membership_label` is a label that is to read `true`, or `label=value`."""
    if not where.membership_label:
        raise Refused(
            f"whether {workload.ref.label} is attached cannot be seen",
            why="The stack's output does not say which label the front selects by.",
            hint="give its `in_cluster.membership_label`",
        )
    label, _, value = where.membership_label.partition("=")
    live = [pod for pod in workload.current if alive(pod)]
    sources = live or [dig(workload.object, "spec", "template")]
    return any(dig(one, "metadata", "labels").get(label) == (value or "true") for one in sources)


def job_status(workload: Workload) -> JobStatus:
    """Of a Job that exists."""
    conditions = {
        one.get("type"): one
        for one in listed(workload.object, "status", "conditions")
        if one.get("status") == "True"
    }
    codes = [_exit_code(one) for pod in workload.current for one in _containers_of(pod)]
    code = next((code for code in reversed(codes) if code is not None), None)
    detail = pod_reasons.sentence(workload)
    if "Complete" in conditions:
        return JobStatus(state=JobState.SUCCEEDED, exit_status=code or 0)
    if "Failed" in conditions or "FailureTarget" in conditions:
        return JobStatus(state=JobState.FAILED, exit_status=code, detail=detail)
    running = any(dig(pod, "status").get("phase") == "Running" for pod in workload.current)
    return JobStatus(state=JobState.RUNNING if running else JobState.QUEUED, detail=detail)


def program_end(workload: Workload, container: str) -> ProgramEnd | None:
    """Why pods of the present template do not run, and how the container last ended, if it did."""
    reason = pod_reasons.of_workload(workload)
    if reason is None:
        return None
    ends = [
        end
        for pod in workload.current
        for one in _containers_of(pod)
        if one.get("name") == container and (end := _end_of(one)) is not None
    ]
    last = ends[0] if ends else {}
    return ProgramEnd(
        count=max(1, sum(pod_reasons.of_pod(pod) is not None for pod in workload.current)),
        exit_status=last.get("exitCode"),
        last_lines=str(last.get("message") or ""),
        reason=reason.text,
        may_pass=reason.may_pass,
    )


def runs(pod: Object, container: str) -> bool:
    """Whether its program is there: the container is not waiting for its image, or to be restarted."""
    states = [one for one in _containers_of(pod) if one.get("name") == container]
    return alive(pod) and any(dig(one, "state", "running") for one in states)


def live_process(pod: Object, container: str) -> LiveProcess:
    """One pod as a process that counts."""
    return LiveProcess(pid=_number(pod), worker_id=worker_id(pod, container))


def worker_id(pod: Object, container: str) -> str | None:
    """The id that this pod's worker registers with; None where its specification does not tell."""
    for one in listed(pod, "spec", "containers"):
        if one.get("name") == container:
            values = _all_values(pod, one)
            return next((text for name, text in values.items() if WORKER_ID.fullmatch(name)), None)
    return None


def _container(found: Object, where: InCluster) -> Object:
    containers = listed(found, "spec", "template", "spec", "containers")
    for one in containers:
        if one.get("name") == where.container:
            return one
    names = ", ".join(str(one.get("name")) for one in containers) or "none"
    raise Refused(
        f"{where.kind} {where.namespace}/{where.name} has no container {where.container!r}; it has {names}",
        why="Its image is what tells the release that runs.",
        hint="correct `in_cluster.container` in the stack's output",
        trouble=Trouble.NOT_FOUND,
    )


def _plain_values(container: Object) -> dict[str, str]:
    """Those that are written there: what refers to other values is the program's own."""
    return {
        str(one["name"]): str(one.get("value", ""))
        for one in listed(container, "env")
        if "valueFrom" not in one and not _REFERENCE.search(str(one.get("value", "")))
    }


def _all_values(pod: Object, container: Object) -> Mapping[str, str]:
    """Plain values and fields of the pod, references to earlier ones resolved as the node does."""
    values: dict[str, str] = {}
    for one in listed(container, "env"):
        field = dig(one, "valueFrom", "fieldRef").get("fieldPath")
        if field:
            values[str(one.get("name"))] = _field(pod, str(field))
        elif "valueFrom" not in one:
            text = str(one.get("value", ""))
            known = dict(values)
            values[str(one.get("name"))] = _REFERENCE.sub(
                lambda found, known=known: known.get(found[1], found[0]),  # type: ignore[misc]
                text,
            )
    return values


def _field(pod: Object, path: str) -> str:
    value: Any = pod
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _containers_of(pod: Object) -> tuple[Object, ...]:
    return listed(pod, "status", "containerStatuses")


def _exit_code(container: Object) -> int | None:
    code = dig(container, "state", "terminated").get("exitCode")
    return code if isinstance(code, int) else None


def _end_of(container: Object) -> Object | None:
    """How it ended, of one that is down and is only started again after a pause, if at all."""
    ended = dig(container, "state", "terminated")
    if ended:
        return ended
    if dig(container, "state", "waiting").get("reason") == "CrashLoopBackOff":
        return dig(container, "lastState", "terminated")
    return None


def _number(pod: Object) -> int:
    """A number of this pod's own: a pod has no process id here."""
    return int(uid_of(pod).replace("-", "")[:12] or "0", 16)
