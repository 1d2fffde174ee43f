"""Every object of `small-cluster`, judged by the API schemas of three minor versions, strictly."""

from __future__ import annotations

import copy
from typing import Any

import kubernetes_validate
import pytest

from tests.infra.rendering import Rendered, render
from tests.infra.test_small_cluster import FULL, PROGRAM, full

VERSIONS = ("1.34", "1.35", "1.36")


def _refused(objects: list[Any], version: str) -> list[str]:
    found = []
    for item in objects:
        try:
            judged = kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{item['kind']} {item['metadata']['name']}: {error.message}")
        else:
            assert judged == version  # and not by the nearest that there is
    return found


def _everything() -> Rendered:
    config = {
        **FULL,
        "small-cluster:server_secret_environment": {"DW_ADMIN_TOKEN": "t"},
        "small-cluster:image_pull_secrets": ["registry"],
        "small-cluster:run_as_user": 1000,
        "small-cluster:front_type": "LoadBalancer",
        "small-cluster:worker_pre_stop": ["/bin/drain"],
        "small-cluster:worker_arguments": ["--queue", "critical"],
        "small-cluster:worker_secrets": ["workers"],
    }
    return render(PROGRAM, config)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_accepted(version: str) -> None:
    everything = _everything()
    kinds = {item["kind"] for item in everything.objects}
    assert kinds == {
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "Pod",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "StatefulSet",
    }
    assert _refused(everything.objects, version) == []


def test_a_misspelled_field_would_be_refused() -> None:
    wrong: Any = copy.deepcopy(full().one("apps/v1:StatefulSet", "api-1").inputs)
    container = wrong["spec"]["template"]["spec"]["containers"][0]
    container["readynessProbe"] = container.pop("readinessProbe")
    (refusal,) = _refused([wrong], VERSIONS[-1])
    assert "readynessProbe" in refusal
