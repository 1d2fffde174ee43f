"""From text to the typed plan: what is read, what is journaled, what never shows."""

from __future__ import annotations

import json
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollout_kit.document import plan as language
from rollout_kit.document.diagnostics import render
from rollout_kit.document.plan import PlanDocument
from rollout_kit.document.read import read_canonical, read_plan
from rollout_kit.document.substitute import Purpose
from rollout_kit.model.gate import Bound, CohortMeasure, Threshold
from rollout_kit.model.operation import NewBuild, OnFailure, PinnedRuns, RollbackPolicy
from tests.document.plans import ENVIRONMENT, PLAN, changed, read, told

Arguments = TypeVar("Arguments")


def plan(*replacements: tuple[str, str]) -> PlanDocument:
    reading = read(changed(*replacements))
    assert reading.document is not None, render(reading.diagnostics)
    return reading.document


def arguments(document: PlanDocument, kind: type[Arguments]) -> Arguments:
    (found,) = [step.with_ for step in document.steps if isinstance(step.with_, kind)]
    return found


def test_the_good_plan_has_nothing_wrong_with_it() -> None:
    assert read(PLAN).diagnostics == ()


def test_defaults_are_filled_in_from_the_table_and_from_the_release() -> None:
    document = plan()
    assert arguments(document, language.BootstrapStep) == language.BootstrapStep(
        image="server-new", revision="0.2.10", additive=True, within_s=600
    )
    assert arguments(document, language.ApiCutoverStep) == language.ApiCutoverStep(
        order=("api-1", "api-2"), bake_s=30, within_s=300, promote=False
    )
    assert arguments(document, language.SchedulerHandoverStep) == language.SchedulerHandoverStep(
        gap_at_most_s=30, overdue_at_most_s=120, within_s=300
    )
    assert arguments(document, language.WorkerCanaryStep) == language.WorkerCanaryStep(
        task_queues=("critical",),
        stages=(
            language.SmokeStage(workflow_type="ping", count=1, timeout_s=60, bake_s=0),
            language.ShareStage(share=language.Share(100), bake_s=600),
        ),
        replicas=None,
        within_s=1800,
    )
    assert arguments(document, language.DrainStep) == language.DrainStep(
        task_queues=("critical",),
        cohort=language.BuildSelector(build_id="build-1"),
        within_s=3600,
        pinned_runs=PinnedRuns.WAIT,
    )
    assert arguments(document, language.VerifyStep) == language.VerifyStep(smoke=None)
    assert document.rollback == RollbackPolicy(within_s=3600, new_build=NewBuild.FINISH)
    assert document.target.no_answer_for_s == 120
    assert document.target.namespaces == ("orders",)


def test_all_four_guards_are_there_though_nobody_names_them() -> None:
    guards = plan().guards
    assert [guard.name for guard in guards] == [
        "served",
        "supporters",
        "attached-ready",
        "repair-near-baseline",
    ]
    assert all(isinstance(guard, language.BuiltInGuard) and guard.off is None for guard in guards)


def test_a_guard_is_switched_off_with_a_reason_and_another_is_added() -> None:
    guards = 'guards: {served: {off: "no pins here"}, errors: {metric: runs.failed, at_most: 3}}\n'
    document = plan(("on_failure: rollback\n", f"on_failure: rollback\n{guards}"))
    first, *_, last = document.guards
    assert isinstance(first, language.BuiltInGuard)
    assert first.off == "no pins here"
    assert isinstance(last, language.AddedGuard)
    assert last.source == language.MetricSource(path="runs.failed")
    assert last.threshold == Threshold(bound=Bound.AT_MOST, value=3)
    assert (last.interval_s, last.failure_limit, last.no_data_limit) == (10, 2, 6)


@pytest.mark.parametrize(
    ("text", "source", "threshold"),
    [
        (
            "{metric: tasks.lease_expired, increase_at_most: 20%}",
            language.MetricSource(path="tasks.lease_expired"),
            Threshold(bound=Bound.INCREASE_AT_MOST, value=20, percent=True),
        ),
        (
            "{cohort: leases, task_queue: critical, build: build-1, at_most: 0}",
            language.CohortSource(
                measure=CohortMeasure.LEASES,
                task_queue="critical",
                build=language.BuildSelector(build_id="build-1"),
            ),
            Threshold(bound=Bound.AT_MOST, value=0),
        ),
        (
            "{cohort: active_workers, task_queue: critical, build: {unversioned: true}, equals: 0}",
            language.CohortSource(
                measure=CohortMeasure.ACTIVE_WORKERS,
                task_queue="critical",
                build=language.BuildSelector(build_id=None),
            ),
            Threshold(bound=Bound.EQUALS, value=0),
        ),
        (
            "{readiness: all}",
            language.ReadinessSource(node=None),
            Threshold(bound=Bound.AT_MOST, value=0),
        ),
        (
            "{readiness: {node: api-2}}",
            language.ReadinessSource(node="api-2"),
            Threshold(bound=Bound.AT_MOST, value=0),
        ),
        (
            "{http: {url: http://m/q?x=1, pointer: /a/0,"
            ' headers: {Authorization: "Bearer ${env:ADMIN}"}}, at_least: 0.5}',
            language.HttpSource(
                url="http://m/q?x=1",
                pointer="/a/0",
                headers=(("Authorization", language.SecretText("Bearer ${env:ADMIN}")),),
            ),
            Threshold(bound=Bound.AT_LEAST, value=0.5),
        ),
    ],
)
def test_a_gate_has_a_source_and_a_threshold(
    text: str, source: language.Source, threshold: Threshold
) -> None:
    gate = plan(("{cohort: unserved_pins, at_most: 0, for: 2m, within: 10m}", text)).gate("served")
    assert (gate.source, gate.threshold) == (source, threshold)
    assert (gate.for_s, gate.within_s, gate.interval_s, gate.no_data_limit) == (0, 600, 10, 3)


def test_a_step_fails_as_the_plan_says_unless_it_says_otherwise() -> None:
    document = plan(
        ("uses: scheduler-handover}", "uses: scheduler-handover, on_failure: abort}"),
        ("on_failure: rollback", "on_failure: hold"),
    )
    assert {step.id: step.on_failure for step in document.steps} == {
        "schema": OnFailure.HOLD,
        "api": OnFailure.HOLD,
        "sched": OnFailure.ABORT,
        "canary": OnFailure.HOLD,
        "drain": OnFailure.HOLD,
        "verify": OnFailure.HOLD,
    }


def test_forward_only_makes_every_failure_a_hold() -> None:
    document = plan(
        ("on_failure: rollback\n", ""),
        ("rollback: {within: 1h}", 'rollback: {forward_only: "the old build corrupts"}'),
    )
    assert {step.on_failure for step in document.steps} == {OnFailure.HOLD}
    assert document.rollback.forward_only == "the old build corrupts"


def test_steps_know_their_place_in_the_file_and_lose_it_in_the_journal() -> None:
    document = plan()
    assert [step.position and step.position.line for step in document.steps][:3] == [22, 23, 24]
    again = read_canonical(document.canonical)
    assert again == document
    assert again.steps[0].position is None


def test_the_digest_is_that_of_what_the_plan_means() -> None:
    digest = plan().digest
    laid_out_differently = PLAN.replace(
        "{id: verify, uses: verify}", "uses: verify\n    id: verify # x"
    )
    assert laid_out_differently != PLAN
    reading = read("# a comment\nx-mine: {a: 1}\n" + laid_out_differently)
    assert reading.document is not None
    assert reading.document.digest == digest
    assert plan(("share: 100%", "share: 50%")).digest != digest
    other = read(PLAN, variables={"bake": "20m"}).document
    assert other is not None
    assert other.digest != digest


def test_the_digest_does_not_depend_on_the_values_of_secrets() -> None:
    other = read(PLAN, environment={"OPERATOR": "x", "ADMIN": "y"}).document
    assert other is not None
    assert other.digest == plan().digest


def test_a_variable_stands_for_numbers_too() -> None:
    document = plan(
        ("bake: {default: 10m}", "bake: {default: 10m}\n  size: {default: 6}"),
        ("replicas: 6", 'replicas: "${var:size}"'),
    )
    assert document.release.workers[0].replicas == 6


def test_a_number_that_waits_for_the_environment_leaves_no_document_but_no_error() -> None:
    text = changed(("within: 1h}}", 'within: "${env:PATIENCE}"}}'))
    reading = read(text, purpose=Purpose.VALIDATE)
    assert told(reading) == ["31:84 warning unset-environment"]
    assert reading.document is None
    waiting = read(text, environment=ENVIRONMENT | {"PATIENCE": "2h"}).document
    assert waiting is not None
    assert arguments(waiting, language.DrainStep).within_s == 7200


def test_names_that_wait_for_the_environment_are_not_called_wrong() -> None:
    text = changed(
        ("to: build-2,", 'to: "${env:BUILD}",'), ("cohort: build-1,", "cohort: build-0,")
    )
    assert told(read(text, purpose=Purpose.VALIDATE)) == ["18:49 warning unset-environment"]


def test_a_document_that_is_no_plan_is_refused_when_read_back() -> None:
    for text in ["{}", "[]", "null", json.dumps({"version": 2})]:
        with pytest.raises(ValueError, match="does not keep to the schema"):
            read_canonical(text)
    with pytest.raises(ValueError, match="Expecting value"):
        read_canonical("")


CANARY = "s3cr3t-canary-value"


@pytest.mark.parametrize(
    "text",
    [
        PLAN,
        changed(('"${env:OPERATOR}"', CANARY)),
        changed(('"${env:OPERATOR}"', f'"{CANARY}')),
        changed(('"${env:OPERATOR}"', f"|\n    {CANARY}\n    {CANARY}\n")),
        changed(('"${env:OPERATOR}"', f"{{a: {CANARY}}}")),
        changed(('"${env:OPERATOR}"', f"[{CANARY}]")),
        changed(("url: http://api:8080", f"url: http://user:{CANARY}@api:8080")),
        changed(("url: http://api:8080", 'url: "${env:OPERATOR} x"')),
        changed(("name: orders-prod", 'name: "${env:OPERATOR}!"')),
        changed(("uses: verify", 'uses: "${env:OPERATOR}"')),
        changed(
            (
                "bake: {default: 10m}",
                f"bake: {{default: 10m}}\n  t: {{secret: true, default: {CANARY}}}",
            )
        ),
        changed(
            (
                "{cohort: unserved_pins, ",
                f"{{http: {{url: 'http://m', pointer: '', headers: {{X: {CANARY}}}}}, ",
            )
        ),
    ],
)
def test_secret_values_never_show(text: str) -> None:
    reading = read(text, environment={"OPERATOR": CANARY, "ADMIN": CANARY})
    written = render(reading.diagnostics) + repr(reading.diagnostics)
    if reading.document is not None:
        written += repr(reading.document)
        assert CANARY not in reading.document.canonical
    assert CANARY not in written


def test_a_credential_is_resolved_by_who_sends_it_and_names_what_is_missing() -> None:
    operator = plan().target.credentials.operator
    assert operator.names == ("OPERATOR",)
    assert operator.resolve(ENVIRONMENT) == "operator-value"
    with pytest.raises(language.UnsetEnvironmentError, match="variable OPERATOR is not set"):
        operator.resolve({})


@pytest.mark.parametrize(
    ("percent", "total", "count"),
    [(5, 6, 1), (50, 3, 2), (100, 29, 29), (29, 100, 29), (1, 1, 1), (32.2, 500, 161)],
)
def test_a_share_of_a_size_is_rounded_up(percent: float, total: int, count: int) -> None:
    assert language.Share(percent).of(total) == count


WORDS = ["{", "}", "[", "]", "'", '"', "&a ", "*a", "no", "2.10", "null", "${", "${var:bake}"]
fragments = st.sampled_from(
    [
        *PLAN.splitlines(keepends=True),
        *WORDS,
        "  ",
        "- ",
        ": ",
        "<<: ",
        "|\n",
        "\t",
        "\n",
        "\x00",
        "é",
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@example("gates:\n  served:\n")
@given(st.lists(fragments, max_size=40).map("".join) | st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    for purpose in Purpose:
        reading = read_plan(
            text, file="x", variables={"bake": "1s"}, environment={}, purpose=purpose
        )
        assert render(reading.diagnostics)
        assert all(one.line is None or one.line >= 1 for one in reading.diagnostics)
        assert reading.errors or reading.document or reading.canonical


lines = PLAN.splitlines(keepends=True)


@settings(deadline=None)
@given(st.integers(0, len(lines) - 1), st.sampled_from(["", "  a: b\n", "[\n", "null\n", "'\n"]))
def test_no_damaged_line_makes_it_raise(index: int, instead: str) -> None:
    text = "".join([*lines[:index], instead, *lines[index + 1 :]])
    reading = read(text)
    assert reading.document is None or reading.errors == ()
