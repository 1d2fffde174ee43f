"""The Role of the documentation is enough, and every right in it is needed and named when it lacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from rollout_kit.drivers.kubernetes.live import placed_objects
from rollout_kit.model.stack_contract import Placed
from rollout_kit.ports.errors import OutsideError
from tests.cluster.nodes import TOKEN, Serve, asked, ready, through
from tests.cluster.objects import LABEL, place
from tests.cluster.test_front_through_service import asked as asked_of_front
from tests.cluster.test_front_through_service import front
from tests.toolchain.cluster import Cluster, eventually
from tests.toolchain.stages import STAYS_PENDING

pytestmark = pytest.mark.cluster

Right: TypeAlias = tuple[str, str, str]
"""API group, resource, verb."""
RIGHTS = "/apis/rbac.authorization.k8s.io/v1/namespaces"


def documented() -> set[Right]:
    """The Role of the documentation, word by word."""
    text = (Path(__file__).parents[2] / "docs" / "drivers.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    [found] = [block for block in blocks if "kind: Role\n" in block]
    return {
        (group, resource, verb)
        for rule in yaml.safe_load(found)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def grant(cluster: Cluster, space: str, rights: set[Right]) -> None:
    rules = [{"apiGroups": [g], "resources": [r], "verbs": [v]} for g, r, v in sorted(rights)]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "looks", "namespace": space},
        "rules": rules,
    }
    cluster.apply(f"{RIGHTS}/{space}/roles/looks", role)


def bind(cluster: Cluster, space: str, user: str) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "looks", "namespace": space},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looks"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    cluster.apply(f"{RIGHTS}/{space}/rolebindings/looks", binding)


def refusals(questions: Mapping[str, Callable[[], Any]]) -> list[str]:
    """What the cluster did not let us ask, and whatever else went wrong."""
    found = []
    for ask in questions.values():
        try:
            ask()
        except OutsideError as error:
            found.append(f"{error.trouble.value}: {error.message}")
    return found


def test_the_documented_role_is_enough_and_each_right_that_lacks_is_named(
    cluster: Cluster, space: str, serve: Serve
) -> None:
    labelled: dict[str, Any] = {"labels": {LABEL: "true"}}
    ready(cluster, space, serve, **labelled)
    front(cluster, space)
    node = place(cluster, space, "StatefulSet", "api-1", **labelled)
    never: dict[str, Any] = {"annotations": {STAYS_PENDING: "yes"}, "spec": {"replicas": 2}}
    lacking = place(cluster, space, "StatefulSet", "api-2", **never)
    cohort = place(cluster, space, "Deployment", "orders-b1")
    job = place(cluster, space, "Job", "bootstrap-1")
    user = f"reader-of-{space}"
    kubeconfig = cluster.user(user)
    bind(cluster, space, user)
    placed = placed_objects(kubeconfig=kubeconfig, context="", environment=os.environ)
    live, reach = placed.live, through(kubeconfig)
    questions: dict[str, Callable[[], Any]] = {
        "spec": lambda: live.process(cohort),
        "cohort": lambda: live.cohort(cohort),
        "processes": lambda: live.processes(cohort),
        "membership": lambda: live.attached(node),
        "events": lambda: live.reason(lacking),
        "job": lambda: live.job(job),
        "output": lambda: placed.output(Placed(resources=(), in_cluster=job)),
        "readiness": lambda: reach(asked(space, "/api/ready")),
        "cluster info": lambda: reach(asked(space, "/api/cluster/info", headers=TOKEN)),
        "front": lambda: reach(asked_of_front(space)),
    }
    everything = documented()
    administrator = placed_objects(
        kubeconfig=cluster.kubeconfig, context="", environment=os.environ
    ).live
    assert eventually(lambda: administrator.processes(cohort) and administrator.processes(node))
    assert eventually(lambda: administrator.job(job).exit_status == 0)

    grant(cluster, space, everything)
    assert eventually(lambda: not refusals(questions)), refusals(questions)

    for right in sorted(everything):
        group, resource, verb = right
        grant(cluster, space, everything - {right})
        named = f'cannot {verb} resource "{resource}" in API group "{group}" in the namespace'
        if verb == "create":  # the API server itself does not say which right it misses
            named = "get and create pods/portforward"
        assert eventually(
            lambda named=named: any(
                named in one for one in refusals(questions) if one.startswith("auth: ")
            )  # type: ignore[misc]
        ), f"without {right} nothing is refused: {refusals(questions)}"
    reach.close()
