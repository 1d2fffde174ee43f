"""Which pods are behind a Service, and at which of their ports."""

from __future__ import annotations

from typing import Any

import pytest

from rollout_kit.ports.errors import Refused, Trouble
from rollout_kit.transport.services import ready_pods
from rollout_kit.transport.workloads import WorkloadRef

REF = WorkloadRef(namespace="orders", kind="Service", name="api")


def service(*ports: tuple[int, str | None]) -> dict[str, Any]:
    return {"spec": {"ports": [{"port": port, "name": name} for port, name in ports]}}


def a_slice(ports: dict[str | None, int], *pods: tuple[str, object]) -> dict[str, Any]:
    return {
        "ports": [{"name": name, "port": port} for name, port in ports.items()],
        "endpoints": [
            {"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}
            for pod, ready in pods
        ],
    }


def test_each_ready_pod_is_one_at_its_own_port() -> None:
    """A port with a name may lead to another number in another pod: hence several slices."""
    found = ready_pods(
        REF,
        80,
        service((80, "api"), (9090, "metrics")),
        (
            a_slice({"metrics": 9000, "api": 8080}, ("b", True), ("c", False)),
            a_slice({"api": 8081}, ("a", None), ("b", False)),
        ),
    )

    assert found == (("a", 8081), ("b", 8080))


def test_a_port_without_a_name_is_that_without_a_name() -> None:
    for name in ("", None):
        assert ready_pods(REF, 80, service((80, name)), (a_slice({"": 8080}, ("a", True)),)) == (
            ("a", 8080),
        )


def test_what_is_no_pod_leads_nowhere() -> None:
    outside = {"ports": [{"port": 80}], "endpoints": [{"addresses": ["192.0.2.1"]}]}

    assert ready_pods(REF, 80, service((80, None)), (outside,)) == ()


def test_a_port_that_the_service_lacks_is_named_beside_those_that_it_has() -> None:
    with pytest.raises(Refused, match="Service orders/api has no port 8080; it has 80, 443") as no:
        ready_pods(REF, 8080, service((80, "a"), (443, "b")), ())

    assert no.value.trouble is Trouble.NOT_FOUND
