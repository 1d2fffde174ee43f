"""What is read of a real control plane: specs, counts, membership, reasons, the moment they are known."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import pytest

from rollout_kit.drivers.kubernetes.live import LiveObjects, PlacedObjects, placed_objects
from rollout_kit.drivers.kubernetes.specs import Bounds
from rollout_kit.model.stack_contract import InCluster, Placed
from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.ports.infra import JobState, ProcessSpec
from rollout_kit.transport.pod_reasons import Cause, Reason
from tests.cluster.objects import LABEL, place, pods
from tests.toolchain.cluster import Cluster, eventually
from tests.toolchain.stages import FAILS_WITH, LINGERS, NOT_FOUND, STAYS_PENDING

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def placed(cluster: Cluster) -> PlacedObjects:
    return placed_objects(kubeconfig=cluster.kubeconfig, context="", environment=os.environ)


@pytest.fixture(scope="module")
def live(placed: PlacedObjects) -> LiveObjects:
    return placed.live


def test_the_cluster_is_there_in_seconds(cluster: Cluster) -> None:
    print(f"control plane ready after {cluster.started_in_s:.1f} s")
    assert cluster.started_in_s < 90
    assert cluster.call("GET", "/version")["gitVersion"] == "v1.36.3"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workloads_spec_processes_and_worker_ids(
    cluster: Cluster, space: str, live: LiveObjects, kind: str
) -> None:
    where = place(cluster, space, kind, "api-1", spec={"replicas": 2})

    [one, two] = eventually(lambda: found if len(found := live.processes(where)) == 2 else ())

    assert live.process(where) == ProcessSpec(
        image="server:1",
        marker="blue",
        environment={"MODE": "fast"},
    )
    names = {f"orders:b1:{pod['metadata']['name']}" for pod in pods(cluster, space, "api-1")}
    assert {one.worker_id, two.worker_id} == names
    assert one.pid != two.pid
    assert live.reason(where) is None
    assert live.ended(where) is None


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_only_pods_of_the_newest_template_count_from_the_moment_it_is_wanted(
    cluster: Cluster, space: str, live: LiveObjects, kind: str
) -> None:
    where = place(cluster, space, kind, "api-1")
    [old] = eventually(lambda: live.processes(where))

    place(cluster, space, kind, "api-1", image="server:2")

    assert old not in live.processes(where)
    assert live.process(where) is not None
    [new] = eventually(lambda: live.processes(where))
    assert new != old


def test_of_what_is_scaled_to_nothing_a_pod_that_is_going_still_counts(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    lingering: dict[str, Any] = {"annotations": {LINGERS: "yes"}}
    where = place(cluster, space, "Deployment", "scheduler", **lingering)
    assert eventually(lambda: len(live.processes(where)) == 1)

    place(cluster, space, "Deployment", "scheduler", **lingering, spec={"replicas": 0})

    assert live.process(where) is None
    assert eventually(
        lambda: "deletionTimestamp" in pods(cluster, space, "scheduler")[0]["metadata"]
    )
    assert len(live.processes(where)) == 1
    [pod] = pods(cluster, space, "scheduler")
    path = f"/api/v1/namespaces/{space}/pods/{pod['metadata']['name']}"
    cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
    assert eventually(lambda: live.processes(where) == ())


def test_a_cohort_under_an_autoscaler_has_its_bounds(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    where = place(cluster, space, "Deployment", "orders-b1", spec={"replicas": 3})
    assert live.cohort(where).spec.replicas == 3
    assert live.cohort(where).bounds is None

    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "orders-b1", "namespace": space},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "orders-b1"},
            "minReplicas": 2,
            "maxReplicas": 9,
        },
    }
    path = f"/apis/autoscaling/v2/namespaces/{space}/horizontalpodautoscalers"
    cluster.call("POST", path, scaler)

    found = live.cohort(where)
    assert found.bounds == Bounds(at_least=2, at_most=9)
    assert (found.spec.replicas, found.spec.autoscaled) == (2, True)


def test_a_label_of_the_live_pod_is_membership_without_a_restart(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    where = place(cluster, space, "StatefulSet", "api-1", labels={LABEL: "true"})
    [before] = eventually(lambda: live.processes(where))
    assert live.attached(where)

    cluster.call(
        "PATCH",
        f"/api/v1/namespaces/{space}/pods/api-1-0",
        {"metadata": {"labels": {LABEL: "false"}}},
        headers={"Content-Type": "application/merge-patch+json"},
    )

    assert not live.attached(where)
    assert live.processes(where) == (before,)


def test_a_label_for_later_pods_leaves_the_present_one_what_it_is(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    """As `infra/small-cluster` detaches: the template says it for pods to come, a patch to this one."""
    only_by_deletion = {"spec": {"updateStrategy": {"type": "OnDelete"}}}
    where = place(
        cluster, space, "StatefulSet", "api-1", labels={LABEL: "true"}, **only_by_deletion
    )
    [before] = eventually(lambda: live.processes(where))

    place(cluster, space, "StatefulSet", "api-1", labels={LABEL: "false"}, **only_by_deletion)

    assert live.processes(where) == (before,)
    assert live.attached(where)

    place(cluster, space, "StatefulSet", "api-1", image="server:2", **only_by_deletion)

    assert live.processes(where) == ()


def reason(live: LiveObjects, where: InCluster) -> Reason:
    found = eventually(lambda: live.reason(where))
    assert found is not None
    return found


PULLED = f"ErrImagePull: server:broken: {NOT_FOUND}"


@pytest.mark.parametrize(
    ("image", "cause", "words"),
    [
        ("server:broken", Cause.NO_IMAGE, ("the image server:broken", "ImagePullBackOff", PULLED)),
        ("server:crash", Cause.CRASHES, ("CrashLoopBackOff, 4 restarts", "exit code 1")),
        ("server:oom", Cause.NO_MEMORY, ("more memory than its limit", "OOMKilled")),
    ],
)
def test_a_pod_that_cannot_run_says_why_at_once(
    cluster: Cluster,
    space: str,
    live: LiveObjects,
    image: str,
    cause: Cause,
    words: tuple[str, ...],
) -> None:
    where = place(cluster, space, "StatefulSet", "api-1", image=image)

    found = reason(live, where)

    assert found.cause is cause
    assert "pod api-1-0" in found.text
    for word in words:
        assert word in found.text
    end = live.ended(where)
    assert end is not None
    assert (end.reason, end.may_pass) == (found.text, False)
    assert live.processes(where) == ()


def test_a_pod_that_no_node_takes_says_so_in_the_schedulers_words(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    where = place(cluster, space, "Deployment", "api-1", nodeSelector={"pool": "none"})

    found = reason(live, where)

    assert found.cause is Cause.NO_ROOM
    assert "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity" in found.text
    end = live.ended(where)
    assert end is not None
    assert end.may_pass


def test_a_deployment_that_misses_its_deadline_says_so(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    slow = {"annotations": {STAYS_PENDING: "yes"}, "spec": {"progressDeadlineSeconds": 1}}
    where = place(cluster, space, "Deployment", "api-1", **slow)

    found = reason(live, where)

    assert found.cause is Cause.TOO_SLOW
    assert f"Deployment {space}/api-1 does not get ready" in found.text


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_a_quota_that_refuses_pods_is_named(
    cluster: Cluster, space: str, live: LiveObjects, kind: str
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": "0"}},
    }
    path = f"/api/v1/namespaces/{space}/resourcequotas"
    cluster.call("POST", path, quota)
    assert eventually(lambda: "hard" in cluster.call("GET", f"{path}/few").get("status", {}))
    where = place(cluster, space, kind, "api-1")

    found = reason(live, where)

    assert found.cause is Cause.NOT_CREATED
    assert "exceeded quota: few" in found.text


def test_a_job_succeeds_and_what_it_printed_is_there(
    cluster: Cluster, space: str, placed: PlacedObjects
) -> None:
    where = place(cluster, space, "Job", "bootstrap-1")

    done = eventually(
        lambda: (found := placed.live.job(where)).state.value == "succeeded" and found
    )

    assert done
    assert done.exit_status == 0
    assert placed.output(Placed(resources=(), in_cluster=where)) == "ledger at 42\n"


def test_a_job_that_fails_says_what_happened_in_its_pod(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    where = place(cluster, space, "Job", "bootstrap-1", image="server:fails")

    assert eventually(lambda: live.job(where).state is JobState.FAILED)
    found = live.job(where)

    assert found.exit_status == FAILS_WITH
    assert "BackoffLimitExceeded" in found.detail
    assert f"last with exit code {FAILS_WITH}" in found.detail


def test_a_job_that_is_too_slow_says_so(cluster: Cluster, space: str, live: LiveObjects) -> None:
    late = {"spec": {"activeDeadlineSeconds": 1}, "annotations": {STAYS_PENDING: "yes"}}
    where = place(cluster, space, "Job", "bootstrap-1", **late)

    assert eventually(lambda: live.job(where).state is JobState.FAILED)
    found = live.reason(where)

    assert found is not None
    assert found.cause is Cause.TOO_SLOW
    assert "DeadlineExceeded" in found.text


def test_a_job_that_is_not_there_never_began(space: str, live: LiveObjects) -> None:
    where = InCluster(kind="Job", namespace=space, name="none", container="server")

    assert live.job(where).state is JobState.UNKNOWN


def test_what_is_not_there_is_refused_by_name(space: str, live: LiveObjects) -> None:
    where = InCluster(kind="StatefulSet", namespace=space, name="api-9", container="server")

    for ask in (live.process, live.cohort, live.attached, live.processes, live.reason):
        with pytest.raises(Refused) as caught:
            ask(where)
        assert caught.value.trouble is Trouble.NOT_FOUND
        assert '"api-9" not found' in caught.value.message


def test_another_container_than_the_programs_is_refused(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    where = place(cluster, space, "Deployment", "api-1")

    with pytest.raises(Refused, match="no container 'api'; it has server"):
        live.process(replace(where, container="api"))


def test_every_call_is_short(cluster: Cluster, space: str, live: LiveObjects) -> None:
    where = place(cluster, space, "Deployment", "api-1", labels={LABEL: "true"})
    assert eventually(lambda: live.processes(where))

    for ask in (live.process, live.cohort, live.attached, live.processes, live.reason, live.ended):
        began_s = time.monotonic()
        ask(where)
        took_s = time.monotonic() - began_s
        print(f"{ask.__name__}: {1000 * took_s:.1f} ms")
        assert took_s < 5
