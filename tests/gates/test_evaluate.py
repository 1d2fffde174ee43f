"""Gates: when one passes, fails, cannot be judged, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout_kit.gates.evaluate import evaluate
from rollout_kit.model.gate import (
    Baseline,
    Bound,
    GateSpec,
    Judgement,
    MetricSource,
    Sample,
    Threshold,
    Verdict,
)

SOURCE = MetricSource(path="tasks.lease_expired", namespace="orders")
AT_MOST_2 = Threshold(bound=Bound.AT_MOST, value=2)


def gate(threshold: Threshold = AT_MOST_2, *, for_s: float = 20, within_s: float = 60) -> GateSpec:
    return GateSpec(
        name="g", source=SOURCE, threshold=threshold, for_s=for_s, within_s=within_s, interval_s=10
    )


def samples(*values: float | None, every_s: float = 10) -> tuple[Sample, ...]:
    return tuple(
        Sample(at_s=n * every_s, value=value, detail="" if value is not None else "no answer")
        for n, value in enumerate(values)
    )


def judge(spec: GateSpec, taken: Sequence[Sample], baseline: Baseline | None = None) -> Judgement:
    return evaluate(spec, taken, taken[-1].at_s if taken else 0.0, baseline)


PENDING, PASS, INCONCLUSIVE, FAIL = (
    Verdict.PENDING,
    Verdict.PASS,
    Verdict.INCONCLUSIVE,
    Verdict.FAIL,
)
CASES = [
    ("nothing measured yet", (), PENDING),
    ("good, not long enough", (0, 0), PENDING),
    ("good for as long as asked", (0, 0, 0), PASS),
    ("a breach starts the window again", (0, 0, 9, 0, 0), PENDING),
    ("and it passes when the new window is full", (0, 0, 9, 0, 0, 0), PASS),
    ("a gap counts nothing", (0, None, 0, 0), PENDING),
    ("a gap resets nothing", (0, 0, None, 0, 0), PASS),
    ("bad until the end of the wait", (9, 9, 9, 9, 9, 9, 9), FAIL),
    ("bad, then good but not for long enough", (9, 9, 9, 9, 9, 0, 0), FAIL),
    ("a fresh look at the deadline that completes the window passes", (9, 9, 9, 9, 0, 0, 0), PASS),
    ("as many samples in a row without data as are tolerated", (0, *(None,) * 3), PENDING),
    ("one more", (0, *(None,) * 4), INCONCLUSIVE),
    ("as many, and it comes back", (0, *(None,) * 3, 0, 0, 0), PASS),
    ("more without data after a breach", (9, *(None,) * 4), INCONCLUSIVE),
    ("data comes back in time", (0, None, None, 0, 0, 0), PASS),
    ("gaps alone kept it from being held", (0, None, 0, None, 0, None, 0), INCONCLUSIVE),
    ("last data bad, then a gap at the deadline", (0, 9, 0, 9, 0, 9, None), FAIL),
    ("a failure stays one when the figures recover", (9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0), FAIL),
    ("a pass stays one when the figures turn bad", (0, 0, 0, 9, 9, 9, 9, 9), PASS),
    ("not a number is no data", (0, *(float("nan"),) * 4), INCONCLUSIVE),
]


@pytest.mark.parametrize(("name", "values", "verdict"), CASES, ids=[case[0] for case in CASES])
def test_a_gate_is_judged(name: str, values: tuple[float | None, ...], verdict: Verdict) -> None:
    assert judge(gate(), samples(*values)).verdict is verdict


BASE_0, BASE_10 = (Baseline(name="g", values=(v,)) for v in (0.0, 10.0))


def threshold(bound: Bound, value: float, *, percent: bool = False) -> Threshold:
    return Threshold(bound=bound, value=value, percent=percent)


LIMITS = [
    (threshold(Bound.AT_MOST, 2), None, 2, PASS),
    (threshold(Bound.AT_MOST, 2), None, 3, PENDING),
    (threshold(Bound.AT_LEAST, 2), None, 2, PASS),
    (threshold(Bound.AT_LEAST, 2), None, 1, PENDING),
    (threshold(Bound.EQUALS, 2), None, 2, PASS),
    (threshold(Bound.EQUALS, 2), None, 2.5, PENDING),
    (threshold(Bound.INCREASE_AT_MOST, 0), BASE_0, 0, PASS),
    (threshold(Bound.INCREASE_AT_MOST, 0), BASE_0, 1, PENDING),
    (threshold(Bound.INCREASE_AT_MOST, 5), BASE_10, 15, PASS),
    (threshold(Bound.INCREASE_AT_MOST, 5), BASE_10, 15.1, PENDING),
    (threshold(Bound.INCREASE_AT_MOST, 20, percent=True), BASE_10, 12, PASS),
    (threshold(Bound.INCREASE_AT_MOST, 20, percent=True), BASE_10, 12.1, PENDING),
    (threshold(Bound.AT_MOST, 50, percent=True), BASE_10, 5, PASS),
    (threshold(Bound.AT_MOST, 50, percent=True), BASE_10, 6, PENDING),
    (threshold(Bound.AT_LEAST, 50, percent=True), BASE_10, 4, PENDING),
    (threshold(Bound.INCREASE_AT_MOST, 20, percent=True), BASE_0, 0, INCONCLUSIVE),
    (threshold(Bound.AT_MOST, 50, percent=True), BASE_0, 0, INCONCLUSIVE),
    (threshold(Bound.INCREASE_AT_MOST, 1), None, 0, INCONCLUSIVE),
    (threshold(Bound.INCREASE_AT_MOST, 1), Baseline(name="g", values=()), 0, INCONCLUSIVE),
]


@pytest.mark.parametrize(("bound", "baseline", "value", "verdict"), LIMITS)
def test_a_value_is_held_against_its_limit(
    bound: Threshold, baseline: Baseline | None, value: float, verdict: Verdict
) -> None:
    assert judge(gate(bound, for_s=0), samples(value), baseline).verdict is verdict


def test_a_baseline_is_the_mean_of_its_samples() -> None:
    baseline = Baseline(name="g", values=(8.0, 12.0))
    bound = threshold(Bound.INCREASE_AT_MOST, 5)
    assert judge(gate(bound, for_s=0), samples(15), baseline).verdict is PASS


def test_an_age_may_grow_by_the_time_since_the_baseline() -> None:
    bound = Threshold(bound=Bound.INCREASE_AT_MOST, value=0, plus_elapsed_ms=True)
    spec = gate(bound, for_s=10, within_s=30)
    ages = (Sample(at_s=100, value=1_000), Sample(at_s=110, value=11_000))
    kept = evaluate(spec, ages, 110, BASE_0, elapsed_ms=11_000)
    assert kept.verdict is PASS
    older = (Sample(at_s=100, value=1_500), Sample(at_s=110, value=11_500))
    assert evaluate(spec, older, 110, BASE_0, elapsed_ms=11_000).breaches == 2


def test_time_that_nobody_watched_does_not_count_as_held() -> None:
    suspended = (Sample(at_s=0, value=0), Sample(at_s=3_600, value=0))
    verdict = evaluate(gate(for_s=60, within_s=9_000), suspended, 3_600, None)
    assert (verdict.verdict, verdict.held_for_s) == (PENDING, 30)


def test_the_wait_may_have_begun_before_this_process_attached() -> None:
    late = evaluate(gate(), samples(9), 0, None, since_s=-60)
    assert late.verdict is FAIL


def test_time_alone_decides_nothing() -> None:
    assert evaluate(gate(), samples(9, 9), 10_000, None).verdict is PENDING


def test_a_limit_of_0_tolerates_no_sample_without_data_and_every_one_with() -> None:
    strict = replace(gate(for_s=0), no_data_limit=0)
    assert judge(strict, samples(0)).verdict is PASS
    assert judge(strict, samples(9)).verdict is PENDING
    judged = judge(strict, samples(None))
    assert judged.verdict is INCONCLUSIVE
    assert "1 sample without data (no answer), 0 are tolerated" in judged.sentence


SENTENCES = [
    (
        (3, 0),
        AT_MOST_2,
        None,
        "tasks.lease_expired: 0, to be at most 2; held 0s of 20s, 10s of 1m",
    ),
    ((0, 0, 0), AT_MOST_2, None, "held for 20s"),
    ((9,) * 7, AT_MOST_2, None, "expired: 9, to be at most 2; did not hold for 20s within 1m"),
    ((None,) * 4, AT_MOST_2, None, "no data yet; cannot be measured: 4 samples in a row without"),
    ((None,) * 4, AT_MOST_2, None, "(no answer), 3 are tolerated"),
    ((9,), threshold(Bound.INCREASE_AT_MOST, 5), BASE_10, "at most 5 above the baseline 10 (15)"),
    ((0,), threshold(Bound.AT_MOST, 5, percent=True), BASE_0, "5% of a baseline of 0 says nothing"),
]


@pytest.mark.parametrize(("values", "bound", "baseline", "words"), SENTENCES)
def test_a_sentence_shows_value_limit_and_time(
    values: tuple[float | None, ...], bound: Threshold, baseline: Baseline | None, words: str
) -> None:
    assert words in judge(gate(bound), samples(*values), baseline).sentence


def test_units_stand_beside_both_values() -> None:
    source = MetricSource(path="schedules.max_overdue_ms", namespace="orders")
    spec = GateSpec(name="g", source=source, threshold=AT_MOST_2, for_s=0, within_s=60)
    assert "schedules.max_overdue_ms: 7 ms, to be at most 2 ms" in judge(spec, samples(7)).sentence


VALUES = st.lists(st.sampled_from([0.0, 1.0, 9.0, None]), max_size=25)


@given(VALUES, VALUES, st.sampled_from([0, 10, 30]))
def test_once_decided_it_stays_decided(
    first: list[float | None], more: list[float | None], for_s: float
) -> None:
    spec = gate(for_s=for_s)
    before = judge(spec, samples(*first))
    after = judge(spec, samples(*first, *more))
    if before.verdict is not PENDING:
        assert after == before


@given(VALUES)
def test_without_a_breach_it_never_fails(values: list[float | None]) -> None:
    good = [None if value is None else 0.0 for value in values]
    assert judge(gate(), samples(*good)).verdict is not FAIL


@given(VALUES, st.floats(min_value=0, max_value=20))
def test_a_wider_limit_never_turns_a_pass_into_something_else(
    values: list[float | None], wider: float
) -> None:
    narrow = judge(gate(), samples(*values))
    wide = judge(gate(threshold(Bound.AT_MOST, 2 + wider)), samples(*values))
    if narrow.verdict is PASS:
        assert wide.verdict is PASS
    if wide.verdict is FAIL:
        assert narrow.verdict in (FAIL, INCONCLUSIVE)
    assert wide.held_for_s >= narrow.held_for_s or wide.verdict is PASS
