"""judge_gate: every look since the wait began is a sample; a verdict becomes Done, Failed or a hold."""

from __future__ import annotations

import pytest

from rollout_kit.model import codec
from rollout_kit.model.gate import (
    Baseline,
    Bound,
    GateSpec,
    MetricSource,
    StandingSource,
    Threshold,
)
from rollout_kit.model.operation import (
    ChangeKind,
    Done,
    Failed,
    Keep,
    NeedsPerson,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.operations.api import Context, Seen
from rollout_kit.operations.kinds.judge_gate import JudgeGate, JudgeGateArguments
from tests.operations.measured import SCOPE, TableEngine, readers

METRIC = MetricSource(path="runs.failed", namespace="orders")
AT_MOST = Threshold(bound=Bound.AT_MOST, value=2)


def gate(
    threshold: Threshold = AT_MOST, *, for_s: float = 20.0, within_s: float = 60.0
) -> GateSpec:
    return GateSpec(name="few", source=METRIC, threshold=threshold, for_s=for_s, within_s=within_s)


def operation(spec: GateSpec) -> Operation:
    arguments = codec.to_json(JudgeGateArguments(gate=spec, scope=SCOPE))
    return Operation(id="canary/gate/few", kind="judge_gate", step="canary", arguments=arguments)


def looks(spec: GateSpec, *values: float | None, start_s: float = 100.0) -> list[Seen]:
    """One look every ten seconds; None is a look without data."""
    history = []
    for n, value in enumerate(values):
        engine = TableEngine(metrics={"orders": {"runs.failed": value}})
        history.append(JudgeGate().observe(operation(spec), readers(engine), start_s + 10 * n))
    return history


def verdict(
    spec: GateSpec, *values: float | None, since_s: float = 100.0, baseline: float | None = None
) -> Verification:
    history = looks(spec, *values)
    taken = () if baseline is None else (Baseline(name="few", values=(baseline,)),)
    ctx = Context(now_s=history[-1].at_s, since_s=since_s, key="k", baselines=taken)
    return JudgeGate().verify(operation(spec), history, ctx)


def test_it_passes_once_it_held_long_enough() -> None:
    assert isinstance(verdict(gate(), 0), Waiting)
    assert isinstance(verdict(gate(), 0, 1), Waiting)
    assert isinstance(verdict(gate(), 0, 1, 2), Done)


def test_a_breach_starts_the_holding_anew() -> None:
    assert isinstance(verdict(gate(), 0, 0, 3, 0, 0), Waiting)
    assert isinstance(verdict(gate(), 0, 0, 3, 0, 0, 0), Done)


def test_bad_to_the_end_fails_with_both_values() -> None:
    found = verdict(gate(), *[3] * 7)
    assert isinstance(found, Failed)
    assert "runs.failed: 3" in found.reason
    assert "at most 2" in found.reason


def test_what_cannot_be_measured_holds_and_never_fails() -> None:
    found = verdict(gate(), None, None, None, None)
    assert isinstance(found, NeedsPerson)
    assert "is null" in found.reason
    assert isinstance(verdict(gate(), None, None), Waiting)


def test_looks_from_before_the_wait_prove_nothing() -> None:
    assert isinstance(verdict(gate(), 0, 0, 0, since_s=115.0), Waiting)


def test_an_increase_is_held_against_the_baseline() -> None:
    increase = gate(Threshold(bound=Bound.INCREASE_AT_MOST, value=1), for_s=0.0)
    assert isinstance(verdict(increase, 41, baseline=40), Done)
    assert isinstance(verdict(increase, 42, baseline=40), Waiting)
    assert isinstance(verdict(increase, 41), NeedsPerson)


def test_the_next_look_comes_when_the_next_sample_is_due() -> None:
    found = verdict(gate(), 0)
    assert isinstance(found, Waiting)
    assert found.retry_after_s == pytest.approx(10.0)


def test_a_gate_shorter_than_its_interval_is_looked_at_when_it_may_pass() -> None:
    found = verdict(gate(for_s=2.0), 0)
    assert isinstance(found, Waiting)
    assert found.retry_after_s == pytest.approx(2.0)


def test_a_row_of_another_plan_says_so_and_passes() -> None:
    source = StandingSource(row="drains-retired", why_not="not in this plan")
    spec = GateSpec(name="drains-retired", source=source, threshold=AT_MOST, for_s=0, within_s=9)
    seen = JudgeGate().observe(operation(spec), readers(), 1.0)
    ctx = Context(now_s=1.0, since_s=1.0, key="k")
    assert JudgeGate().verify(operation(spec), [seen], ctx) == Done(sentence="not in this plan")


def test_it_changes_nothing_and_says_what_it_asks() -> None:
    kind, op, seen = JudgeGate(), operation(gate()), looks(gate(), 0)[0]
    change = kind.preview(op, seen.observation, seen.situation)
    assert change.kind is ChangeKind.CHECK
    assert change.sentence == "gate few: runs.failed at most 2 for 20s, within 1m"
    assert change.estimate_s == 20.0
    assert kind.touches(op) == kind.relies_on(op) == ()
    assert kind.expect(op, seen.observation) == seen.observation
    assert isinstance(kind.compensate(op, {}), Keep)


def test_an_age_may_grow_by_the_time_since_the_baseline_in_milliseconds() -> None:
    spec = gate(Threshold(bound=Bound.INCREASE_AT_MOST, value=0, plus_elapsed_ms=True), for_s=0.0)
    history = looks(spec, 9_000.0)
    taken = (Baseline(name="few", values=(0.0,)),)
    ctx = Context(
        now_s=history[-1].at_s, since_s=100.0, key="k", baselines=taken, elapsed_attended_s=10.0
    )
    assert isinstance(JudgeGate().verify(operation(spec), history, ctx), Done)
