"""What the stand-in's Kubernetes provider takes for ready, and what it says where it never is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from .engine.failure import OperationFailed, Unfinished
from .engine.providers.api import Call
from .engine.providers.awaiting import standing
from .engine.providers.kubernetes import Kubernetes
from .engine.providers.waiting import Settling, Wait

Tree = dict[str, Any]
AVAILABLE = {"updatedReplicas": 2, "availableReplicas": 2, "replicas": 2, "observedGeneration": 1}


def _object(kind: str, spec: Tree, status: Tree, **annotations: str) -> Tree:
    metadata = {"name": "web", "namespace": "shop", "generation": 1, "annotations": annotations}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def _pod(reason: str, message: str) -> Tree:
    waiting = {"name": "c", "ready": False, "state": {"waiting": {"reason": reason}}}
    waiting["state"]["waiting"]["message"] = message  # type: ignore[index]
    return _object("Pod", {}, {"containerStatuses": [waiting]})


def _call(said: list[str], kind: str = "apps/v1:Deployment", name: str = "web") -> Call:
    return Call(
        urn=f"urn:pulumi:dev::proj::kubernetes:{kind}::{name}",
        type=f"kubernetes:{kind}",
        preview=False,
        cancelled=threading.Event(),
        say=said.append,
    )


class _Still:
    """A cluster in which nothing moves."""

    settles_s = 0.0

    def __init__(self, live: Tree | None, around: list[Tree]) -> None:
        self._live, self._around = live, around

    def get(self, *place: str) -> Tree | None:
        return self._live

    def around(self, live: Tree) -> list[Tree]:
        return self._around


def _waited(live: Tree | None, around: list[Tree], call: Call, **annotations: str) -> Tree:
    new = {"kind": "Deployment", "metadata": {"annotations": annotations}}
    place = ("apps/v1", "Deployment", "shop", "web")
    return Wait(_Still(live, around), call, new, place, {}).over(updating=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("live", "around", "ready"),
    [
        (_object("Deployment", {"replicas": 2}, AVAILABLE), [], True),
        (_object("Deployment", {"replicas": 2}, AVAILABLE | {"observedGeneration": 0}), [], False),
        (_object("Deployment", {"replicas": 2}, AVAILABLE | {"replicas": 3}), [], False),
        (
            _object(
                "StatefulSet",
                {"replicas": 2},
                {"readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1},
            ),
            [],
            True,
        ),
        (
            _object(
                "StatefulSet",
                {"replicas": 2},
                {
                    "readyReplicas": 2,
                    "updatedReplicas": 2,
                    "observedGeneration": 1,
                    "currentRevision": "a",
                    "updateRevision": "b",
                },
            ),
            [],
            False,
        ),
        (_object("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}), [], True),
        (_object("Job", {}, {"active": 1}), [], False),
        (_object("Service", {"selector": {"a": "b"}}, {}), [{"subsets": []}], True),
        (
            _object("Service", {"selector": {"a": "b"}}, {}),
            [{"subsets": [{"notReadyAddresses": [{"ip": "10.1.1.1"}]}]}],
            False,
        ),
        (_object("Service", {"type": "LoadBalancer", "selector": {"a": "b"}}, {}), [], False),
    ],
)
def test_an_object_is_ready_when_all_of_it_is(live: Tree, around: list[Tree], ready: bool) -> None:
    assert standing(live, around).ready is ready


def test_a_wait_that_is_over_names_why_its_pods_do_not_run() -> None:
    live = _object("Deployment", {"replicas": 2}, AVAILABLE | {"updatedReplicas": 1})
    pod = _pod("ImagePullBackOff", "Back-off pulling image")
    with pytest.raises(Unfinished) as ended:
        _waited(live, [pod], _call([]), **{"pulumi.com/timeoutSeconds": "0"})

    assert ended.value.id == "shop/web"
    assert ended.value.reasons == [
        'the Kubernetes API server reported that "shop/web" failed to fully initialize or become '
        "live: 'web' timed out waiting to be Ready",
        "Minimum number of Pods to consider the application live was not attained",
        "[Pod shop/web]: containers with unready status: [c] -- [ImagePullBackOff] "
        "Back-off pulling image",
    ]


def test_a_job_that_failed_is_not_waited_for_any_longer() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "x"}
    with pytest.raises(Unfinished, match=r'Job "shop/web" failed: \[BackoffLimitExceeded\] x'):
        _waited(_object("Job", {}, {"conditions": [failed]}), [], _call([]))


def test_a_cancelled_wait_leaves_no_reasons_behind() -> None:
    call = _call([])
    call.cancelled.set()
    live = _object("Deployment", {"replicas": 2}, {})
    with pytest.raises(OperationFailed, match='Resource operation was cancelled for "web"'):
        _waited(live, [], call)


def test_what_goes_while_it_is_awaited_is_an_error() -> None:
    with pytest.raises(OperationFailed, match="shop/web was deleted while it was awaited"):
        _waited(None, [], _call([]))


def test_what_a_service_leads_to_has_to_stay_as_it_is() -> None:
    settling = Settling(settles_s=3600)

    assert not settling.over([])
    assert not settling.over([{"subsets": []}])
    assert not settling.over([{"subsets": []}])
    assert Settling(settles_s=0).over([{"subsets": []}])


def test_another_selector_is_another_deployment_and_the_old_one_goes_first() -> None:
    old = {"kind": "Deployment", "spec": {"selector": {"matchLabels": {"app": "a"}}}}
    new = {"kind": "Deployment", "spec": {"selector": {"matchLabels": {"app": "b"}}}}
    change = Kubernetes({}).diff(_call([]), old, {}, new)

    assert change.replaces == ["spec.selector.matchLabels.app"]
    assert change.delete_first


def test_what_never_got_ready_differs_from_what_was_asked_last() -> None:
    good, bad = ({"kind": "Deployment", "spec": {"image": image}} for image in ("1", "2"))
    provider = Kubernetes({})

    assert provider.diff(_call([]), good, {"__inputs": bad}, bad).paths == {}
    assert provider.diff(_call([]), good, {"__inputs": bad}, good).paths == {"spec.image": "update"}


def test_a_patch_that_goes_leaves_its_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("STANDIN_WORLD", str(tmp_path / "cluster.json"))
    provider, metadata = Kubernetes({}), {"name": "web", "namespace": "shop"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    provider.create(_call([], "core/v1:Pod"), pod)
    label = {**pod, "metadata": {**metadata, "labels": {"in": "yes"}}}
    patching = _call([], "core/v1:PodPatch")
    id_, outputs = provider.create(patching, label)
    provider.delete(patching, id_, outputs)

    assert id_ == "shop/web"
    assert provider.read(_call([], "core/v1:Pod"), id_, pod, {}) is not None
    provider.delete(_call([], "core/v1:Pod"), id_, {"__inputs": pod})
    assert provider.read(_call([], "core/v1:Pod"), id_, pod, {}) is None


def test_a_look_finds_what_somebody_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("STANDIN_WORLD", str(tmp_path / "cluster.json"))
    provider, call = Kubernetes({}), _call([], "core/v1:ConfigMap")
    asked = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "shop"},
        "data": {"a": "1"},
    }
    id_, outputs = provider.create(call, asked)
    provider.update(call, id_, asked, outputs, {**asked, "data": {"a": "2"}})
    found = provider.read(call, id_, asked, outputs)

    assert found is not None
    assert provider.diff(call, asked, outputs, found.inputs).paths == {"data.a": "update"}
