"""Rule 16: listed symptoms say what to do; whatever is not listed fails the rollout all the same."""

from __future__ import annotations

import pytest

from rollout_kit.emulator.model.settings import Generation
from rollout_kit.gates.words import subject
from rollout_kit.journal.chain import parse
from rollout_kit.model import codec
from rollout_kit.model.events import GuardBreached, OperationFailed, Outcome
from rollout_kit.model.gate import (
    Bound,
    CohortMeasure,
    CohortSource,
    GateSource,
    GateSpec,
    MetricSource,
    ReadinessSource,
    SupportersSource,
    Threshold,
)
from rollout_kit.model.operation import Failed, Operation
from rollout_kit.model.state import RolloutState
from rollout_kit.operations.api import Context
from rollout_kit.operations.kinds.judge_gate import JudgeGate, JudgeGateArguments
from rollout_kit.operations.registry import KINDS
from rollout_kit.operations.symptoms import (
    BLOCKED_RUNS,
    COMPATIBILITY_ERROR,
    FIRES_STOPPED,
    NODE_NOT_READY,
    STILL_CLAIMING,
    SYMPTOMS,
    Symptom,
    hint_for,
    symptom_of,
)
from rollout_kit.reporters.sentences import sentence
from rollout_kit.simulation.fleet import ServerImage
from rollout_kit.simulation.world import OLD, TO, World, cohort
from tests.operations.measured import SCOPE, TableEngine, readers
from tests.safety.moments import back, when
from tests.safety.plans import QUICK_GUARDS, SCHEMA, api, read, small

NOT_YET = "not done after 60.1 s (within 60 s); last seen: "


@pytest.mark.parametrize(
    ("kind", "reason", "symptom"),
    [
        ("await_node", NOT_YET + "api-1 is not ready: migrations pending", NODE_NOT_READY),
        ("attach_node", NOT_YET + "api-1 is not ready", NODE_NOT_READY),
        ("await_node", NOT_YET + "api-1 is not ready: worker_compatibility", COMPATIBILITY_ERROR),
        ("judge_gate", "gate g: backlog.compatibility_blocked_runs: 3", BLOCKED_RUNS),
        ("judge_gate", "gate g: backlog.max_compatibility_blocked_age_ms: 9", BLOCKED_RUNS),
        ("drain_cohort", NOT_YET + "2 workers are active", STILL_CLAIMING),
        ("await_lease_free", NOT_YET + "1 lease", STILL_CLAIMING),
        ("await_scheduler", NOT_YET + "nothing has fired yet", FIRES_STOPPED),
        ("start_scheduler", NOT_YET + "0 processes", FIRES_STOPPED),
    ],
)
def test_a_listed_symptom_is_known_by_its_operation_and_what_it_names(
    kind: str, reason: str, symptom: Symptom
) -> None:
    assert kind in KINDS
    assert symptom_of(kind, reason) is symptom
    assert hint_for(kind, reason, "something else") == symptom.hint


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("detach_node", NOT_YET + "3 connections"),
        ("run_bootstrap", "exited with 1"),
        ("smoke_runs", "1 of 4 failed"),
        ("await_node", "api-1 came up ready, but is not what the plan says: version 9"),
        ("judge_gate", "gate few: runs.failed: 3, to be at most 2"),
    ],
)
def test_anything_else_is_not_listed_and_keeps_its_own_hint(kind: str, reason: str) -> None:
    assert symptom_of(kind, reason) is None
    assert hint_for(kind, reason, "look there") == "look there"


def test_the_five_symptoms_differ_and_each_says_cause_and_remedy() -> None:
    assert len({symptom.key for symptom in SYMPTOMS}) == 5
    assert len({symptom.hint for symptom in SYMPTOMS}) == 5
    assert all(symptom.cause in symptom.hint for symptom in SYMPTOMS)
    assert all(symptom.remedy in symptom.hint for symptom in SYMPTOMS)


@pytest.mark.parametrize(
    ("source", "symptom"),
    [
        (
            MetricSource(path="backlog.compatibility_blocked_runs", namespace="orders"),
            BLOCKED_RUNS,
        ),
        (MetricSource(path="schedules.max_overdue_ms", namespace="orders"), FIRES_STOPPED),
    ],
)
def test_a_gate_that_shows_a_listed_symptom_fails_with_its_remedy(
    source: MetricSource, symptom: Symptom
) -> None:
    spec = GateSpec(
        name="g",
        source=source,
        threshold=Threshold(bound=Bound.AT_MOST, value=0),
        for_s=20.0,
        within_s=60.0,
    )
    arguments = codec.to_json(JudgeGateArguments(gate=spec, scope=SCOPE))
    op = Operation(id="s/gate/g", kind="judge_gate", step="s", arguments=arguments)
    engine = TableEngine(metrics={"orders": {source.path: 3.0}})
    looks = [JudgeGate().observe(op, readers(engine), 100.0 + 10 * n) for n in range(7)]
    found = JudgeGate().verify(op, looks, Context(now_s=160.0, since_s=100.0, key="k"))
    assert isinstance(found, Failed)
    assert found.hint == symptom.hint


@pytest.mark.parametrize(
    ("source", "symptom"),
    [
        (CohortSource(measure=CohortMeasure.UNSERVED_PINS), BLOCKED_RUNS),
        (SupportersSource(), COMPATIBILITY_ERROR),
        (ReadinessSource(), NODE_NOT_READY),
    ],
)
def test_gates_of_the_fleets_own_state_are_known_by_what_they_measure(
    source: GateSource, symptom: Symptom
) -> None:
    assert symptom_of("judge_gate", f"gate g: {subject(source)}: 1") is symptom


def failures(world: World) -> list[OperationFailed]:
    return [
        record.event
        for record in parse(world.journal.data, "in memory").records
        if isinstance(record.event, OperationFailed)
    ]


@pytest.mark.parametrize("generation", list(Generation), ids=str)
def test_a_listed_symptom_fails_the_rollout_and_its_record_carries_the_remedy(
    generation: Generation,
) -> None:
    world = World(generation)
    world.images["server:new"] = ServerImage(version=TO[generation], comes_up=False)
    _, state = world.apply(world.document())
    assert _outcome(state) is Outcome.ROLLED_BACK
    assert [failed.hint for failed in failures(world)] == [NODE_NOT_READY.hint]


@pytest.mark.parametrize("generation", list(Generation), ids=str)
def test_an_unlisted_symptom_fails_the_rollout_all_the_same(generation: Generation) -> None:
    world = World(generation)
    world.images["server:new"] = ServerImage(version="9.9.9")
    before = {name: node.spec for name, node in world.fleet.nodes.items()}
    _, state = world.apply(world.document())
    assert _outcome(state) is Outcome.ROLLED_BACK
    assert {name: node.spec for name, node in world.fleet.nodes.items()} == before
    (failed,) = failures(world)
    assert symptom_of("await_node", failed.reason) is None
    assert failed.hint not in {symptom.hint for symptom in SYMPTOMS}


@pytest.mark.parametrize("generation", list(Generation), ids=str)
def test_a_guard_that_shows_a_listed_symptom_is_breached_with_its_remedy(
    generation: Generation,
) -> None:
    world = small(generation)
    only = QUICK_GUARDS.replace("served: {interval: 3s}", "served: {off: 'the other is asked'}")
    pause = "{id: watch, uses: pause, with: {for: 30s}}"
    document = read(world, SCHEMA, api(), pause, guards=only, on_failure="hold")
    served = world.fleet.cohorts[cohort("orders", OLD)]
    when(world, back(world, "api-2"), served.workers.clear)
    _, state = world.apply(document)
    (breached,) = [
        record.event
        for record in parse(world.journal.data, "in memory").records
        if isinstance(record.event, GuardBreached)
    ]
    assert breached.guard == "guard/supporters"
    assert breached.hint == COMPATIBILITY_ERROR.hint
    assert state.hold is not None
    assert state.hold.hint == COMPATIBILITY_ERROR.hint
    assert COMPATIBILITY_ERROR.hint in " ".join(sentence(breached).details)


def _outcome(state: RolloutState) -> Outcome:
    assert state.finished is not None
    return state.finished.outcome
