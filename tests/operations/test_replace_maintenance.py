"""Maintenance processes follow the nodes: after the schema, counted, and put back as they were."""

from __future__ import annotations

from rollout_kit.model.operation import ChangeKind, Done, Failed, NeedsPerson, Operation, Waiting
from rollout_kit.model.situation import ProgramEnd
from rollout_kit.operations.kinds.replace_maintenance import ReplaceMaintenanceArguments
from rollout_kit.ports.infra import Answers, ProcessSpec, SetMaintenance
from tests.operations.ports import NEW, OLD, SILENT, Fleet, Run, fleet, operation, run_to_end

BEFORE = ProcessSpec(image=OLD, environment={"LOOP": "1"})
AFTER = ProcessSpec(image=NEW, environment={"LOOP": "1"})


def world_with() -> Fleet:
    return fleet(maintenance={"repair": BEFORE, "queue": BEFORE})


def swap(revision: str | None = None) -> Operation:
    arguments = ReplaceMaintenanceArguments(name="repair", image=NEW, revision=revision)
    return operation("replace_maintenance", arguments)


def test_it_runs_the_new_image_when_the_driver_counts_one_process() -> None:
    world = world_with()
    run = Run(fleet=world, op=swap())
    assert run.preview().sentence == f"restart maintenance repair: image {OLD} -> {NEW}"
    assert isinstance(run.ready(), Done)
    run.apply()
    assert world.begun == [(Run.KEY, SetMaintenance(name="repair", spec=AFTER))]
    world.maintenance_alive["repair"] = 0
    assert isinstance(run.verify(), Waiting)
    world.maintenance_alive["repair"] = 1
    assert isinstance(run.verify(), Done)
    assert run.preview().kind is ChangeKind.NO_OP


def test_it_looks_at_its_own_process_only() -> None:
    run = Run(fleet=world_with(), op=swap())
    assert all(fact.startswith("maintenance/repair/") for fact in run.look().facts)
    assert run.kind.touches(run.op) == ("maintenance/repair/",)


def test_where_nothing_counts_processes_a_person_has_to_say() -> None:
    world = world_with()
    world.can = frozenset(Answers) - {Answers.PROCESSES}
    run = Run(fleet=world, op=swap())
    run.apply()
    assert isinstance(run.verify(), NeedsPerson)


def test_rule_1_it_starts_after_its_schema() -> None:
    assert isinstance(Run(fleet=world_with(), op=swap("0.2.10")).ready(), Failed)


def test_without_a_spec_it_waits_for_the_driver() -> None:
    world = world_with()
    world.driver_fails = SILENT
    assert isinstance(Run(fleet=world, op=swap()).ready(), Waiting)


def test_without_a_spec_the_way_back_still_says_what_it_starts() -> None:
    world = world_with()
    (back,) = Run(fleet=world, op=swap()).undo()
    world.driver_fails = SILENT
    assert Run(fleet=world, op=back).preview().sentence == f"restart maintenance repair with {OLD}"


def test_its_undo_starts_exactly_the_old_spec() -> None:
    world = world_with()
    (back,) = Run(fleet=world, op=swap()).undo()
    run_to_end(world, swap())
    assert world.maintenance["repair"] == AFTER
    assert isinstance(run_to_end(world, back, undoing=True), Done)
    assert world.maintenance == {"repair": BEFORE, "queue": BEFORE}
    assert Run(fleet=world, op=back).preview().kind is ChangeKind.NO_OP


def test_a_maintenance_program_that_ended_by_itself_is_a_failure_after_two_looks() -> None:
    world = world_with()
    run = Run(fleet=world, op=swap())
    run.apply()
    world.maintenance_alive["repair"] = 0
    world.ends["maintenance/repair"] = ProgramEnd(exit_status=1, last_lines="no such queue")
    assert isinstance(run.verify(), Waiting)
    said = run.verify(0.5)
    assert isinstance(said, Failed)
    assert said.reason == (
        "the program of maintenance repair ended by itself (exit status 1);"
        " its last lines: no such queue"
    )
