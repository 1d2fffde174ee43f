"""Journal, effects, rollbacks and work: each rule sees what breaks it, and lets pass what nearly does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from rollout_kit.emulator.model.records import Event, Run
from rollout_kit.model.events import (
    Attached,
    OperationCompleted,
    Outcome,
    RollbackStarted,
    RolloutFinished,
    UndoSkipped,
)
from rollout_kit.ports.infra import ProcessSpec, RunJob
from rollout_kit.simulation.checkers import CHECKERS
from rollout_kit.simulation.checkers.explained import EveryEffectExplained
from rollout_kit.simulation.checkers.journal import ChainWhole, FencedOff, NeverBack, OverIsOver
from rollout_kit.simulation.checkers.restored import RestoredOrListed
from rollout_kit.simulation.checkers.work import NothingDoneTwice, NoWorkLost
from rollout_kit.simulation.checking import Ending
from rollout_kit.simulation.effects import ServerWrite, ToolStarted, Who
from rollout_kit.simulation.site import NEW, NEW_SERVER, OLD
from tests.simulation.checkers.watched import NEW_COHORT, QUEUE, Watched

ATTACHED = Attached(host="h", boot_id="b", pid_namespace="n", pid=1, command="apply")
OVER = RolloutFinished(outcome=Outcome.SUCCEEDED, sentence="done")
ROLLED_BACK = Ending(outcome=Outcome.ROLLED_BACK)
NODE_1 = {"rotation": {"node": "api-1"}}
OLD_WORKERS = {"cohort": {"namespace": "default", "task_queue": QUEUE, "build_id": OLD}}


# --- the chain ------------------------------------------------------------------------------


def chained(*records: dict[str, object]) -> bytes:
    """Lines, each after the one before."""
    data, previous = b"", "0" * 64
    for number, fields in enumerate(records):
        record = {"sequence": number, "previous": previous, "attended_s": 0.0, "fence": 1} | fields
        line = json.dumps(record).encode()
        previous = hashlib.sha256(line).hexdigest()
        data += line + b"\n"
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (chained({}, {"sequence": 2}), "record 2 stands in place 1"),
        (chained({}, {"previous": "f" * 64}), "record 1 does not follow the one before it"),
        (chained({}) + b'{"seq', "5 bytes of a torn record stand at the end"),
    ],
)
def test_a_chain_with_a_broken_link_is_seen(data: bytes, said: str) -> None:
    watched = Watched(ChainWhole)
    watched.world.journal.data = data
    assert watched.says() == [said]


def test_a_durable_record_that_changes_is_seen() -> None:
    watched = Watched(ChainWhole)
    watched.world.journal.data = chained({"a": 1}, {})
    watched.journals(ATTACHED)
    watched.world.journal.data = chained({"a": 2}, {})
    watched.journals(ATTACHED)
    assert watched.says() == ["a record that was durable has changed or is gone"]


def test_a_whole_chain_that_only_grows_is_whole() -> None:
    watched = Watched(ChainWhole)
    for number in (1, 2, 3):
        watched.world.journal.data = chained(*({},) * number)
        watched.journals(ATTACHED)
    assert watched.says() == []


@pytest.mark.parametrize(
    ("earlier", "later", "said"),
    [
        ({"attended_s": 2.5}, {"attended_s": 2.4}, ["2.4s attended in record 1, after 2.5s"]),
        ({"fence": 3}, {"fence": 2}, ["fence 2 in record 1, after 3"]),
        ({"attended_s": 2.5, "fence": 3}, {"attended_s": 2.5, "fence": 3}, []),
    ],
)
def test_attended_time_and_fences_never_go_back(
    earlier: dict[str, object], later: dict[str, object], said: list[str]
) -> None:
    watched = Watched(NeverBack)
    watched.world.journal.data = chained(earlier, later)
    assert watched.says() == said


# --- over, and fenced off -------------------------------------------------------------------


def test_nothing_is_written_after_the_end() -> None:
    watched = Watched(OverIsOver)
    watched.journals(OVER)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.asks("promote", OLD)
    assert watched.says() == [
        "NodeDetached after the rollout was over",
        "POST /api/task-queues/orders/build-ids/promote after the rollout was over",
    ]


def test_a_late_request_a_persons_hand_and_a_rollback_after_the_end_are_fine() -> None:
    watched = Watched(OverIsOver)
    watched.journals(OVER)
    watched.fleet.late = True
    watched.asks("promote", OLD)
    watched.fleet.late = False
    watched.asks("promote", OLD, Who.PERSON)
    watched.journals(ATTACHED)
    watched.journals(RollbackStarted(cause="c", actor="me"))
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    assert watched.says() == []


def test_records_of_an_ended_rollout_are_seen() -> None:
    watched = Watched(OverIsOver)
    watched.journals(OVER)
    watched.journals(OperationCompleted(operation="a", facts={}, wrote=True))
    watched.journals(OVER)
    assert watched.says() == [
        "OperationCompleted was journaled after the end",
        "it was over twice",
    ]


def taken_over(watched: Watched) -> None:
    """Process 1 works; somebody else takes the rollout."""
    watched.happens(ToolStarted(process=1, fence=1, command="apply"))
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.journals(ATTACHED, fence=2)


def test_who_was_fenced_off_has_no_effect_any_more() -> None:
    watched = Watched(FencedOff)
    taken_over(watched)
    watched.fleet.set_attached("api-1", True, Who.TOOL)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    assert watched.says() == ["NodeDetached 0.0s after the lock was lost"]


def test_who_was_fenced_off_writes_no_record_any_more() -> None:
    watched = Watched(FencedOff)
    taken_over(watched)
    watched.journals(OVER, fence=1)
    assert watched.says() == ["fence 1 was journaled after a later one"]


def test_what_had_been_sent_may_arrive_and_the_next_process_may_work() -> None:
    watched = Watched(FencedOff)
    taken_over(watched)
    watched.fleet.set_attached("api-1", True, Who.TOOL)
    watched.happens(ToolStarted(process=2, fence=3, command="apply"))
    watched.journals(ATTACHED, fence=3)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    watched.clock.sleep(10.0)
    watched.fleet.set_attached("api-2", True, Who.TOOL)
    assert watched.says() == []


# --- explained ------------------------------------------------------------------------------


def test_an_effect_without_a_record_is_seen() -> None:
    watched = Watched(EveryEffectExplained)
    watched.fleet.set_attached("api-1", False, Who.TOOL, "k")
    watched.asks("drain", OLD)
    assert watched.says() == [
        "NodeDetached of api-1: no open intent of detach_node explains it",
        f"POST /api/task-queues/orders/build-ids/drain of orders@{OLD}:"
        " no open intent of drain_cohort explains it",
    ]


@pytest.mark.parametrize(
    ("kind", "arguments", "key"),
    [
        ("attach_node", NODE_1, "k"),
        ("detach_node", {"rotation": {"node": "api-2"}}, "k"),
        ("detach_node", NODE_1, "another"),
    ],
)
def test_a_record_of_something_else_explains_nothing(
    kind: str, arguments: dict[str, object], key: str
) -> None:
    watched = Watched(EveryEffectExplained)
    watched.intends(kind, "a", key, **arguments)
    watched.fleet.set_attached("api-1", False, Who.TOOL, "k")
    assert len(watched.says()) == 1


def test_a_completed_operation_explains_nothing_new() -> None:
    watched = Watched(EveryEffectExplained)
    watched.intends("detach_node", "a", "k", **NODE_1)
    watched.fleet.set_attached("api-1", False, Who.TOOL, "k")
    watched.journals(OperationCompleted(operation="a", facts={}, wrote=True))
    assert watched.says() == []
    watched.fleet.set_attached("api-1", False, Who.TOOL, "k")
    assert len(watched.says()) == 1


def test_every_kind_of_effect_has_an_intent_that_explains_it() -> None:
    watched = Watched(EveryEffectExplained)
    watched.intends("replace_node", "b", "b", **NODE_1)
    watched.fleet.start_node("api-1", watched.fleet.nodes["api-1"].spec, Who.TOOL, "b")
    watched.intends("attach_node", "c", "c", **NODE_1)
    watched.fleet.set_attached("api-1", True, Who.TOOL, "c")
    watched.intends("stop_scheduler", "d", "d")
    watched.fleet.set_scheduler(None, Who.TOOL, "d")
    watched.intends("start_scheduler", "e", "e")
    watched.fleet.set_scheduler(ProcessSpec(image=NEW_SERVER), Who.TOOL, "e")
    watched.intends("run_bootstrap", "f", "f", revision="2.4.0")
    watched.fleet.change(RunJob(job="bootstrap", image=NEW_SERVER), Who.TOOL, "t/2.4.0")
    watched.intends("stop_cohort", "g", "g", **OLD_WORKERS)
    watched.scaled_to(0, Who.TOOL, "g")
    watched.intends("deploy_cohort", "h", "h", **OLD_WORKERS)
    watched.scaled_to(1, Who.TOOL, "h")
    for act, kind in (("drain", "drain_cohort"), ("resume", "resume_cohort")):
        watched.intends(kind, act, **OLD_WORKERS)
        watched.asks(act, OLD)
    assert watched.says() == []


def test_a_request_that_arrives_late_needs_an_intent_that_was() -> None:
    watched = Watched(EveryEffectExplained)
    watched.intends("promote_build", "a", **OLD_WORKERS)
    watched.journals(OperationCompleted(operation="a", facts={}, wrote=True))
    watched.fleet.late = True
    watched.asks("promote", OLD)
    watched.asks("drain", OLD)
    assert len(watched.says()) == 1
    assert "drain_cohort" in watched.says()[0]


# --- restored -------------------------------------------------------------------------------


def changed(watched: Watched, what: str) -> None:
    """Something is not as it was."""
    node = watched.fleet.nodes["api-1"]
    match what:
        case "out of rotation":
            watched.fleet.set_attached("api-1", False, Who.TOOL)
        case "another image":
            watched.fleet.start_node("api-1", replace(node.spec, image=NEW_SERVER), Who.TOOL)
        case "another marker":
            watched.fleet.start_node("api-1", replace(node.spec, marker="m"), Who.TOOL)
        case "no scheduler":
            watched.fleet.set_scheduler(None, Who.TOOL)
        case "fewer workers":
            watched.scaled_to(1)
        case "drained":
            watched.asks("drain", OLD)
        case "new workers":
            watched.new_workers(who=Who.TOOL)
        case _:
            watched.asks("promote", NEW)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("out of rotation", "node api-1 has attached False, and had True before"),
        ("another image", "node api-1 has image server:new, and had server:old before"),
        ("another marker", "node api-1 has marker m, and had None before"),
        ("no scheduler", "scheduler has image None, and had server:old before"),
        ("fewer workers", f"cohort orders@{OLD} has replicas 1, and had 2 before"),
        ("drained", f"cohort orders@{OLD} has draining True, and had False before"),
        ("new workers", f"cohort orders@{NEW} has replicas 1, and had None before"),
        ("promoted", f"queue orders has selected {NEW}, and had {OLD} before"),
    ],
)
def test_what_a_rollback_left_different_is_seen(what: str, said: str) -> None:
    watched = with_new_workers() if what in ("drained", "promoted") else Watched(RestoredOrListed)
    changed(watched, what)
    assert watched.says(Ending(outcome=Outcome.SUCCEEDED)) == []
    assert said in watched.says(ROLLED_BACK)


def with_new_workers() -> Watched:
    """They were there before the rollout."""
    watched = Watched(RestoredOrListed)
    watched.new_workers()
    watched.checker = RestoredOrListed(watched.truth)
    return watched


def test_a_cohort_that_the_residue_names_may_stay() -> None:
    watched = Watched(RestoredOrListed)
    watched.new_workers(who=Who.TOOL)
    residue = (f"{NEW_COHORT.label} keeps running: 1 open run",)
    outcome = Outcome.ROLLED_BACK_WITH_RESIDUE
    watched.journals(RolloutFinished(outcome=outcome, sentence="s", residue=residue))
    assert watched.says(Ending(outcome=outcome, residue=residue)) == []


def test_what_an_incomplete_rollback_reports_as_not_done_may_differ_and_nothing_else() -> None:
    watched = Watched(RestoredOrListed)
    watched.fleet.set_attached("api-1", False, Who.TOOL)
    watched.fleet.set_attached("api-2", False, Who.TOOL)
    watched.journals(UndoSkipped(operation="undo/api/api-1/detach/1", reason="no time"))
    said = watched.says(Ending(outcome=Outcome.ROLLBACK_INCOMPLETE))
    assert said == ["node api-2 has attached False, and had True before"]


def test_what_a_person_changed_meanwhile_is_theirs() -> None:
    watched = Watched(RestoredOrListed)
    watched.fleet.set_attached("api-1", False, Who.PERSON)
    watched.scaled_to(5, Who.PERSON)
    assert watched.says(ROLLED_BACK) == []


# --- work -----------------------------------------------------------------------------------


def test_a_run_that_nobody_may_have_is_lost() -> None:
    watched = Watched(NoWorkLost)
    watched.world.start("waits", "weeks", QUEUE)
    watched.clock.sleep(2.0)
    watched.new_workers()
    watched.scaled_to(0)
    said = f"waits: it is open, pinned to {OLD}, and nobody on orders may have it"
    assert watched.says() == [said]


def test_a_run_whose_cohort_is_refused_its_polls_is_lost() -> None:
    watched = Watched(NoWorkLost)
    watched.world.start("waits", "weeks", QUEUE)
    watched.asks("drain", OLD)
    assert len(watched.says()) == 1


def test_a_run_that_somebody_ended_is_lost() -> None:
    watched = Watched(NoWorkLost)
    watched.world.start("ended", "weeks", QUEUE)
    watched.world.control("POST", "/api/workflows/ended/terminate", {})
    assert watched.says() == ["ended: it ended as terminated"]


def test_completed_runs_and_open_ones_with_a_living_cohort_are_fine() -> None:
    watched = Watched(NoWorkLost)
    watched.world.start("done", "short", QUEUE)
    watched.world.start("waits", "weeks", QUEUE)
    watched.clock.sleep(4.0)
    watched.new_workers()
    watched.fleet.serves[NEW] = (OLD,)
    watched.scaled_to(0)
    assert watched.says() == []


def test_a_task_that_two_workers_complete_is_seen() -> None:
    watched = Watched(NothingDoneTwice)
    done = ServerWrite(
        node="api-1",
        method="POST",
        path="/api/worker/workflow-tasks/t-1/complete",
        namespace="default",
        body=b'{"lease_owner": "w-1"}',
        status=200,
    )
    watched.happens(done, Who.WORKER)
    watched.happens(replace(done, status=409), Who.WORKER)
    assert watched.says() == []
    watched.happens(done, Who.WORKER)
    assert watched.says() == ["task t-1 was completed twice, at last by w-1"]


def test_a_run_with_two_ends_is_seen() -> None:
    watched = Watched(NothingDoneTwice)
    watched.world.start("done", "short", QUEUE)
    watched.clock.sleep(4.0)
    assert watched.says() == []
    with watched.world.store.write() as rows:
        run = rows.select(Run, namespace="default", workflow_id="done")[0]
        last = rows.select(Event, run_id=run.run_id)[-1]
        assert last.event_type == "WorkflowCompleted"
        rows.put(replace(last, number=last.number + 1))
    assert watched.says() == ["done has 2 ends"]


def test_every_rule_has_a_name_of_its_own() -> None:
    names = {make(Watched(make).truth).name for make in CHECKERS}
    assert len(names) == len(CHECKERS)
