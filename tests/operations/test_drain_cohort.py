"""drain_cohort: rules 7, 9 and 10 are enforced here, forward and in undos."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rollout_kit.model.execution_plan import ServedPin
from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Keep,
    NewBuild,
    Operation,
    PinnedRuns,
    RollbackPolicy,
    Undo,
    Waiting,
)
from rollout_kit.operations.cohort_acts import LeavingArguments
from rollout_kit.operations.pins import PinRules
from rollout_kit.ports.infra import Answers, CohortSpec
from tests.operations.worker_fleet import (
    NEW,
    OLD,
    STALE_S,
    WorkerFleet,
    carry_out,
    change,
    kind_of,
    look,
    operation,
    ready,
    sentence,
    undo_all,
)


def drain(**more: object) -> Operation:
    arguments = LeavingArguments(cohort=OLD, others=(NEW,), **more)  # type: ignore[arg-type]
    return operation("drain_cohort", arguments)


def promoted() -> WorkerFleet:
    return WorkerFleet().deploy(OLD).deploy(NEW).select(NEW)


def walked() -> WorkerFleet:
    fleet = WorkerFleet(selector=False, markers={"a": "new"}, scheduler_marker="new")
    return fleet.deploy(OLD).deploy(NEW)


WORLDS: dict[str, tuple[Callable[[], WorkerFleet], ChangeKind]] = {
    "another is selected": (promoted, ChangeKind.UPDATE),
    "every marker is another's": (walked, ChangeKind.UPDATE),
    "drained already": (lambda: promoted().drained(OLD), ChangeKind.NO_OP),
    "unknown build": (lambda: WorkerFleet().deploy(NEW).select(NEW), ChangeKind.BLOCKED),
    "it is selected itself": (
        lambda: WorkerFleet().deploy(NEW).deploy(OLD).select(OLD),
        ChangeKind.BLOCKED,
    ),
    "nothing is selected": (lambda: WorkerFleet().deploy(OLD).deploy(NEW), ChangeKind.BLOCKED),
    "the only cohort": (lambda: WorkerFleet().deploy(OLD).select(OLD), ChangeKind.BLOCKED),
}


@pytest.mark.parametrize("name", WORLDS)
def test_what_it_would_do_follows_from_facts(name: str) -> None:
    world, expected = WORLDS[name]
    assert change(world(), drain()) is expected


def test_rule_10_an_unknown_build_is_refused_before_the_first_write() -> None:
    assert "knows no critical@old" in sentence(WorkerFleet().deploy(NEW).select(NEW), drain())


def test_rule_7_a_marker_that_only_it_serves_refuses_the_drain_and_names_the_holder() -> None:
    fleet = walked()
    fleet.markers["a"] = "old"
    text = sentence(fleet, drain())
    assert "nobody in its place" in text
    assert "node a" in text


def test_rule_7_a_successor_that_is_not_there_is_waited_for() -> None:
    fleet = promoted()
    fleet.kill(NEW)
    fleet.pass_time(STALE_S + 1)
    verdict = ready(fleet, drain())
    assert isinstance(verdict, Waiting)
    assert "not proved to work: critical@new" in verdict.progress
    assert isinstance(ready(promoted(), drain()), Done)


def test_rule_19_a_marker_that_only_it_serves_is_waited_for_where_a_selector_routes_too() -> None:
    fleet = promoted()
    fleet.markers = {"a": "old"}
    verdict = ready(fleet, drain())
    assert isinstance(verdict, Waiting)
    assert verdict.progress == "nobody else serves what these pin new runs to: node a (old)"


def test_rule_9_an_open_run_that_nobody_else_serves_is_waited_for() -> None:
    verdict = ready(promoted().run_open("w", "old"), drain())
    assert isinstance(verdict, Waiting)
    assert "1 open run (w) pinned to critical@old, served by nobody else" in verdict.progress


def test_rule_9_what_could_not_be_listed_is_waited_for() -> None:
    fleet = promoted().run_open("w", "old")
    fleet.undescribed = True
    assert isinstance(ready(fleet, drain()), Waiting)


def test_rule_9_a_cohort_that_serves_the_pin_lets_it_go() -> None:
    rules = PinRules(serves=(ServedPin(cohort=NEW, serves=("old",)),))
    assert isinstance(ready(promoted().run_open("w", "old"), drain(rules=rules)), Done)


def test_rule_9_stranding_is_the_plans_own_word() -> None:
    fleet = promoted().run_open("w", "old")
    assert isinstance(ready(fleet, drain(pinned_runs=PinnedRuns.STRAND)), Done)


def test_keep_leaves_alone_what_open_runs_need_and_drains_what_none_needs() -> None:
    kept = drain(pinned_runs=PinnedRuns.KEEP)
    fleet = promoted().run_open("w", "old")
    assert change(fleet, kept) is ChangeKind.NO_OP
    assert isinstance(carry_out(fleet, kept), Done)
    assert fleet.wrote == []
    assert change(promoted(), kept) is ChangeKind.UPDATE


def test_where_polls_are_refused_it_took_effect_when_no_row_is_active() -> None:
    fleet = promoted()
    verdict = carry_out(fleet, drain())
    assert isinstance(verdict, Done)
    assert "gets new tasks" in verdict.sentence
    assert look(fleet, drain()).situation.cohort(OLD).draining == 2


def test_where_drain_is_a_label_the_recorded_intent_is_the_effect() -> None:
    fleet = walked()
    fleet.beats = False
    fleet.lease(NEW)
    verdict = carry_out(fleet, drain())
    assert isinstance(verdict, Done)
    assert verdict.sentence == "the intent to drain critical@old is recorded"
    assert look(fleet, drain()).situation.cohort(OLD).active == 2


def test_its_undo_resumes_and_waits_until_it_is_there() -> None:
    fleet = promoted()
    before = look(fleet, drain()).facts
    carry_out(fleet, drain())
    undo = kind_of(drain()).compensate(drain(), before)
    assert isinstance(undo, Undo)
    assert [op.kind for op in undo.restore] == ["deploy_cohort", "resume_cohort", "await_cohort"]
    assert [type(v) for v in undo_all(fleet, undo.restore)] == [Done, Done, Done]
    assert fleet.wrote == ["drain critical@old", "resume critical@old"]


def test_its_undo_starts_first_what_has_been_stopped_since() -> None:
    fleet = promoted()
    before = look(fleet, drain()).facts
    carry_out(fleet, drain())
    fleet.specs[OLD] = type(fleet.specs[OLD])(image="app:old", replicas=0)
    fleet.kill(OLD)
    undo = kind_of(drain()).compensate(drain(), before)
    assert isinstance(undo, Undo)
    undo_all(fleet, undo.restore)
    assert fleet.wrote[1:] == ["set critical@old to 2 of app:old", "resume critical@old"]
    assert look(fleet, drain()).situation.cohort(OLD).processes == 2


def test_what_was_draining_before_stays_so() -> None:
    fleet = promoted().drained(OLD)
    assert isinstance(kind_of(drain()).compensate(drain(), look(fleet, drain()).facts), Keep)


def test_an_undo_obeys_rule_9_unless_the_build_is_to_be_frozen() -> None:
    fleet = promoted().run_open("w", "old")
    assert isinstance(ready(fleet, drain(), undoing=True), Waiting)
    frozen = operation(
        "drain_cohort",
        LeavingArguments(cohort=OLD, others=(NEW,)),
        rollback=RollbackPolicy(new_build=NewBuild.FREEZE),
    )
    assert isinstance(ready(fleet, frozen, undoing=True), Done)
    assert isinstance(ready(fleet, frozen), Waiting), "freezing is a rollback's word only"


def test_what_this_rollout_brought_may_be_drained_before_the_server_has_seen_it() -> None:
    fleet = WorkerFleet().deploy(NEW).select(NEW)
    fleet.specs[OLD] = CohortSpec(image="old", replicas=2)
    assert change(fleet, drain(ours=True)) is ChangeKind.UPDATE


def test_what_this_rollout_never_brought_leaves_no_row_behind() -> None:
    """Killed between the intent to deploy it and the deploy; a drain would keep the name for ever."""
    fleet = WorkerFleet().deploy(NEW).select(NEW)
    assert change(fleet, drain(ours=True)) is ChangeKind.NO_OP
    assert change(fleet, drain()) is ChangeKind.BLOCKED, "what the plan names has to be known"
    fleet.can -= {Answers.SPEC}
    assert change(fleet, drain(ours=True)) is ChangeKind.UPDATE, "the driver cannot tell"
