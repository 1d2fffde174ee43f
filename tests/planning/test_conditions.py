"""Gates and guards, complete without their document."""

from __future__ import annotations

import pytest

from rollout_kit.model.gate import (
    Bound,
    CohortMeasure,
    CohortSource,
    GuardSpec,
    MetricSource,
    ReadinessSource,
    SupportersSource,
    Threshold,
)
from rollout_kit.model.identity import QueueRef
from rollout_kit.planning.conditions import gate_spec, guard_specs
from rollout_kit.planning.scope import queues_named, scope_of
from tests.planning.fleets import critical, document

ORDERS = QueueRef(namespace="orders", task_queue="critical")
GATES = "  served: {cohort: unserved_pins, at_most: 0, for: 2m, within: 10m}\n"


def guards(*replacements: tuple[str, str]) -> dict[str, GuardSpec]:
    return {guard.name: guard for guard in guard_specs(document(*replacements))[0]}


def declared(guard: str) -> tuple[str, str]:
    return ("gates:\n", f"guards: {{{guard}}}\ngates:\n")


def test_every_plan_has_the_four_guards_with_their_own_figures() -> None:
    found = guards()
    none = Threshold(bound=Bound.AT_MOST, value=0)
    assert found["served"].source == CohortSource(measure=CohortMeasure.UNSERVED_PINS)
    assert found["served"].threshold == none
    assert found["supporters"].source == SupportersSource()
    assert found["attached-ready"].source == ReadinessSource()
    count = found["repair-near-baseline"]
    assert count.source == MetricSource(path="runs.repair_needed", namespace="orders")
    assert count.threshold == Threshold(bound=Bound.INCREASE_AT_MOST, value=0)
    age = found["repair-near-baseline-age"].threshold
    assert age == Threshold(bound=Bound.INCREASE_AT_MOST, value=0, plus_elapsed_ms=True)
    assert {(g.interval_s, g.failure_limit, g.no_data_limit) for g in found.values()} == {
        (10.0, 2, 6)
    }


def test_repair_is_watched_in_every_namespace_of_the_target() -> None:
    found = guards(("namespace: orders\n", "namespace: orders\n  namespaces: [orders, billing]\n"))
    source = found["repair-near-baseline@billing"].source
    assert source == MetricSource(path="runs.repair_needed", namespace="billing")


def test_figures_of_the_plan_replace_those_of_the_guard() -> None:
    found = guards(declared("repair-near-baseline: {increase_at_most: 3, interval: 5s}"))
    guard = found["repair-near-baseline"]
    assert guard.threshold.value == 3
    assert guard.interval_s == 5.0


def test_a_guard_that_is_off_is_gone_and_its_reason_is_shown() -> None:
    specs, notes = guard_specs(document(declared('served: {off: "a test fleet"}')))
    assert "served" not in {guard.name for guard in specs}
    assert notes == ("guard served is off: a test fleet",)


def test_without_the_admin_credential_repair_cannot_be_watched() -> None:
    specs, notes = guard_specs(document((', admin: "${env:ADMIN}"', "")))
    assert [guard.name for guard in specs] == ["served", "supporters", "attached-ready"]
    assert "the plan has no credentials.admin" in notes[0]


def test_what_a_forward_only_plan_leaves_behind_decides_nothing() -> None:
    forward = (
        ("rollback: {within: 1h}", "rollback: {forward_only: it loses orders}"),
        ("on_failure: rollback\n", ""),
    )
    found = guards(*forward)
    assert "repair-near-baseline" not in found
    assert found["served"].source == CohortSource(
        measure=CohortMeasure.UNSERVED_PINS, ignoring=("build-1",)
    )
    assert found["supporters"].source == SupportersSource(ignoring=("build-1",))


def test_stranded_runs_are_counted_nowhere() -> None:
    found = guards(
        ("cohort: build-1, within: 1h", "cohort: build-1, within: 1h, pinned_runs: strand")
    )
    source = found["served"].source
    assert isinstance(source, CohortSource)
    assert source.ignoring == ("build-1",)


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("cohort: unserved_pins", CohortSource(measure=CohortMeasure.UNSERVED_PINS)),
        (
            "cohort: unserved_pins, task_queue: critical",
            CohortSource(measure=CohortMeasure.UNSERVED_PINS, queue=ORDERS),
        ),
        (
            "cohort: leases, task_queue: critical, build: build-2",
            CohortSource(measure=CohortMeasure.LEASES, cohort=critical("build-2")),
        ),
        ("metric: runs.failed", MetricSource(path="runs.failed", namespace="orders")),
    ],
)
def test_a_gate_names_its_source_in_full(written: str, source: object) -> None:
    plan = document((GATES, f"  served: {{{written}, at_most: 0, for: 2m, within: 10m}}\n"))
    gate = gate_spec(plan.gate("served"), plan)
    assert gate.source == source
    assert (gate.for_s, gate.within_s, gate.interval_s) == (120.0, 600.0, 10.0)


def test_the_scope_is_what_the_plan_names() -> None:
    scope = scope_of(
        document(
            ("replicas: 6}", "replicas: 6, serves: [build-0]}"),
            ("release:\n", "release:\n  independent_queues: [reports]\n"),
        )
    )
    assert (scope.target, scope.namespace, scope.revision) == ("orders-prod", "orders", "0.2.10")
    assert scope.nodes == ("api-1", "api-2")
    assert scope.queues == (ORDERS,)
    assert scope.independent_queues == (QueueRef(namespace="orders", task_queue="reports"),)
    (pin,) = scope.serves
    assert (pin.cohort, pin.serves) == (critical("build-2"), ("build-0",))


def test_a_queue_is_looked_for_where_the_release_puts_it() -> None:
    plan = document(
        ("namespace: orders\n", "namespace: orders\n  namespaces: [orders, billing]\n"),
        ("replicas: 6}", "replicas: 6, namespace: billing}"),
    )
    assert queues_named(plan, "critical") == (QueueRef(namespace="billing", task_queue="critical"),)
    assert queues_named(plan, "other") == (QueueRef(namespace="orders", task_queue="other"),)
