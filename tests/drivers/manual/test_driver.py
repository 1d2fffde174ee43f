"""What the manual driver says stands there, by what a server shows, was asked, and was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from rollout_kit.document.plan import PlanDocument
from rollout_kit.drivers.manual.driver import ManualDriver
from rollout_kit.model import codec
from rollout_kit.model.identity import CohortRef, QueueRef
from rollout_kit.model.observation import Facts, Observation, cohort_fact
from rollout_kit.operations.api import Readers
from rollout_kit.operations.asking import CANNOT, Missing, ask_driver
from rollout_kit.ports.engine import (
    ClusterInfo,
    CohortRow,
    CohortTable,
    EngineReader,
    OperatorMetrics,
    Poller,
    QueueDetail,
)
from rollout_kit.ports.errors import Trouble, Unavailable, Unknowable
from rollout_kit.ports.infra import (
    Answers,
    CohortSpec,
    InfraChange,
    JobState,
    ProcessSpec,
    ReplaceNode,
    RunJob,
    SetCohort,
    SetScheduler,
)
from rollout_kit.ports.requests import Asked
from rollout_kit.simulation.world import World
from tests.rollout.manual_fleet import gitops

ORDERS = QueueRef(namespace="default", task_queue="orders")
OLD = CohortRef(namespace="default", task_queue="orders", build_id="build-1")
NEW = CohortRef(namespace="default", task_queue="orders", build_id="build-2")


@pytest.fixture(scope="module")
def document() -> PlanDocument:
    return gitops(World())


@dataclass
class Server:
    """An engine of which only these reads are asked."""

    versions: dict[str, str] = field(default_factory=lambda: {"api-1": "2.3.14"})
    marker: str = ""
    selects: bool = True
    rows: Mapping[str, tuple[int, int, int]] = field(
        default_factory=dict
    )  # active, draining, stale
    intent: str = "active"

    def cluster_info(self, node: str) -> ClusterInfo:
        if node not in self.versions:
            raise Unavailable(f"{node} refused the connection", trouble=Trouble.NETWORK)
        return ClusterInfo(
            server_id=node,
            version=self.versions[node],
            control_plane="2",
            worker_protocol="1.19",
            accepts_lower_minors=True,
        )

    def operator_metrics(self, namespace: str, node: str) -> OperatorMetrics:
        assert (namespace, bool(node)) == ("default", True)
        return OperatorMetrics(values={}, required_marker=self.marker)

    def marker_attribute(self) -> str:
        return "THE_MARKER"

    def cohorts(self, queue: QueueRef) -> CohortTable:
        rows = tuple(
            CohortRow(
                cohort=replace(OLD, task_queue=queue.task_queue, build_id=build),
                drain_intent=self.intent,
                active=active,
                draining=draining,
                stale=stale,
                total=active + draining + stale,
                selected=None,
            )
            for build, (active, draining, stale) in self.rows.items()
        )
        return CohortTable(queue=queue, stale_after_s=4.0, rows=rows, shows_selection=self.selects)

    def workers(self, queue: QueueRef) -> tuple[Any, ...]:
        return ()

    def queue(self, queue: QueueRef) -> QueueDetail:
        pollers = tuple(
            Poller(worker_id=f"{build}-{n}", build_id=build, status="stale", stale=True)
            for build, counts in self.rows.items()
            for n in range(sum(counts))
        )
        return QueueDetail(
            queue=queue,
            ready_workflow_tasks=0,
            ready_activity_tasks=0,
            leased_tasks=0,
            leases=(),
            leases_cut_off=False,
            pollers=pollers,
        )


def driver(server: Server, document: PlanDocument) -> ManualDriver:
    return ManualDriver(cast("EngineReader", server), document)


def asked(change: InfraChange, *, key: str = "k", said: bool = False, done: bool = False) -> Asked:
    return Asked(key=key, change=codec.to_json(change), said=said, done=done)


@pytest.mark.parametrize(
    ("version", "image"),
    [("2.4.0", "server:new"), ("2.3.14", "server 2.3.14"), ("9.9.9", "server 9.9.9")],
)
def test_a_node_s_image_is_read_off_what_it_shows(
    document: PlanDocument, version: str, image: str
) -> None:
    spec = driver(Server(versions={"api-1": version}), document).node_spec("api-1")
    assert (spec.image, spec.marker, spec.version) == (image, None, version)


def test_a_node_is_done_when_it_shows_the_image_and_the_marker_that_were_asked(
    document: PlanDocument,
) -> None:
    server = Server()
    found = driver(server, document)
    change = ReplaceNode(node="api-1", spec=ProcessSpec(image="server:new", marker="build-2"))
    found.tell(None, (asked(change, said=True),))
    assert found.work("other").state is JobState.UNKNOWN
    first = found.work("k")
    assert first.state is JobState.AWAITED  # a word is no evidence where the server shows it
    assert "(THE_MARKER)" in found.request(change).after
    server.versions["api-1"] = "2.4.0"
    assert "api-1 still is image server:new (version 2.4.0), marker none" in found.work("k").detail
    server.marker = "build-2"
    assert found.work("k").state is JobState.SUCCEEDED
    del server.versions["api-1"]
    assert "api-1 gives no answer now: api-1 refused the connection" in found.work("k").detail


def test_the_scheduler_is_what_was_asked_last_and_said(document: PlanDocument) -> None:
    found = driver(Server(), document)
    before = found.scheduler_spec()
    assert before == ProcessSpec(image="server 2.3.14")
    stop, start = SetScheduler(spec=None), SetScheduler(spec=ProcessSpec(image="server:new"))
    found.tell(None, (asked(stop),))
    assert found.scheduler_spec() == before
    assert found.work("k").state is JobState.ASKED
    with pytest.raises(Unknowable):
        found.scheduler_processes()
    found.tell(None, (asked(stop, said=True),))
    assert found.scheduler_spec() is None
    assert found.scheduler_processes() == ()
    found.tell(None, (asked(stop, done=True), asked(start, key="k2", said=True)))
    assert found.scheduler_spec() == start.spec
    assert len(found.scheduler_processes()) == 1
    assert found.work("k2").state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("selects", "rows", "said", "state"),
    [
        (True, {"build-2": (2, 0, 0)}, False, JobState.SUCCEEDED),
        (True, {"build-2": (1, 0, 5)}, False, JobState.AWAITED),
        (True, {}, True, JobState.SUCCEEDED),
        (False, {"build-2": (0, 0, 2)}, False, JobState.ASKED),
        (False, {"build-2": (2, 0, 0)}, False, JobState.ASKED),
        (False, {"build-2": (0, 0, 2)}, True, JobState.SUCCEEDED),
    ],
)
def test_workers_are_there_when_the_server_counts_them_or_a_person_says_so(
    document: PlanDocument,
    selects: bool,
    rows: Mapping[str, tuple[int, int, int]],
    said: bool,
    state: JobState,
) -> None:
    found = driver(Server(selects=selects, rows=rows), document)
    change = SetCohort(cohort=NEW, spec=CohortSpec(image="orders:new", replicas=2))
    found.tell(Observation(facts={}), (asked(change, said=said),))
    assert found.work("k").state is state
    there = found.cohort_specs().get(NEW)
    if state is JobState.SUCCEEDED:
        assert there == change.spec
    else:
        assert there is not None  # asked for: some may be there
        assert there.replicas != 2 or not selects


def test_what_was_there_before_stays_what_it_was_though_counts_move(
    document: PlanDocument,
) -> None:
    server = Server(rows={"build-1": (6, 0, 0)})
    found = driver(server, document)
    assert found.cohort_specs()[OLD].replicas == 6
    facts: Facts = {
        cohort_fact(OLD, "replicas"): 6,
        cohort_fact(OLD, "image"): "workers of build-1",
    }
    found.tell(Observation(facts=facts), ())
    server.rows = {"build-1": (5, 0, 1)}  # one crashed: a number, no change of the fleet
    assert found.cohort_specs() == {OLD: CohortSpec(image="workers of build-1", replicas=6)}
    gone = SetCohort(cohort=OLD, spec=CohortSpec(image="workers of build-1", replicas=0))
    found.tell(Observation(facts=facts), (asked(gone),))
    assert found.cohort_specs()[OLD].replicas == 6
    server.rows = {"build-1": (0, 0, 6)}
    assert found.cohort_specs()[OLD].replicas == 0
    with pytest.raises(Unknowable):
        found.cohort_processes(OLD)  # counted as none, and yet nobody has looked
    found.tell(Observation(facts=facts), (asked(gone, said=True),))
    assert found.cohort_processes(OLD) == ()


def test_of_a_stop_that_nobody_is_to_do_any_more_only_what_is_counted_counts(
    document: PlanDocument,
) -> None:
    server = Server(selects=False, rows={"build-1": (0, 0, 6)})
    found = driver(server, document)
    image = "workers of build-1"
    facts: Facts = {cohort_fact(OLD, "replicas"): 6, cohort_fact(OLD, "image"): image}
    change = SetCohort(cohort=OLD, spec=CohortSpec(image="", replicas=0))
    found.tell(Observation(facts=facts), (asked(change),))
    assert found.cohort_specs()[OLD].replicas == 6  # asked for: it is as it was until it is done
    withdrawn = replace(asked(change), withdrawn=True)
    found.tell(Observation(facts=facts), (withdrawn,))
    assert found.cohort_specs()[OLD] == CohortSpec(image=image, replicas=0)
    server.rows = {"build-1": (5, 0, 1)}
    assert found.cohort_specs()[OLD] == CohortSpec(image=image, replicas=5)
    back = SetCohort(cohort=OLD, spec=CohortSpec(image=image, replicas=6))
    found.tell(Observation(facts=facts), (withdrawn, asked(back, key="undo", said=True)))
    assert found.cohort_specs()[OLD] == back.spec


def test_stale_workers_run_by_the_author_s_word_until_they_are_drained(
    document: PlanDocument,
) -> None:
    server = Server(selects=False, rows={"build-1": (0, 0, 3), "build-0": (0, 0, 2)})
    found = driver(server, document)
    runs = CohortSpec(image="workers of build-1", replicas=3)
    assert found.cohort_specs() == {OLD: runs, replace(OLD, task_queue="billing"): runs}
    assert len(found.cohort_processes(OLD)) == 3
    server.intent = "draining"
    assert found.cohort_specs() == {}
    with pytest.raises(Unknowable):
        found.cohort_processes(OLD)


def test_a_job_is_done_by_word_alone_and_the_ledger_then_reads_clean(
    document: PlanDocument,
) -> None:
    from rollout_kit.operations.schema import pending_migrations

    found = driver(Server(), document)
    job = RunJob(job="migrate-status", image="server:new", revision="2.4.0")
    found.tell(None, (asked(job),))
    assert found.work("k").state is JobState.ASKED
    found.tell(None, (asked(job, said=True),))
    status = found.work("k")
    assert (status.state, pending_migrations(status.output)) == (JobState.SUCCEEDED, ())


def test_what_it_cannot_say_is_told_apart_from_what_gives_no_answer_now(
    document: PlanDocument,
) -> None:
    found = driver(Server(), document)
    readers = cast("Readers", type("R", (), {"infra": found}))
    never = ask_driver(readers, Answers.PROCESSES, lambda: found.node_processes("api-1"))
    member = ask_driver(readers, Answers.MEMBERSHIP, lambda: found.attached("api-1"))
    silent = ask_driver(readers, Answers.SPEC, lambda: found.node_spec("api-2"))
    assert isinstance(never, Missing)
    assert isinstance(member, Missing)
    assert isinstance(silent, Missing)
    assert never.reason.startswith(CANNOT)
    assert (never.why, member.why) == (member.why, never.why)
    assert silent.why is not never.why
