"""What the cluster says of a Job that an update waits for."""

from __future__ import annotations

import threading

import pytest

from rollout_kit.drivers.pulumi import watching
from rollout_kit.drivers.pulumi.api import Kind, Step, Trouble
from rollout_kit.drivers.pulumi.events import Began, Ended, Event
from rollout_kit.drivers.pulumi.marks import Object
from rollout_kit.drivers.pulumi.objects import NoObjects, Obstacle
from rollout_kit.drivers.pulumi.watching import Watch
from rollout_kit.ports.errors import OutsideError, Refused, Unavailable

JOB = "urn:pulumi:dev::fleet::kubernetes:batch/v1:Job::bootstrap-1"
NODE = "urn:pulumi:dev::fleet::kubernetes:apps/v1:StatefulSet::api-1"
NO_IMAGE = Obstacle(text="the image server:9 cannot be pulled", for_good=True)
SLOW = Obstacle(text="no node takes pod bootstrap-1-x")
TROUBLE = Trouble(kind=Kind.UNAVAILABLE, name="stopped", message="it was asked to stop")


class Cluster(NoObjects):
    """Says of every object what it was given, one after the other; the last one for ever."""

    def __init__(self, *said: Obstacle | OutsideError | None) -> None:
        self._said = list(said)
        self.asked: list[str] = []

    def obstacle(self, item: Object) -> Obstacle | None:
        self.asked.append(item.urn)
        found = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(found, OutsideError):
            raise found
        return found


def began(urn: str, kind: str = "Job") -> Event:
    facts = {"apiVersion": "batch/v1", "kind": kind, "namespace": "a", "name": "bootstrap-1"}
    return Began(step=Step(urn=urn, op="create"), type=kind, custom=True, facts=facts)


def ended(urn: str, *, failed: bool) -> Event:
    return Ended(step=Step(urn=urn, op="create"), type="Job", failed=failed)


def watched(cluster: Cluster) -> tuple[Watch, list[str], threading.Event]:
    said: list[str] = []
    given_up = threading.Event()
    return Watch(objects=cluster, say=said.append, give_up=given_up.set), said, given_up


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.01)


def test_what_cannot_start_ends_the_update_and_is_its_reason() -> None:
    watch, said, given_up = watched(Cluster(None, SLOW, Unavailable("no answer"), NO_IMAGE))
    with watch.looking():
        watch.heard(began(JOB))
        assert given_up.wait(10)
    assert said == [SLOW.text, NO_IMAGE.text]
    explained = watch.explained(TROUBLE)
    assert (explained.message, explained.name) == (NO_IMAGE.text, "not-ready")


def test_what_may_come_yet_is_said_once_and_waited_for() -> None:
    cluster = Cluster(SLOW)
    watch, said, given_up = watched(cluster)
    with watch.looking():
        watch.heard(began(JOB))
        while len(cluster.asked) < 3:
            assert not given_up.wait(0.01)
        watch.heard(ended(JOB, failed=False))
    assert said == [SLOW.text]
    assert watch.explained(TROUBLE) is TROUBLE


def test_why_it_failed_is_asked_once_more_when_the_update_is_over() -> None:
    failed = Obstacle(text="container server ends, last with exit code 1: SQLSTATE")
    watch, said, given_up = watched(Cluster(failed))
    with watch.looking():
        watch.heard(began(JOB))
        watch.heard(ended(JOB, failed=True))
    assert said == [failed.text]
    assert not given_up.is_set()
    assert watch.explained(TROUBLE).message == failed.text


def test_the_last_words_of_a_failed_job_are_asked_for_until_there_is_an_answer() -> None:
    failed = Obstacle(text="container server ends, last with exit code 1: SQLSTATE")
    silent = Unavailable("no answer in time")
    watch, said, _ = watched(Cluster(silent, silent, silent, failed))
    with watch.looking():
        watch.heard(began(JOB))
        watch.heard(ended(JOB, failed=True))
    assert said == [failed.text]
    assert watch.explained(TROUBLE).message == failed.text


def test_a_cluster_that_never_answers_keeps_nobody_waiting_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "LAST_WORDS_S", 0.05)
    watch, said, _ = watched(Cluster(Unavailable("no answer in time")))
    with watch.looking():
        watch.heard(began(JOB))
        watch.heard(ended(JOB, failed=True))
    assert said == []
    assert watch.explained(TROUBLE) is TROUBLE


def test_who_may_not_look_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 60.0)
    cluster = Cluster(Refused("forbidden"))
    watch, said, _ = watched(cluster)
    with watch.looking():
        watch.heard(began(JOB))
        watch.heard(ended(JOB, failed=True))
    assert (cluster.asked, said) == ([JOB], [])


def test_only_jobs_are_looked_at_and_without_a_finding_the_engine_has_the_word() -> None:
    cluster = Cluster(NO_IMAGE)
    watch, said, _ = watched(cluster)
    with watch.looking():
        watch.heard(began(NODE, "StatefulSet"))
        watch.heard(ended(NODE, failed=True))
    assert (cluster.asked, said) == ([], [])
    assert watch.explained(TROUBLE) is TROUBLE
