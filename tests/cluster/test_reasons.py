"""Why a pod does not run, in the words that its node put into its status, for every kind of thing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from rollout_kit.drivers.kubernetes.live import LiveObjects, placed_objects
from rollout_kit.model.stack_contract import InCluster
from rollout_kit.transport.pod_reasons import Cause
from tests.cluster.objects import place, pods
from tests.toolchain.cluster import Cluster, eventually
from tests.toolchain.stages import STAYS_PENDING

pytestmark = pytest.mark.cluster

KINDS = ("StatefulSet", "Deployment", "Job")
NAME = "api-1"
SIDECAR = {"name": "proxy", "image": "proxy:1"}
INIT = {"name": "migrate", "image": "server:1"}


@pytest.fixture(scope="module")
def live(cluster: Cluster) -> LiveObjects:
    found = placed_objects(kubeconfig=cluster.kubeconfig, context="", environment=os.environ)
    return found.live


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def container(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "server:1",
        "imageID": "",
        "ready": "running" in state,
        "restartCount": 0,
        "state": state,
    } | more


def only(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"phase": "Pending", "containerStatuses": [container("server", state, **more)]}


RUNS = {"running": {}}
STATUSES: dict[str, tuple[dict[str, Any], Cause, bool, str]] = {
    "first-try": (
        only(waiting("ErrImagePull", "toomanyrequests")),
        Cause.NO_IMAGE,
        True,
        "(ErrImagePull): toomanyrequests",
    ),
    "no-image": (
        only(waiting("ImagePullBackOff", "no such manifest")),
        Cause.NO_IMAGE,
        False,
        "the image server:1 of container server of pod",
    ),
    "bad-name": (
        only(waiting("InvalidImageName", 'couldn\'t parse image name "a b"')),
        Cause.NO_IMAGE,
        False,
        "(InvalidImageName): couldn't parse image name",
    ),
    "secret": (
        only(waiting("CreateContainerConfigError", 'secret "server" not found')),
        Cause.NOT_STARTED,
        False,
        'cannot start (CreateContainerConfigError): secret "server" not found',
    ),
    "memory": (
        only(waiting("CrashLoopBackOff"), lastState=ended(137, "OOMKilled"), restartCount=3),
        Cause.NO_MEMORY,
        False,
        "was killed for using more memory than its limit again and again (CrashLoopBackOff, 3 restarts)",
    ),
    "sidecar": (
        {
            "phase": "Pending",  # so that the fake node lets a Job's pod be
            "containerStatuses": [
                container("server", RUNS),
                container("proxy", waiting("CrashLoopBackOff"), lastState=ended(2), restartCount=1),
            ],
        },
        Cause.CRASHES,
        False,
        "ends again and again (CrashLoopBackOff, 1 restart), last with exit code 2",
    ),
    "init": (
        {
            "phase": "Pending",
            "initContainerStatuses": [container("migrate", ended(4))],
            "containerStatuses": [container("server", waiting("PodInitializing"))],
        },
        Cause.CRASHES,
        False,
        "container migrate of pod",
    ),
    "another": (
        only(waiting("RegistryUnavailable", "try later")),
        Cause.NOT_STARTED,
        True,
        "waits (RegistryUnavailable): try later",
    ),
}


def pending(cluster: Cluster, space: str, kind: str) -> tuple[InCluster, str]:
    """One pod of three containers that nothing starts: the test says what becomes of it."""
    server = {"name": "server", "image": "server:1"}
    more = {"containers": [server, SIDECAR], "initContainers": [INIT]}
    where = place(cluster, space, kind, NAME, annotations={STAYS_PENDING: "yes"}, **more)
    [pod] = eventually(lambda: pods(cluster, space, NAME))
    name = pod["metadata"]["name"]
    path = f"/api/v1/namespaces/{space}/pods/{name}"
    assert eventually(lambda: cluster.call("GET", path)["spec"].get("nodeName"))
    return where, name


def becomes(cluster: Cluster, space: str, pod: str, status: dict[str, Any]) -> None:
    cluster.call(
        "PATCH",
        f"/api/v1/namespaces/{space}/pods/{pod}/status",
        {"status": status},
        headers={"Content-Type": "application/merge-patch+json"},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_reason_is_told_at_once_with_the_clusters_words_and_whether_it_may_pass(
    cluster: Cluster, space: str, live: LiveObjects, kind: str
) -> None:
    where, pod = pending(cluster, space, kind)
    assert live.reason(where) is None

    for name, (status, cause, may_pass, words) in STATUSES.items():
        empty = {"initContainerStatuses": None, "containerStatuses": None}
        becomes(cluster, space, pod, empty | status)
        found = live.reason(where)
        assert found is not None, name
        assert (found.cause, found.may_pass) == (cause, may_pass), name
        assert words in found.text, name
        assert f"pod {pod}" in found.text, name
        end = live.ended(where)
        assert end is not None, name
        assert (end.reason, end.may_pass) == (found.text, may_pass), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_volume_that_is_not_to_be_had_is_told_by_the_pods_events(
    cluster: Cluster, space: str, live: LiveObjects, kind: str
) -> None:
    where, pod = pending(cluster, space, kind)
    becomes(cluster, space, pod, only(waiting("ContainerCreating")))
    assert live.reason(where) is None

    warn(cluster, space, pod, "FailedMount", 'secret "tls" not found')

    assert eventually(lambda: live.reason(where))
    found = live.reason(where)
    assert found is not None
    assert found.may_pass
    assert found.text == f'{kind} {space}/{NAME} waits for a volume: secret "tls" not found'


def warn(cluster: Cluster, space: str, pod: str, reason: str, message: str) -> None:
    uid = cluster.call("GET", f"/api/v1/namespaces/{space}/pods/{pod}")["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod}.1", "namespace": space},
        "involvedObject": {"kind": "Pod", "namespace": space, "name": pod, "uid": uid},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }
    cluster.call("POST", f"/api/v1/namespaces/{space}/events", event)


def test_a_pod_that_its_node_gave_up_is_no_reason_once_another_runs(
    cluster: Cluster, space: str, live: LiveObjects
) -> None:
    """A Deployment keeps what was evicted beside what runs in its place."""
    where = place(cluster, space, "Deployment", NAME)
    [first] = eventually(lambda: live.processes(where))
    [pod] = pods(cluster, space, NAME)
    gone = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}

    becomes(cluster, space, pod["metadata"]["name"], gone)

    def another() -> bool:
        found = live.processes(where)
        return len(found) == 1 and found != (first,)

    assert eventually(another)
    assert len(pods(cluster, space, NAME)) == 2
    assert live.reason(where) is None
    assert live.ended(where) is None


UNPLACEABLE: dict[str, Callable[[], dict[str, Any]]] = {
    "a label": lambda: {"nodeSelector": {"pool": "none"}},
    "an affinity": lambda: {"affinity": {"nodeAffinity": REQUIRED}},
}
REQUIRED = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]},
        ]
    }
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("why", UNPLACEABLE)
def test_what_no_node_takes_is_told_in_the_schedulers_words(
    cluster: Cluster, space: str, live: LiveObjects, kind: str, why: str
) -> None:
    where = place(cluster, space, kind, NAME, **UNPLACEABLE[why]())

    found = eventually(lambda: live.reason(where))

    assert found is not None
    assert (found.cause, found.may_pass) == (Cause.NO_ROOM, True)
    assert "0/2 nodes are available" in found.text
