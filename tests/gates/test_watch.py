"""Guards: breaches in a row fail, gaps never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.gates.evaluate import watch
from rollout_kit.model.gate import (
    Baseline,
    Bound,
    CohortMeasure,
    CohortSource,
    GuardSpec,
    Judgement,
    MetricSource,
    Sample,
    Threshold,
    Verdict,
)

SERVED = GuardSpec(
    name="served",
    source=CohortSource(measure=CohortMeasure.UNSERVED_PINS),
    threshold=Threshold(bound=Bound.AT_MOST, value=0),
    failure_limit=2,
    no_data_limit=4,
)


def judge(*values: float | None, guard: GuardSpec = SERVED) -> Judgement:
    taken = tuple(
        Sample(at_s=n * 10, value=value, detail="" if value is not None else "timed out")
        for n, value in enumerate(values)
    )
    return watch(guard, taken, 10.0 * len(values), None, 0.0)


CASES = [
    ("nothing measured", (), Verdict.PENDING),
    ("good", (0,), Verdict.PASS),
    ("as many breaches as are tolerated", (1, 1), Verdict.PENDING),
    ("one more", (1, 1, 1), Verdict.FAIL),
    ("a good sample in between", (1, 1, 0, 1, 1), Verdict.PENDING),
    ("a gap in between neither counts nor resets", (1, 1, None, 1), Verdict.FAIL),
    ("gaps up to the limit", (0, *(None,) * 4), Verdict.PENDING),
    ("gaps beyond it hold, they do not fail", (1, 1, *(None,) * 5), Verdict.INCONCLUSIVE),
    ("a failed guard stays failed", (1, 1, 1, 0, 0, 0), Verdict.FAIL),
]


@pytest.mark.parametrize(("name", "values", "verdict"), CASES, ids=[case[0] for case in CASES])
def test_a_guard_is_judged(name: str, values: tuple[float | None, ...], verdict: Verdict) -> None:
    assert judge(*values).verdict is verdict


def test_its_sentence_names_value_limit_and_row() -> None:
    assert judge(0, 3, 4, 5).sentence == (
        "unserved pins: 5, to be at most 0; breached 3 times in a row, 2 in a row are tolerated"
    )


def test_each_sample_of_an_age_is_judged_at_its_own_moment() -> None:
    """Else the breach of a minute ago would vanish because the limit has grown since."""
    guard = GuardSpec(
        name="repair-near-baseline",
        source=MetricSource(path="runs.max_repair_needed_age_ms", namespace="orders"),
        threshold=Threshold(bound=Bound.INCREASE_AT_MOST, value=0, plus_elapsed_ms=True),
        failure_limit=0,
    )
    breach = (Sample(at_s=60, value=70_000), Sample(at_s=120, value=70_000))
    judged = watch(guard, breach, 120, Baseline(name="r", values=(0.0,)), 120_000)
    assert judged.verdict is Verdict.FAIL
    assert "age_ms: 70000 ms, to be at most 0 ms above the baseline 0 ms plus the 60000 ms" in (
        judged.sentence
    )


VALUES = st.lists(st.sampled_from([0.0, 1.0, None]), max_size=25)


@given(VALUES, VALUES)
def test_more_samples_never_unfail_it(first: list[float | None], more: list[float | None]) -> None:
    if judge(*first).verdict is Verdict.FAIL:
        assert judge(*first, *more).verdict is Verdict.FAIL


@given(VALUES)
def test_gaps_and_good_samples_alone_never_fail_it(values: list[float | None]) -> None:
    good = [None if value is None else 0.0 for value in values]
    assert judge(*good).verdict is not Verdict.FAIL


@given(VALUES)
def test_it_fails_exactly_when_more_breaches_than_tolerated_stand_in_a_row(
    values: list[float | None],
) -> None:
    patient = judge(
        *values,
        guard=GuardSpec(
            name="served", source=SERVED.source, threshold=SERVED.threshold, no_data_limit=1_000
        ),
    )
    streaks = "".join("x" if v else "." for v in values if v is not None)
    assert (patient.verdict is Verdict.FAIL) == ("xxx" in streaks)
