"""Each way in which a pod, its owner or a Job does not come up has its own sentence."""

from __future__ import annotations

from typing import Any

import pytest

from rollout_kit.transport.pod_reasons import Cause, of_pod, of_workload, sentence
from tests.drivers.kubernetes.objects import ended, pod, waiting, workload


def unschedulable(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return pod(phase="Pending", conditions=[condition | {"message": message}])


PODS = [
    (
        pod(container=waiting("ImagePullBackOff", "Back-off: manifest unknown: no tag 2")),
        Cause.NO_IMAGE,
        "the image server:2 of container server of pod api-1-0 cannot be pulled (ImagePullBackOff): "
        "Back-off: manifest unknown: no tag 2",
    ),
    (
        pod(container=waiting("ErrImagePull", "401 Unauthorized.")),
        Cause.NO_IMAGE,
        "the image server:2 of container server of pod api-1-0 cannot be pulled (ErrImagePull): "
        "401 Unauthorized",
    ),
    (
        pod(container=waiting("CrashLoopBackOff", lastState=ended(3), restartCount=4)),
        Cause.CRASHES,
        "container server of pod api-1-0 ends again and again (CrashLoopBackOff, 4 restarts), "
        "last with exit code 3",
    ),
    (
        pod(
            container=waiting(
                "CrashLoopBackOff",
                lastState=ended(0, signal=11, message="no key\n"),
                restartCount=1,
            )
        ),
        Cause.CRASHES,
        "container server of pod api-1-0 ends again and again (CrashLoopBackOff, 1 restart), "
        "last by signal 11: no key",
    ),
    (
        pod(
            container=waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled"), restartCount=2)
        ),
        Cause.NO_MEMORY,
        "container server of pod api-1-0 was killed for using more memory than its limit "
        "again and again (CrashLoopBackOff, 2 restarts) (OOMKilled)",
    ),
    (
        pod(container={"ready": False, "lastState": ended(137, "OOMKilled"), "restartCount": 1}),
        Cause.NO_MEMORY,
        "container server of pod api-1-0 was killed for using more memory than its limit "
        "before (1 restart) (OOMKilled)",
    ),
    (
        pod(container={"ready": False, "state": ended(7)}),
        Cause.CRASHES,
        "container server of pod api-1-0 ends, last with exit code 7",
    ),
    (
        pod(container=waiting("CreateContainerConfigError", 'secret "token" not found')),
        Cause.NOT_STARTED,
        "container server of pod api-1-0 cannot start (CreateContainerConfigError): "
        'secret "token" not found',
    ),
    (
        unschedulable("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity."),
        Cause.NO_ROOM,
        "no node takes pod api-1-0: "
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity",
    ),
    (
        pod(phase="Failed", reason="Evicted", message="The node was low on memory"),
        Cause.EVICTED,
        "pod api-1-0 was evicted: The node was low on memory",
    ),
    (
        pod(phase="Failed", reason="UnexpectedAdmissionError", message="no device left"),
        Cause.EVICTED,
        "pod api-1-0 was given up by its node (UnexpectedAdmissionError): no device left",
    ),
    (
        pod(container=waiting("RegistryUnavailable", "try later")),
        Cause.NOT_STARTED,
        "container server of pod api-1-0 waits (RegistryUnavailable): try later",
    ),
]


@pytest.mark.parametrize(("seen", "cause", "text"), PODS, ids=[one[2][:50] for one in PODS])
def test_a_pod_that_does_not_run_says_why(seen: dict[str, Any], cause: Cause, text: str) -> None:
    reason = of_pod(seen)

    assert reason is not None
    assert (reason.cause, reason.text) == (cause, text)


@pytest.mark.parametrize(
    "seen",
    [
        pod(),
        pod(phase="Pending", container=waiting("ContainerCreating")),
        pod(container={"lastState": ended(137, "OOMKilled"), "restartCount": 1}),
        pod(container={"ready": False, "state": ended(0, "Completed")}),
        {},
        {"status": {"conditions": None, "containerStatuses": ["?"]}},
    ],
)
def test_a_pod_that_runs_or_begins_or_is_not_known_has_no_reason(seen: dict[str, Any]) -> None:
    assert of_pod(seen) is None


def test_an_init_container_is_looked_at_first() -> None:
    seen = pod(container=waiting("PodInitializing"))
    seen["status"]["initContainerStatuses"] = [
        {"name": "migrate", "image": "migrate:1"} | waiting("CrashLoopBackOff", lastState=ended(5))
    ]

    reason = of_pod(seen)

    assert reason is not None
    assert reason.text.startswith("container migrate of pod api-1-0 ends again and again")


CONDITIONS = [
    (
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"},
        Cause.NOT_CREATED,
        "Deployment orders/api-1 cannot create its pods: exceeded quota: pods=2",
    ),
    (
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
        Cause.TOO_SLOW,
        "Deployment orders/api-1 does not get ready: exceeded quota: pods=2",
    ),
]


@pytest.mark.parametrize(("condition", "cause", "text"), CONDITIONS)
def test_a_deployment_says_what_its_conditions_say(
    condition: dict[str, Any], cause: Cause, text: str
) -> None:
    said = condition | {"message": "exceeded quota: pods=2"}

    reason = of_workload(workload(kind="Deployment", conditions=(said,)))

    assert reason is not None
    assert (reason.cause, reason.text) == (cause, text)


def test_what_a_pod_says_comes_before_the_deadline_that_it_missed() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    broken = pod(container=waiting("ImagePullBackOff", "no such tag"))

    reason = of_workload(workload(broken, kind="Deployment", conditions=(late,)))

    assert reason is not None
    assert reason.cause is Cause.NO_IMAGE


def test_a_stateful_set_has_no_condition_for_it_its_events_tell() -> None:
    event = {"reason": "FailedCreate", "message": "create Pod api-1-0 failed: exceeded quota: few"}

    assert sentence(workload(events=(event,))) == (
        "StatefulSet orders/api-1 cannot create its pods: "
        "create Pod api-1-0 failed: exceeded quota: few"
    )


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("FailedMount", 'waits for a volume: secret "tls" not found'),
        ("FailedAttachVolume", 'waits for a volume: secret "tls" not found'),
        ("FailedCreatePodSandBox", 'has a pod without a network yet: secret "tls" not found'),
    ],
)
def test_a_pod_that_does_not_begin_has_only_its_events(reason: str, text: str) -> None:
    event = {"reason": reason, "message": 'secret "tls" not found.'}
    begins = pod(phase="Pending", container=waiting("ContainerCreating"))

    found = of_workload(workload(begins, kind="Deployment", events=({"reason": "Pulled"}, event)))

    assert found is not None
    assert found.may_pass
    assert found.text == f"Deployment orders/api-1 {text}"


def test_a_pod_that_is_over_counts_only_until_another_is_in_its_place() -> None:
    evicted = pod("api-1-a", phase="Failed", reason="Evicted", message="low on memory")

    alone = of_workload(workload(evicted, kind="Deployment"))
    followed = of_workload(workload(evicted, pod("api-1-b"), kind="Deployment"))

    assert alone is not None
    assert alone.cause is Cause.EVICTED
    assert followed is None


FAILED = {
    "type": "Failed",
    "status": "True",
    "reason": "BackoffLimitExceeded",
    "message": "Job has reached the specified backoff limit",
}


def test_a_failed_job_says_what_happened_in_its_pod() -> None:
    seen = workload(
        pod(phase="Failed", container={"ready": False, "state": ended(3, message="no such table")}),
        kind="Job",
        conditions=(FAILED,),
    )

    reason = of_workload(seen)

    assert reason is not None
    assert reason.cause is Cause.FAILED
    assert reason.text == (
        "Job orders/api-1 failed (BackoffLimitExceeded): "
        "Job has reached the specified backoff limit; "
        "container server of pod api-1-0 ends, last with exit code 3: no such table"
    )


def test_a_job_that_was_too_slow_says_so() -> None:
    late = FAILED | {"reason": "DeadlineExceeded", "message": "Job was active longer than 5 s"}

    reason = of_workload(workload(kind="Job", conditions=(late,)))

    assert reason is not None
    assert reason.cause is Cause.TOO_SLOW
    assert "longer than 5 s" in reason.text


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    assert of_workload(workload(pod())) is None
    assert sentence(workload()) == ""
