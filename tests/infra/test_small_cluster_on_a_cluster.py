"""`infra/small-cluster` in a real control plane: accepted strictly, and its promises kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.infra.in_a_cluster import apply, in_front, label_nodes, path_of, phase, pods, until
from tests.infra.rendering import Rendered, render
from tests.infra.test_small_cluster import FULL, ODD, PROGRAM
from tests.toolchain.cluster import Cluster
from tests.toolchain.stages import LINGERS

pytestmark = pytest.mark.cluster

ATTACHED = "rollout-kit.dev/attached"


def _rendered(space: str, **changes: Any) -> Rendered:
    config = copy.deepcopy(FULL) | {f"{PROGRAM}:namespace": space}
    return render(PROGRAM, config | changes)


def _nodes(**attached: bool) -> dict[str, Any]:
    nodes = {name.replace("_", "-"): flag for name, flag in attached.items()}
    return {name: {"image": "server:1", "attached": flag} for name, flag in nodes.items()}


def test_every_object_is_accepted_with_strict_validation_and_none_is_warned_about(
    cluster: Cluster, space: str
) -> None:
    everything = _rendered(
        space,
        **{
            f"{PROGRAM}:server_secret_environment": {"DW_ADMIN_TOKEN": "t"},
            f"{PROGRAM}:image_pull_secrets": ["registry"],
            f"{PROGRAM}:run_as_user": 1000,
            f"{PROGRAM}:worker_pre_stop": ["/bin/drain"],
        },
    )
    apply(cluster, everything)
    for item in everything.objects:
        answer = cluster.http.patch(
            path_of(item),
            json=item,
            params={"fieldManager": "again", "fieldValidation": "Strict", "force": "true"},
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        assert answer.is_success, answer.text
        assert answer.headers.get_list("warning") == [], item["kind"]


def test_a_namespace_under_the_restricted_standard_takes_every_pod(
    cluster: Cluster, space: str
) -> None:
    enforce = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    cluster.call(
        "PATCH",
        f"/api/v1/namespaces/{space}",
        enforce,
        headers={"Content-Type": "application/merge-patch+json"},
    )
    rendered = _rendered(space)
    apply(cluster, rendered)
    wanted = {"api": 3, "scheduler": 1, "maintenance": 1, "worker": 3 + 1, "job": 1}
    for component, count in wanted.items():
        selector = f"app.kubernetes.io/component={component}"
        until(lambda selector=selector, count=count: len(pods(cluster, space, selector)) >= count)  # type: ignore[misc]


def test_attaching_and_detaching_restart_nothing_and_outlive_an_eviction(
    cluster: Cluster, space: str
) -> None:
    def api_1() -> Any:
        (pod,) = pods(cluster, space, "rollout-kit.dev/node=api-1")
        return pod

    apply(cluster, _rendered(space, **{"fleet:nodes": _nodes(api_1=True, api_2=True)}))
    until(lambda: in_front(cluster, space, "api") == {"api-1-0", "api-2-0"})
    before = api_1()

    apply(cluster, _rendered(space, **{"fleet:nodes": _nodes(api_1=False, api_2=True)}))
    until(lambda: in_front(cluster, space, "api") == {"api-2-0"})
    assert api_1()["metadata"]["uid"] == before["metadata"]["uid"]
    assert in_front(cluster, space, "api-1") == {"api-1-0"}  # its own address stays

    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "api-1-0", "namespace": space},
    }
    until(
        lambda: (
            cluster.http.post(
                f"/api/v1/namespaces/{space}/pods/api-1-0/eviction", json=eviction
            ).is_success
        )
    )

    def came_back() -> bool:
        found = pods(cluster, space, "rollout-kit.dev/node=api-1")
        return [
            pod["metadata"]["uid"] != before["metadata"]["uid"] and phase(pod) == "Running"
            for pod in found
        ] == [True]

    until(came_back)
    second = api_1()
    assert second["metadata"]["labels"][ATTACHED] == "false"
    until(lambda: in_front(cluster, space, "api-1") == {"api-1-0"})
    assert in_front(cluster, space, "api") == {"api-2-0"}

    apply(cluster, _rendered(space, **{"fleet:nodes": _nodes(api_1=True, api_2=True)}))
    until(lambda: in_front(cluster, space, "api") == {"api-1-0", "api-2-0"})
    assert api_1()["metadata"]["uid"] == second["metadata"]["uid"]


def test_a_second_scheduler_waits_until_the_first_is_really_gone(
    cluster: Cluster, space: str
) -> None:
    selector = "rollout-kit.dev/singleton=scheduler"
    label_nodes(cluster)
    apply(cluster, _rendered(space))
    (first,) = until(
        lambda: [pod for pod in pods(cluster, space, selector) if phase(pod) == "Running"]
    )
    name = first["metadata"]["name"]
    path = f"/api/v1/namespaces/{space}/pods/{name}"
    merge = {"Content-Type": "application/merge-patch+json"}
    cluster.call("PATCH", path, {"metadata": {"annotations": {LINGERS: "true"}}}, headers=merge)
    cluster.call("DELETE", path)

    def second() -> Any:
        return [pod for pod in pods(cluster, space, selector) if pod["metadata"]["name"] != name]

    def refused() -> bool:
        conditions = [item for pod in second() for item in pod["status"].get("conditions", [])]
        return any(
            item["type"] == "PodScheduled"
            and item["status"] == "False"
            and "anti-affinity" in item["message"]
            for item in conditions
        )

    until(refused)
    assert [phase(pod) for pod in second()] == ["Pending"]
    assert cluster.http.get(path).is_success
    cluster.call("PATCH", path, {"metadata": {"annotations": {LINGERS: None}}}, headers=merge)
    until(lambda: [phase(pod) for pod in second()] == ["Running"])
    assert cluster.http.get(path).status_code == 404


def test_a_stopped_cohort_stays_at_none_though_its_autoscaler_has_a_minimum(
    cluster: Cluster, space: str
) -> None:
    selector = "rollout-kit.dev/build-id=,app.kubernetes.io/component=worker"
    apply(cluster, _rendered(space))
    until(lambda: pods(cluster, space, selector))
    cohorts = copy.deepcopy(FULL["fleet:cohorts"])
    cohorts[ODD]["replicas"] = 0
    apply(cluster, _rendered(space, **{"fleet:cohorts": cohorts}))
    until(lambda: not pods(cluster, space, selector))
