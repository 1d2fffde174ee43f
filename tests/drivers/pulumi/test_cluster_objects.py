"""Objects of a cluster that no state records: found by kind and name, removed for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout_kit.drivers.pulumi import recovering
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.objects import ClusterObjects
from rollout_kit.drivers.pulumi.recovery import Absence
from rollout_kit.ports.errors import Refused, Trouble, Unavailable
from tests.toolchain.cluster import Cluster


def _object(space: str, name: str, kind: str = "ConfigMap", version: str = "v1") -> Object:
    facts = {"apiVersion": version, "kind": kind, "namespace": space, "name": name}
    return Object(
        urn=f"urn:pulumi:d::p::kubernetes:{kind}::{name}", type="kubernetes:x", facts=facts
    )


@pytest.mark.cluster
def test_an_object_is_found_by_the_id_that_the_provider_would_give_it(
    cluster: Cluster, space: str
) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "orphan"}}
    cluster.call("POST", f"/api/v1/namespaces/{space}/configmaps", body)
    objects = ClusterObjects(str(cluster.kubeconfig), "")
    assert objects.find(_object(space, "orphan")) == f"{space}/orphan"
    assert objects.find(_object(space, "another")) is Absence.ABSENT
    assert objects.find(_object(space, "x", "Nonsense", "example.org/v1")) is Absence.ABSENT
    namespace = Object(
        urn="u", type="t", facts={"apiVersion": "v1", "kind": "Namespace", "name": space}
    )
    assert objects.find(namespace) == space


@pytest.mark.cluster
def test_what_cannot_be_adopted_is_removed_and_seen_gone(cluster: Cluster, space: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "orphan"}}
    cluster.call("POST", f"/api/v1/namespaces/{space}/configmaps", body)
    objects = ClusterObjects(str(cluster.kubeconfig), "")
    said: list[str] = []
    recovering.remove(_object(space, "orphan"), objects, said.append, within_s=30)
    assert objects.find(_object(space, "orphan")) is Absence.ABSENT
    assert said == [
        "deleted ConfigMap orphan, which an interrupted update had made without recording it"
    ]
    recovering.remove(_object(space, "orphan"), objects, said.append, within_s=30)


@pytest.mark.cluster
def test_who_may_not_look_is_no_absence(cluster: Cluster, space: str) -> None:
    nobody = ClusterObjects(str(cluster.user("nobody")), "")
    with pytest.raises(Refused, match="does not tell") as raised:
        nobody.find(_object(space, "orphan"))
    assert raised.value.trouble is Trouble.AUTH


def test_what_is_no_object_of_a_cluster_cannot_be_looked_for() -> None:
    thing = Object(urn="u", type="lab:index:Thing")
    assert ClusterObjects("/nowhere", "").find(thing) is Absence.UNKNOWN


def test_a_cluster_that_does_not_answer_is_no_absence(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"
    )
    with pytest.raises(Unavailable, match="does not answer"):
        ClusterObjects(str(config), "").find(_object("s", "n"))
