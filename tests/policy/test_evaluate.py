"""A plan that breaks a rule is told which, where and what to do; one that keeps it hears nothing."""

from __future__ import annotations

import pytest

from tests.policy.plans import document, execution_plan, findings


def test_a_target_that_is_not_listed_is_refused() -> None:
    (found,) = findings("allowed_targets: [billing-prod]")
    assert found.mandatory
    assert found.rule == "p/r"
    assert found.sentence == "target orders-prod is none of those allowed: billing-prod"
    assert found.policy == "p.yaml:4:5"


@pytest.mark.parametrize("names", ["[orders-prod]", '["orders-*"]', '["*-prod"]'])
def test_a_listed_target_passes(names: str) -> None:
    assert findings(f"allowed_targets: {names}") == ()


def test_a_pack_for_other_targets_says_nothing() -> None:
    head = 'version: 1\nname: p\napplies_to: ["billing-*"]\n'
    assert findings("allowed_targets: [billing-prod]", head=head) == ()


def test_an_advisory_rule_is_shown_and_refuses_nothing() -> None:
    (found,) = findings("enforcement: advisory, allowed_targets: [billing-prod], hint: Ask ops.")
    assert not found.mandatory
    assert found.hint == "Ask ops."


@pytest.mark.parametrize(
    "gate",
    [
        "cohort: unserved_pins",
        "cohort: unserved_pins, at_most: 0",
        "cohort: unserved_pins, at_most: 5",
        "gate: served",
    ],
)
def test_a_step_that_names_the_required_gate_passes(gate: str) -> None:
    assert findings(f"required_gates: [{{uses: worker-canary, {gate}}}]") == ()


@pytest.mark.parametrize(
    ("gate", "lacking"),
    [
        ("metric: tasks.lease_expired", "a gate on metric tasks.lease_expired"),
        ("readiness: true", "a gate on readiness"),
        ("gate: other", 'gate "other"'),
        ("cohort: leases", "a gate on cohort: leases"),
    ],
)
def test_a_step_without_the_required_gate_is_named_with_its_place(gate: str, lacking: str) -> None:
    (found,) = findings(f"required_gates: [{{uses: worker-canary, {gate}}}]")
    assert found.sentence == f"step canary (worker-canary) lacks {lacking}"
    canary = next(step for step in document().steps if step.id == "canary")
    assert canary.position is not None
    assert (found.line, found.column) == (canary.position.line, canary.position.column)


def test_a_looser_gate_is_no_gate() -> None:
    loose = document(("at_most: 0", "at_most: 7"))
    rule = "required_gates: [{uses: worker-canary, cohort: unserved_pins, at_most: 3}]"
    (found,) = findings(rule, plan=loose)
    assert found.sentence.endswith("a gate on cohort: unserved_pins with at_most 3 or less")


def test_a_kind_of_step_that_the_plan_lacks_needs_no_gate() -> None:
    assert findings("required_gates: [{uses: promote, readiness: true}]") == ()


ONE_BY_ONE = ("detach api-1", "attach api-1", "detach api-2", "attach api-2")
TOGETHER = ("detach api-1", "detach api-2", "attach api-1", "attach api-2")


@pytest.mark.parametrize(
    ("limit", "nodes", "acts", "refused"),
    [
        ("1", 2, ONE_BY_ONE, ""),
        ("1", 3, TOGETHER, "2 of 3 nodes out of rotation (api-1, api-2); at most 1 are allowed"),
        ("50%", 2, ONE_BY_ONE, ""),
        ('"34%"', 3, ONE_BY_ONE, ""),
        ('"34%"', 2, ONE_BY_ONE, "1 of 2 nodes out of rotation (api-1); at most 34% are allowed"),
        ('"29%"', 100, ONE_BY_ONE, ""),
        ('"10%"', 2, (), ""),
    ],
)
def test_so_many_nodes_are_out_at_once(
    limit: str, nodes: int, acts: tuple[str, ...], refused: str
) -> None:
    found = findings(f"nodes_out_at_most: {limit}", execution=execution_plan(nodes, acts))
    if not refused:
        assert found == ()
        return
    (one,) = found
    assert refused in one.sentence
    assert (one.line, one.column) == (23, 5)
