"""Pod addresses, which pods are the present ones, and what the API server's own words are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websocket import WebSocketBadStatusException

from rollout_kit.ports.errors import Conflict, OutsideError, Refused, Trouble, Unavailable
from rollout_kit.transport import cluster_faults
from rollout_kit.transport.messages import Request, origin
from rollout_kit.transport.pod_proxy import pod_address
from rollout_kit.transport.workloads import WorkloadRef, name_of, split


def test_an_address_names_workload_port_path_and_query() -> None:
    found = pod_address("kubernetes://orders/StatefulSet/api-1:8080/api/ready?verbose=1&x=a%20b#f")

    assert found.workload == WorkloadRef(namespace="orders", kind="StatefulSet", name="api-1")
    assert (found.port, found.target) == (8080, "/api/ready?verbose=1&x=a%20b")
    assert pod_address("kubernetes://orders/Deployment/a.b:1").target == "/"


def test_messages_name_the_workload_where_they_name_a_host() -> None:
    assert origin("kubernetes://orders/StatefulSet/api-1:8080/api/ready?token=x") == (
        "kubernetes://orders/StatefulSet/api-1:8080"
    )
    assert origin("http://user:secret@api-1:8080/api/ready") == "http://api-1:8080"


@pytest.mark.parametrize(
    "url",
    [
        "kubernetes://orders/StatefulSet/api-1",
        "kubernetes://orders/StatefulSet/api-1:0",
        "kubernetes://orders/StatefulSet/api-1:65536/api",
        "kubernetes://orders/DaemonSet/api-1:80",
        "kubernetes://orders/statefulset/api-1:80",
        "kubernetes://orders/StatefulSet/API:80",
        "kubernetes://orders/StatefulSet/../api:80",
        "kubernetes://StatefulSet/api-1:80",
        "kubernetes://",
    ],
)
def test_an_address_that_is_none_is_refused_and_one_is_shown(url: str) -> None:
    with pytest.raises(Refused) as caught:
        pod_address(url)

    assert "kubernetes://NAMESPACE/KIND/NAME:PORT" in caught.value.hint


def owned(name: str, owner: str, **more: Any) -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}]
    return {"metadata": {"name": name, "uid": name, "ownerReferences": references, **more}}


def template(image: str, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "a", **labels}},
        "spec": {"containers": [{"image": image}]},
    }


DEPLOYMENT = {"metadata": {"uid": "d"}, "spec": {"template": template("server:2")}}
OLD = owned("old", "d") | {"spec": {"template": template("server:1", **{"pod-template-hash": "1"})}}
NEW = owned("new", "d") | {"spec": {"template": template("server:2", **{"pod-template-hash": "2"})}}
FOREIGN = owned("foreign", "x") | {"spec": {"template": template("server:2")}}


def names(pods: tuple[Any, ...]) -> list[str]:
    return [name_of(pod) for pod in pods]


def test_of_a_deployment_the_pods_of_the_set_with_its_template_are_current() -> None:
    pods = (
        owned("new-b", "new"),
        owned("new-a", "new"),
        owned("old-a", "old"),
        owned("foreign-a", "foreign"),
        owned("new-going", "new", deletionTimestamp="2026-11-21T22:00:00Z"),
    )

    all_of_it, current = split("Deployment", DEPLOYMENT, pods, (OLD, NEW, FOREIGN))

    assert names(all_of_it) == ["new-b", "new-a", "old-a", "new-going"]
    assert names(current) == ["new-a", "new-b"]


def test_until_the_controller_has_made_a_set_of_a_new_template_nobody_carries_it() -> None:
    changed = {"metadata": {"uid": "d"}, "spec": {"template": template("server:3")}}

    assert split("Deployment", changed, (owned("new-a", "new"),), (OLD, NEW))[1] == ()


def stateful(image: str, attached: str, strategy: str) -> dict[str, Any]:
    spec = {"template": template(image, attached=attached), "updateStrategy": {"type": strategy}}
    return {"metadata": {"uid": "s"}, "spec": spec}


def revision(name: str, image: str) -> dict[str, Any]:
    data = {"spec": {"template": {**template(image, attached="true"), "$patch": "replace"}}}
    return owned(name, "s") | {"data": data}


REVISIONS = (revision("api-1-1", "server:1"), revision("api-1-2", "server:2"))
REVISED = (
    owned("api-1-0", "s", labels={"controller-revision-hash": "api-1-1"}),
    owned("api-1-1", "s", labels={"controller-revision-hash": "api-1-2"}),
    owned("foreign-0", "x", labels={"controller-revision-hash": "api-1-2"}),
    owned("api-1-2", "s"),
    {
        "metadata": {
            "name": "guest-0",
            "labels": {"controller-revision-hash": "api-1-2"},
            "ownerReferences": [{"uid": "s"}],  # belongs to it, and is not controlled by it
        }
    },
)


@pytest.mark.parametrize(
    ("image", "attached", "strategy", "wanted"),
    [
        ("server:2", "true", "RollingUpdate", ["api-1-1"]),
        ("server:1", "true", "RollingUpdate", ["api-1-0"]),
        ("server:3", "true", "RollingUpdate", []),
        ("server:2", "false", "RollingUpdate", []),  # it is about to be replaced for its label
        ("server:2", "false", "OnDelete", ["api-1-1"]),  # a label that only later pods get
        ("server:3", "true", "OnDelete", []),
    ],
)
def test_of_a_stateful_set_the_pods_made_from_its_template_are_current(
    image: str, attached: str, strategy: str, wanted: list[str]
) -> None:
    owner = stateful(image, attached, strategy)

    assert names(split("StatefulSet", owner, REVISED, REVISIONS)[1]) == wanted
    assert split("StatefulSet", owner, REVISED, ())[1] == ()


def said(message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "message": message}


def test_what_the_api_server_says_itself_is_told_from_what_the_pod_says() -> None:
    own = json.dumps(said("pods is forbidden")).encode()

    assert cluster_faults.own_words(403, own, "application/json") == said("pods is forbidden")
    assert cluster_faults.own_words(503, b'{"ready": false}', "application/json") is None
    assert cluster_faults.own_words(503, b"error trying to reach service: dial", "text/plain") == {
        "message": "error trying to reach service: dial"
    }
    assert cluster_faults.own_words(200, own, "application/json") is None
    assert cluster_faults.own_words(502, b"<html>", "text/html") is None


UNSCHEDULED = "does not have a host assigned"


def test_a_port_forward_to_a_pod_that_was_replaced_a_moment_ago_is_tried_again() -> None:
    """A rollout was rolled back for it: the new pod has the old one's name, and no machine yet."""
    body = json.dumps(
        {"kind": "Status", "apiVersion": "v1", "message": f"pod api-2-0 {UNSCHEDULED}"}
    )
    answer = WebSocketBadStatusException("Handshake status 400", 400, resp_body=body.encode())
    request = Request(method="GET", url="kubernetes://n/StatefulSet/api-2:8080/api/ready")
    error = cluster_faults.explain_websocket(answer, request, "the cluster of context prod")
    assert isinstance(error, Unavailable)
    assert f"pod api-2-0 {UNSCHEDULED}" in error.message


@pytest.mark.parametrize(
    ("status", "message", "kind", "trouble", "words"),
    [
        (400, f"pod p {UNSCHEDULED}", Unavailable, Trouble.NETWORK, "has no way to the pod yet"),
        (400, "address not allowed", Unavailable, Trouble.NETWORK, "has no way to the pod yet"),
        (400, "unknown port", Refused, Trouble.OTHER, "refuses pods: unknown port"),
        (401, "Unauthorized", Refused, Trouble.AUTH, "does not accept our credentials"),
        (403, 'User "x" cannot list', Refused, Trouble.AUTH, 'User "x" cannot list'),
        (403, "exceeded quota: pods=2", Refused, Trouble.OTHER, "exceeded quota: pods=2"),
        (404, "deployments not found", Refused, Trouble.NOT_FOUND, "has no such thing"),
        (409, "object has been modified", Conflict, Trouble.OTHER, "object has been modified"),
        (503, "etcd is down", Unavailable, Trouble.SERVER, "cannot answer for pods now"),
        (422, "spec is wrong", Refused, Trouble.OTHER, "refuses pods: spec is wrong"),
    ],
)
def test_each_refusal_has_its_sentence(
    status: int, message: str, kind: type[OutsideError], trouble: Trouble, words: str
) -> None:
    error = cluster_faults.refusal(status, said(message), "pods", "the cluster of context prod")

    assert isinstance(error, kind)
    assert error.trouble is trouble
    assert error.message.startswith("the cluster of context prod")
    assert words in error.message
