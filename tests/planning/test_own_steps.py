"""verify, approval, pause and run; and what follows a unit of any step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollout_kit.model import codec
from rollout_kit.model.gate import GateSpec, StandingSource
from rollout_kit.model.operation import Operation
from rollout_kit.operations.kinds.bake import BakeArguments
from rollout_kit.operations.kinds.judge_gate import JudgeGateArguments
from rollout_kit.operations.kinds.run_command import RunCommandArguments
from rollout_kit.operations.smoke import SmokeRunsArguments
from rollout_kit.planning.api import World
from rollout_kit.planning.scope import scope_of
from rollout_kit.planning.unit import after_unit, part
from tests.planning.fleets import Fleet, arrived, critical, document, newer, older

SCHEMA = "  - {id: schema, uses: bootstrap, with: {additive: true}}\n"


def operations(steps: str, fleet: Fleet | None = None) -> tuple[Operation, ...]:
    return (fleet or newer()).planned(document(steps=steps)).plan.operations


def gate_of(operation: Operation) -> GateSpec:
    arguments: JudgeGateArguments = codec.from_json(JudgeGateArguments, operation.arguments)
    return arguments.gate


def table(steps: str, fleet: Fleet | None = None) -> dict[str, GateSpec]:
    return {
        gate_of(op).name: gate_of(op) for op in operations(steps, fleet) if op.kind == "judge_gate"
    }


def test_what_follows_a_unit_is_its_bake_and_every_gate_of_the_step() -> None:
    plan = document()
    step = next(step for step in plan.steps if step.id == "canary")
    fleet = newer()
    world = World(
        document=plan,
        scope=scope_of(plan),
        live=fleet.observation,
        observation=fleet.observation,
        situation=fleet.situation,
        capabilities=fleet.capabilities,
    )
    bake, gate = after_unit(step, "share-2", world, bake_s=90.0, follows=("a", "b"))
    assert (bake.id, gate.id) == ("canary/share-2/bake", "canary/share-2/gate/served")
    assert bake.follows == gate.follows == ("a", "b")
    assert codec.from_json(BakeArguments, bake.arguments) == BakeArguments(bake_s=90.0)
    assert bake.within_s > 90.0
    assert gate.within_s > gate_of(gate).within_s
    (only,) = after_unit(step, "share-2", world, bake_s=0.0, follows=())
    assert only.kind == "judge_gate"


@pytest.mark.parametrize(
    ("name", "encoded"), [("api-1", "api-1"), ("a/b", "a%2Fb"), ("ö", "%C3%B6"), ("x@1", "x@1")]
)
def test_a_name_is_one_part_of_an_id(name: str, encoded: str) -> None:
    assert part(name) == encoded


def test_the_table_has_its_rows_by_name_and_judges_the_whole_plan() -> None:
    ops = newer().planned(document()).plan.operations
    rows = [op for op in ops if op.step == "verify"]
    assert [op.id for op in rows] == [
        "verify/bootstrap-done",
        "verify/nodes-are-to",
        "verify/supporters",
        "verify/served",
        "verify/drains-retired",
        "verify/schedules-caught-up",
        "verify/repair-near-baseline",
        "verify/repair-near-baseline-age",
    ]
    assert all(op.follows_plan for op in rows)
    nodes = gate_of(rows[1]).source
    assert isinstance(nodes, StandingSource)
    assert nodes.subject == {
        "node/api-1/image": "server-new",
        "node/api-1/version": "0.2.10",
        "node/api-2/image": "server-new",
        "node/api-2/version": "0.2.10",
        "scheduler/image": "server-new",
    }
    drains = gate_of(rows[4]).source
    assert isinstance(drains, StandingSource)
    assert drains.retired == (critical("build-1"),)


def test_a_row_whose_subject_the_plan_lacks_says_so() -> None:
    found = table(SCHEMA + "  - {id: verify, uses: verify}\n")
    absent = {
        name: row.source.why_not
        for name, row in found.items()
        if isinstance(row.source, StandingSource) and row.source.why_not
    }
    assert absent == {
        "nodes-are-to": "not in this plan",
        "drains-retired": "not in this plan",
        "schedules-caught-up": "not in this plan",
    }


def test_a_cohort_that_may_be_kept_satisfies_the_table() -> None:
    keep = "with: {task_queue: critical, cohort: build-1, within: 1h, pinned_runs: keep}"
    found = table(f"  - {{id: d, uses: drain, {keep}}}\n  - {{id: verify, uses: verify}}\n")
    row = found["drains-retired"].source
    assert isinstance(row, StandingSource)
    assert row.why_not == "kept where open runs need it: critical@build-1"


def test_a_verify_with_gates_judges_those_alone() -> None:
    (gate,) = operations("  - {id: verify, uses: verify, gates: [served]}\n")
    assert (gate.id, gate.follows_plan) == ("verify/gate/served", True)


SMOKE = "  - {id: verify, uses: verify, with: {smoke: {workflow_type: ping, count: 3}}}\n"
API = SCHEMA + "  - {id: api, uses: api-cutover}\n"


@pytest.mark.parametrize(
    ("fleet", "build", "node"), [(newer(), "build-1", None), (older(), "build-1", "api-1")]
)
def test_the_end_is_probed_the_way_that_real_runs_go(
    fleet: Fleet, build: str, node: str | None
) -> None:
    (smoke,) = [op for op in operations(API + SMOKE, fleet) if op.kind == "smoke_runs"]
    assert smoke.id == "verify/smoke/orders/critical"
    found: SmokeRunsArguments = codec.from_json(SmokeRunsArguments, smoke.arguments)
    assert (found.cohort, found.count, found.node) == (critical(build), 3, node)
    assert found.pinned is (node is None)


def test_nothing_is_probed_where_nothing_would_change() -> None:
    fleet = arrived(newer())
    plan = document(steps=API + SMOKE)
    planning = fleet.planned(plan)
    assert [op for op in planning.plan.operations if op.kind == "smoke_runs"] == []
    assert planning.notes["verify"] == (
        "smoke: the plan changes nothing, so no run is started to probe it",
    )


def test_a_pause_is_a_bake_of_the_whole_plan() -> None:
    (pause,) = operations("  - {id: wait, uses: pause, with: {for: 5m}}\n")
    assert (pause.id, pause.kind, pause.follows_plan) == ("wait/bake", "bake", True)


def test_an_approval_is_bounded_by_the_plan() -> None:
    (ask,) = operations("  - {id: ok, uses: approval, with: {prompt: Go on?, within: 4h}}\n")
    assert (ask.id, ask.kind, ask.within_s) == ("ok/ask", "await_approval", 14400.0)


def test_a_run_carries_all_that_its_author_said() -> None:
    given = "command: [warm, cache], undo: [cool], check: [is-warm], idempotent: true, within: 2m"
    step = f"  - {{id: warm, uses: run, with: {{{given}}}, gates: [served]}}\n"
    command, gate = operations(step)
    assert codec.from_json(RunCommandArguments, command.arguments) == RunCommandArguments(
        command=("warm", "cache"), undo=("cool",), check=("is-warm",), idempotent=True
    )
    assert command.within_s == 120.0
    assert gate.follows == (command.id,)


def test_a_step_s_timeout_and_failure_policy_go_with_every_operation() -> None:
    step = "  - {id: wait, uses: pause, with: {for: 5m}, timeout: 9m, on_failure: hold}\n"
    (pause,) = operations(step)
    assert pause.step_timeout_s == 540.0
    assert pause.on_failure == "hold"
    assert pause.rollback == document().rollback


def test_provenance_and_image_tell_nodes_apart_too() -> None:
    by_image = ("image: server-new}", "image: server-new, from_image: server-old, identity: infra}")
    planned = replace(newer()).planned(document(by_image)).plan.operations
    row = next(op for op in planned if op.id == "verify/nodes-are-to")
    source = gate_of(row).source
    assert isinstance(source, StandingSource)
    assert "node/api-1/version" not in source.subject
