"""What runs on a cluster now, of the things that a stack's output places there.

Read from the live objects at every call: never from an engine's state, and never remembered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.drivers.kubernetes.specs import (
    LiveCohort,
    attached,
    job_status,
    live_cohort,
    live_process,
    process_spec,
    program_end,
    runs,
)
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.model.stack_contract import InCluster, Placed
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.ports.infra import CohortSpec, JobState, JobStatus, LiveProcess, ProcessSpec
from rollout_kit.transport import pod_reasons
from rollout_kit.transport.cluster_workloads import cluster_workloads
from rollout_kit.transport.flights import ThreadFlights
from rollout_kit.transport.pod_reasons import Reason
from rollout_kit.transport.workloads import (
    WorkloadRef,
    Workloads,
    began_at,
    dig,
    name_of,
    over,
)


class LiveObjects:
    """Answers about placed things. Every call returns within five seconds.

    Each raises `OutsideError`: Refused with `Trouble.NOT_FOUND` where the object is not there, with
    `Trouble.AUTH` where the cluster does not let us look; Unavailable; InFlight.
    """

    def __init__(self, found: Workloads) -> None:
        self._workloads = found

    def process(self, where: InCluster) -> ProcessSpec | None:
        """What a singleton is to run; None: it is scaled to nothing.

        `environment`: the plain values of its container, the marker and the server id lifted out.
        Values that come from a Secret or a field are not in it: they are the program's own.
        """
        found = self._workloads.object(_ref(where))
        if dig(found, "spec").get("replicas", 1) == 0:
            return None
        return process_spec(found, where)

    def cohort(self, where: InCluster) -> LiveCohort:
        """Desired workers, and whether an autoscaler owns their number."""
        found = self._workloads.object(_ref(where))
        scaler = self._workloads.autoscaler(_ref(where))
        return live_cohort(found, scaler, where)

    def attached(self, where: InCluster) -> bool:
        """Whether the front selects a live pod of it; of one without a pod, its next one."""
        return attached(self._workloads.read(_ref(where)), where)

    def processes(self, where: InCluster) -> tuple[LiveProcess, ...]:
        """Its pods that carry its template, are not going, and whose program runs.

        Of what is to be nothing, every pod that still exists: one that is going still works.
        """
        found = self._workloads.read(_ref(where))
        if dig(found.object, "spec").get("replicas", 1) == 0:
            pods = tuple(pod for pod in found.pods if not over(pod))
        else:
            pods = tuple(pod for pod in found.current if runs(pod, where.container))
        return tuple(live_process(pod, where.container) for pod in pods)

    def output(self, where: InCluster) -> str:
        """What its newest pod printed, the last 64 KiB; nothing where it has none."""
        pods = self._workloads.read(_ref(where)).current
        if not pods:
            return ""
        newest = max(pods, key=began_at)
        return self._workloads.log(where.namespace, name_of(newest), where.container)

    def job(self, where: InCluster) -> JobStatus:
        """How a Job stands; one that is not there never began."""
        try:
            found = self._workloads.read(_ref(where))
        except Refused as error:
            if error.trouble is Trouble.NOT_FOUND:
                return JobStatus(state=JobState.UNKNOWN)
            raise
        return job_status(found)

    def reason(self, where: InCluster) -> Reason | None:
        """Why it does not come up, as soon as the cluster knows."""
        return pod_reasons.of_workload(self._workloads.read(_ref(where)))

    def ended(self, where: InCluster) -> ProgramEnd | None:
        """Why it does not come up or stay up, the way a program that ended by itself is told."""
        return program_end(self._workloads.read(_ref(where)), where.container)


@dataclass(frozen=True, slots=True)
class PlacedObjects:
    """The same questions about things of a stack's output, as a driver has them in hand."""

    live: LiveObjects
    flights: ThreadFlights
    is_there: bool = True

    def process(self, placed: Placed) -> ProcessSpec | None:
        return self.live.process(_where(placed))

    def workers(self, placed: Placed) -> CohortSpec:
        return self.live.cohort(_where(placed)).spec

    def attached(self, placed: Placed) -> bool:
        return self.live.attached(_where(placed))

    def processes(self, placed: Placed) -> tuple[LiveProcess, ...]:
        return self.live.processes(_where(placed))

    def ended(self, placed: Placed) -> ProgramEnd | None:
        return self.live.ended(_where(placed))

    def reason(self, placed: Placed) -> str:
        """Why it does not come up, in one sentence; nothing where the cluster knows of nothing."""
        found = self.live.reason(_where(placed))
        return "" if found is None else found.text

    def output(self, placed: Placed) -> str:
        return self.live.output(_where(placed))

    def forget(self) -> None:
        """Something was changed: what is still under way answers no question after it."""
        self.flights.forget()


def placed_objects(
    *,
    kubeconfig: Path | None,
    context: str,
    environment: Mapping[str, str],
    interrupted: Callable[[], bool] = lambda: False,
    monotonic_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> PlacedObjects:
    """Live objects of the cluster that this kubeconfig names. Nothing is asked yet.

    `kubeconfig` None and `context` "": those of the environment.
    """
    workloads, flights = cluster_workloads(
        kubeconfig=kubeconfig,
        context=context,
        environment=environment,
        interrupted=interrupted,
        monotonic_s=monotonic_s,
        sleep=sleep,
    )
    return PlacedObjects(LiveObjects(workloads), flights)


def _where(placed: Placed) -> InCluster:
    if placed.in_cluster is None:
        raise Refused(
            "the stack's output does not say where this lives on the cluster",
            hint="give its `in_cluster`",
        )
    return placed.in_cluster


def _ref(where: InCluster) -> WorkloadRef:
    return WorkloadRef(namespace=where.namespace, kind=where.kind, name=where.name)
