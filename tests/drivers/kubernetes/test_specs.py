"""Templates, autoscalers, labels and Jobs, as specs, counts, membership and states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollout_kit.drivers.kubernetes.specs import (
    Bounds,
    attached,
    job_status,
    live_cohort,
    live_process,
    process_spec,
    program_end,
    runs,
    worker_id,
)
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.model.stack_contract import InCluster
from rollout_kit.ports.errors import Refused
from rollout_kit.ports.infra import CohortSpec, JobState, ProcessSpec
from tests.drivers.kubernetes.objects import ended, pod, waiting, workload

WHERE = InCluster(
    kind="StatefulSet",
    namespace="orders",
    name="api-1",
    container="server",
    marker_variable="DW_V2_CURRENT_COMPATIBILITY",
    membership_label="rollout-kit.dev/attached",
)


def templated(replicas: int | None = 1, labels: dict[str, str] | None = None) -> dict[str, Any]:
    environment = [
        {"name": "DW_V2_CURRENT_COMPATIBILITY", "value": "blue"},
        {"name": "DW_SERVER_ID", "value": "api-1"},
        {"name": "MODE", "value": "fast"},
        {"name": "EMPTY"},
        {"name": "DERIVED", "value": "orders:$(NODE)"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "server", "key": "token"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    containers = [
        {"name": "sidecar", "image": "proxy:1"},
        {"name": "server", "image": "server:2", "env": environment},
    ]
    template = {"metadata": {"labels": labels or {}}, "spec": {"containers": containers}}
    spec: dict[str, Any] = {"template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"metadata": {"name": "api-1"}, "spec": spec}


def test_a_spec_is_the_named_containers_and_what_is_secret_stays_the_programs_own() -> None:
    assert process_spec(templated(), WHERE) == ProcessSpec(
        image="server:2",
        marker="blue",
        server_id="api-1",
        environment={"MODE": "fast", "EMPTY": ""},
    )


def test_without_a_marker_variable_there_is_no_marker() -> None:
    spec = process_spec(templated(), replace(WHERE, marker_variable=""))

    assert spec.marker is None
    assert spec.environment["DW_V2_CURRENT_COMPATIBILITY"] == "blue"


def test_a_container_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(Refused) as caught:
        process_spec(templated(), replace(WHERE, container="api"))

    assert "no container 'api'; it has sidecar, server" in caught.value.message


@pytest.mark.parametrize(("replicas", "wanted"), [(3, 3), (0, 0), (None, 1)])
def test_a_cohort_wants_what_its_deployment_says(replicas: int | None, wanted: int) -> None:
    found = live_cohort(templated(replicas), None, WHERE)

    assert found.bounds is None
    assert (found.spec.image, found.spec.replicas, found.spec.autoscaled) == (
        "server:2",
        wanted,
        False,
    )


@pytest.mark.parametrize(("replicas", "wanted"), [(7, 2), (0, 0)])
def test_under_an_autoscaler_its_minimum_counts_and_nothing_stays_nothing(
    replicas: int, wanted: int
) -> None:
    found = live_cohort(templated(replicas), {"spec": {"minReplicas": 2, "maxReplicas": 9}}, WHERE)

    assert found.bounds == Bounds(at_least=2, at_most=9)
    assert isinstance(found.spec, CohortSpec)
    assert (found.spec.replicas, found.spec.autoscaled) == (wanted, True)


LABEL = WHERE.membership_label


@pytest.mark.parametrize(
    ("pods", "template", "wanted"),
    [
        ([pod(labels={LABEL: "true"})], {LABEL: "false"}, True),
        ([pod(labels={LABEL: "false"})], {LABEL: "true"}, False),
        ([pod()], {LABEL: "true"}, False),
        ([], {LABEL: "true"}, True),
        ([], {LABEL: "false"}, False),
        ([pod(phase="Failed", labels={LABEL: "false"})], {LABEL: "true"}, True),
    ],
)
def test_the_live_pods_label_is_membership_and_of_none_the_next_ones(
    pods: list[dict[str, Any]], template: dict[str, str], wanted: bool
) -> None:
    seen = workload(*pods, spec=templated(labels=template)["spec"])

    assert attached(seen, WHERE) is wanted


def test_a_label_may_name_its_value() -> None:
    seen = workload(pod(labels={"front": "blue"}))

    assert attached(seen, replace(WHERE, membership_label="front=blue"))
    assert not attached(seen, replace(WHERE, membership_label="front=green"))


def test_without_a_label_membership_is_not_guessed() -> None:
    with pytest.raises(Refused, match="cannot be seen"):
        attached(workload(pod()), replace(WHERE, membership_label=""))


def test_a_workers_id_is_resolved_as_its_node_does() -> None:
    seen = pod("orders-b1-x7")
    seen["metadata"]["namespace"] = "orders"
    seen["spec"]["containers"][0]["env"] = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "ROLLOUT_KIT_WORKER_ID", "value": "orders:b1:$(POD):$(LATER)"},
        {"name": "LATER", "value": "x"},
    ]

    assert worker_id(seen, "server") == "orders:b1:orders-b1-x7:$(LATER)"
    assert worker_id(seen, "other") is None
    assert worker_id(pod(), "server") is None


def test_two_pods_are_two_processes() -> None:
    one, two = pod("a"), pod("b")
    one["metadata"]["uid"] = "0a1b2c3d-0000-0000-0000-000000000000"
    two["metadata"]["uid"] = "0a1b2c3e-0000-0000-0000-000000000000"

    assert live_process(one, "server").pid != live_process(two, "server").pid


COMPLETE = {"type": "Complete", "status": "True"}
FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "tried"}


def test_the_states_of_a_job() -> None:
    done = pod(phase="Succeeded", container={"state": ended(0, "Completed")})
    failed = pod(phase="Failed", container={"state": ended(3), "ready": False})

    succeeded = job_status(workload(done, kind="Job", conditions=(COMPLETE,)))
    assert (succeeded.state, succeeded.exit_status) == (JobState.SUCCEEDED, 0)
    broken = job_status(workload(failed, kind="Job", conditions=(FAILED,)))
    assert (broken.state, broken.exit_status) == (JobState.FAILED, 3)
    assert broken.detail.endswith("last with exit code 3")
    assert job_status(workload(pod(), kind="Job")).state is JobState.RUNNING
    assert job_status(workload(kind="Job")).state is JobState.QUEUED


def test_a_job_that_waits_says_for_what() -> None:
    waits = pod(phase="Pending", container=waiting("ImagePullBackOff", "no such tag"))

    status = job_status(workload(waits, kind="Job"))

    assert status.state is JobState.QUEUED
    assert "no such tag" in status.detail


def test_a_container_that_ends_over_and_over_has_ended_by_itself() -> None:
    loops = pod(container=waiting("CrashLoopBackOff", lastState=ended(9, message="no key")))

    end = program_end(workload(loops, pod("b")), "server")

    assert end is not None
    assert replace(end, reason="") == ProgramEnd(count=1, exit_status=9, last_lines="no key")
    assert "ends again and again (CrashLoopBackOff" in end.reason
    assert program_end(workload(pod()), "server") is None


@pytest.mark.parametrize(("why", "may_pass"), [("ErrImagePull", True), ("ImagePullBackOff", False)])
def test_a_pod_without_its_image_says_so_and_first_it_may_pass(why: str, may_pass: bool) -> None:
    end = program_end(workload(pod(phase="Pending", container=waiting(why, "no tag"))), "server")

    assert end is not None
    assert (end.exit_status, end.may_pass) == (None, may_pass)
    assert end.reason.endswith(f"cannot be pulled ({why}): no tag")


def test_a_process_is_one_whose_container_runs() -> None:
    running = pod(container={"state": {"running": {"startedAt": "2026-11-21T22:00:00Z"}}})

    assert runs(running, "server")
    assert not runs(running, "sidecar")
    assert not runs(pod(container=waiting("CrashLoopBackOff")), "server")
    assert not runs(pod(phase="Pending", container=waiting("ContainerCreating")), "server")
