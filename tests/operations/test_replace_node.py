"""Restarting a node as something else: what has to be true first, and how it is put back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Absent
from rollout_kit.model.operation import ChangeKind, Done, Failed, Irreversible, Operation, Waiting
from rollout_kit.operations.node_acts import ReplaceNodeArguments
from rollout_kit.operations.rotation import Rotation
from rollout_kit.operations.schema import ledger_key
from rollout_kit.operations.specs import canonical, parse
from rollout_kit.ports.errors import Unavailable
from rollout_kit.ports.infra import Answers, JobState, JobStatus, ProcessSpec, ReplaceNode
from tests.operations.ports import (
    NEW,
    OLD,
    ORDERS,
    SILENT,
    Fleet,
    Run,
    fleet,
    operation,
    run_to_end,
)

ROTATION = Rotation(node="api-1", others=("api-2", "api-3"))
GOAL = {"node/api-1/version": "0.2.10", "node/api-1/attached": True}
BEFORE = ProcessSpec(image=OLD, server_id="api-1", environment={"DB": "shared", "T": "${env:T}"})
CLEAN = JobStatus(state=JobState.SUCCEEDED, output='[{"migration": "a", "ran": true}]')


def swap(**changed: object) -> Operation:
    given = ReplaceNodeArguments(
        rotation=ROTATION, image=NEW, revision="0.2.10", shows={"version": "0.2.10"}
    )
    return operation("replace_node", replace(given, **changed), goal=GOAL)  # type: ignore[arg-type]


def detached() -> Fleet:
    world = fleet()
    world.nodes["api-1"].attached = False
    world.nodes["api-1"].spec = BEFORE
    world.jobs[ledger_key("prod", "0.2.10", 1)] = CLEAN
    return world


def test_it_starts_the_new_image_and_keeps_all_else_of_the_spec() -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    change = run.preview()
    assert change.kind is ChangeKind.UPDATE
    assert change.sentence == f"restart api-1: image {OLD} -> {NEW}"
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, ReplaceNode(node="api-1", spec=replace(BEFORE, image=NEW)))]
    assert isinstance(run.verify(), Done)


def test_the_expected_world_shows_the_new_spec_and_what_tells_it() -> None:
    run = Run(fleet=detached(), op=swap())
    seen = run.look()
    after = run.kind.expect(run.op, seen.observation)
    changed = {k: v for k, v in after.facts.items() if seen.facts[k] != v}
    assert changed.pop("node/api-1/spec") != seen.facts["node/api-1/spec"]
    assert changed == {
        "node/api-1/image": NEW,
        "node/api-1/version": "0.2.10",
        "node/api-1/spec_json": canonical(replace(BEFORE, image=NEW)),
    }
    assert run.kind.touches(run.op) == ("node/api-1/",)
    assert run.kind.relies_on(run.op) == ("bootstrap/revision",)


def test_a_crash_after_the_write_is_waited_for_not_repeated() -> None:
    world = detached()
    world.nodes["api-1"].spec = replace(BEFORE, image=NEW)
    world.jobs[Run.KEY] = JobStatus(state=JobState.RUNNING)
    world.nodes["api-1"].fails = SILENT
    run = Run(fleet=world, op=swap())
    assert run.preview().kind is ChangeKind.NO_OP
    assert isinstance(run.verify(), Waiting)
    world.jobs[Run.KEY] = JobStatus(state=JobState.SUCCEEDED)
    assert isinstance(run.verify(), Done)


@pytest.mark.parametrize(
    ("state", "answer"),
    [(JobState.QUEUED, Waiting), (JobState.RUNNING, Waiting), (JobState.FAILED, Failed)],
)
def test_it_is_not_done_before_the_driver_is(state: JobState, answer: type) -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    run.apply()
    world.jobs[Run.KEY] = JobStatus(state=state, detail="no such image")
    assert isinstance(run.verify(), answer)


def test_lost_work_is_done_again_even_where_the_spec_was_recorded() -> None:
    world = detached()
    world.nodes["api-1"].spec = replace(BEFORE, image=NEW)
    world.jobs[Run.KEY] = JobStatus(state=JobState.LOST)
    assert Run(fleet=world, op=swap()).preview().kind is ChangeKind.UPDATE


def test_where_lost_work_left_nothing_running_the_spec_of_the_plan_is_the_base() -> None:
    world = detached()
    world.nodes["api-1"].spec = ProcessSpec(image="")
    run = Run(fleet=world, op=swap(base=BEFORE))
    assert run.preview().sentence.startswith(f"restart api-1: image none -> {NEW}, ")
    run.apply()
    assert world.nodes["api-1"].spec == replace(BEFORE, image=NEW)


@pytest.mark.parametrize("count", [0, 2])
def test_it_is_not_done_while_the_driver_counts_any_but_one_process(count: int) -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    run.apply()
    world.nodes["api-1"].processes = count
    assert isinstance(said := run.verify(), Waiting)
    assert said.progress == f"api-1 has {count} processes, expected 1"


@pytest.mark.parametrize("undoing", [False, True])
def test_rule_3_where_a_restart_takes_the_node_out_another_has_to_be_ready(undoing: bool) -> None:
    world = detached()
    world.can = frozenset(Answers) - {Answers.MEMBERSHIP}
    assert isinstance(Run(fleet=world, op=swap(), undoing=undoing).ready(), Done)
    world.nodes["api-2"].ready = world.nodes["api-3"].ready = False
    assert isinstance(Run(fleet=world, op=swap(), undoing=undoing).ready(), Waiting)


@pytest.mark.parametrize("undoing", [False, True])
def test_rule_3_a_node_in_rotation_is_never_restarted(undoing: bool) -> None:
    world = detached()
    world.nodes["api-1"].attached = True
    assert isinstance(Run(fleet=world, op=swap(), undoing=undoing).ready(), Waiting)


def test_rule_1_nothing_new_starts_before_its_schema_is_proved() -> None:
    world = detached()
    world.jobs = {"prod/0.2.10": JobStatus(state=JobState.SUCCEEDED)}  # the job, not the ledger
    said = Run(fleet=world, op=swap()).ready()
    assert isinstance(said, Failed)
    assert "revision 0.2.10 is not proved" in said.reason
    assert isinstance(Run(fleet=world, op=swap(revision=None)).ready(), Done)


def test_rule_1_waits_while_the_driver_gives_no_answer() -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    world.driver_fails = Unavailable("busy")
    assert isinstance(run.ready(), Waiting)


@pytest.mark.parametrize("undoing", [False, True])
def test_rule_19_a_new_marker_waits_for_a_started_cohort_that_serves_it(undoing: bool) -> None:
    world = detached()
    for node in world.nodes.values():
        node.builds = ("old",)
    op = swap(image=None, set_marker=True, marker="new", revision=None)
    run = Run(fleet=world, op=op, undoing=undoing)
    said = run.ready()
    assert isinstance(said, Waiting)
    assert "no started cohort serves marker new" in said.progress
    for node in world.nodes.values():
        node.builds = ("old", "new")
    new = CohortRef(namespace=ORDERS.namespace, task_queue=ORDERS.task_queue, build_id="new")
    world.cohort_replicas[new] = 1
    assert isinstance(run.ready(), Done)


def test_a_marker_alone_keeps_the_image() -> None:
    world = detached()
    run = Run(fleet=world, op=swap(image=None, set_marker=True, marker="new", revision=None))
    assert run.preview().sentence == 'restart api-1: marker none -> "new"'
    run.apply()
    assert world.nodes["api-1"].spec == replace(BEFORE, marker="new")


def test_its_undo_starts_exactly_the_old_spec_and_waits_for_the_old_node() -> None:
    world = detached()
    back, there = Run(fleet=world, op=swap()).undo()
    assert [back.kind, there.kind] == ["replace_node", "await_node"]
    run_to_end(world, swap())
    assert world.nodes["api-1"].spec.image == NEW
    assert isinstance(run_to_end(world, back, undoing=True), Done)
    assert world.nodes["api-1"].spec == BEFORE
    assert isinstance(run_to_end(world, there, undoing=True), Done)
    assert Run(fleet=world, op=back, undoing=True).preview().kind is ChangeKind.NO_OP


def test_the_undo_holds_references_never_values() -> None:
    back, _ = Run(fleet=detached(), op=swap()).undo()
    assert back.arguments["spec"]["environment"] == BEFORE.environment  # type: ignore[index]


def test_without_a_spec_it_waits_and_could_not_be_undone() -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    world.driver_fails = SILENT
    assert run.preview().not_judged == ("what api-1 runs now",)
    assert isinstance(run.ready(), Waiting)
    assert isinstance(run.kind.compensate(run.op, run.look().facts), Irreversible)


def test_specs_survive_the_way_through_a_fact() -> None:
    assert parse(canonical(replace(BEFORE, version="0.2.9"))) == BEFORE


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_node_that_the_driver_is_at_work_on_is_not_asked_what_it_is(state: JobState) -> None:
    world = detached()
    run = Run(fleet=world, op=swap())
    run.apply()
    world.jobs[Run.KEY] = JobStatus(state=state)
    world.asked.clear()
    seen = run.look()
    assert not [asked for asked in world.asked if "api-1" in asked]
    assert seen.facts["node/api-1/version"] is Absent.PENDING
    assert seen.situation.node("api-1").answers is None  # neither there nor gone
    assert isinstance(run.verify(), Waiting)
    world.jobs[Run.KEY] = JobStatus(state=JobState.SUCCEEDED)
    assert run.look().facts["node/api-1/version"] == "0.2.10"
