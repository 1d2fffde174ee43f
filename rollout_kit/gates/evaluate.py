"""Judge a gate or a guard by its samples so far.

Both walk the samples in order and stop at the first verdict, so that a decided one stays decided
however many samples follow. Time alone decides nothing: a gate times out at a sample taken at or
after its deadline (look first, time out second), and whoever samples gives a sample without data
when there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.gates.thresholds import Limit, NotJudgeable, keeps, limit
from rollout_kit.gates.words import figure, subject, unit
from rollout_kit.model.duration import span
from rollout_kit.model.gate import (
    Baseline,
    GateSource,
    GateSpec,
    GuardSpec,
    Judgement,
    Sample,
    Threshold,
    Verdict,
)

WATCHED_INTERVALS = 3.0
"""Between two samples at most so many intervals count as watched: a suspended machine saw nothing."""


def evaluate(
    gate: GateSpec,
    samples: Sequence[Sample],
    now_s: float,
    baseline: Baseline | None,
    *,
    since_s: float | None = None,
    elapsed_ms: float = 0.0,
) -> Judgement:
    """Judge a gate.

    It passes once it held for `for_s` under watch. It is inconclusive when it cannot be measured:
    more than `no_data_limit` samples in a row without data, nothing to compare with, or `within_s`
    over without one breach. It fails when `within_s` is over and it was measured bad. Two good samples
    count the time between them; a sample without data in between counts nothing and resets nothing.

    Args:
        samples: oldest first, monotonic seconds.
        now_s: monotonic seconds.
        since_s: when the wait of `within_s` began; by default at the first sample.
        elapsed_ms: milliseconds from the baseline to `now_s`.
    """
    tally = _Tally(gate.source, gate.threshold, baseline, now_s=now_s, elapsed_ms=elapsed_ms)
    if tally.not_judgeable:
        return tally.judgement(Verdict.INCONCLUSIVE, f"cannot be judged: {tally.not_judgeable}")
    began_s = since_s if since_s is not None else samples[0].at_s if samples else now_s
    for sample in samples:
        tally.add(sample, gate.interval_s)
        if tally.good and tally.held_s >= gate.for_s:
            held = f"held for {span(tally.held_s)}" if gate.for_s else "holds"
            return tally.judgement(Verdict.PASS, held)
        if tally.gaps > gate.no_data_limit:
            cannot = tally.cannot_measure(gate.no_data_limit)
            return tally.judgement(Verdict.INCONCLUSIVE, cannot)
        if sample.at_s - began_s >= gate.within_s:
            return _timed_out(gate, tally)
    held = f"held {span(tally.held_s)} of {span(gate.for_s)}"
    waited = f"{span(max(0.0, now_s - began_s))} of {span(gate.within_s)} waited"
    return tally.judgement(Verdict.PENDING, f"{held}, {waited}")


def watch(
    guard: GuardSpec,
    samples: Sequence[Sample],
    now_s: float,
    baseline: Baseline | None,
    elapsed_ms: float,
) -> Judgement:
    """Judge a guard.

    It fails after more than `failure_limit` breaches in a row (samples without data in between
    neither count nor reset) and is inconclusive after more than `no_data_limit` samples without
    data in a row. Otherwise PASS says that the last data was good, PENDING that it was not or is not there.

    Args:
        elapsed_ms: milliseconds from the baseline to `now_s`; each sample is judged at its own.
    """
    tally = _Tally(guard.source, guard.threshold, baseline, now_s=now_s, elapsed_ms=elapsed_ms)
    if tally.not_judgeable:
        return tally.judgement(Verdict.INCONCLUSIVE, f"cannot be judged: {tally.not_judgeable}")
    for sample in samples:
        tally.add(sample, guard.interval_s)
        if tally.streak > guard.failure_limit:
            return tally.judgement(Verdict.FAIL, _in_a_row(guard, tally))
        if tally.gaps > guard.no_data_limit:
            cannot = tally.cannot_measure(guard.no_data_limit)
            return tally.judgement(Verdict.INCONCLUSIVE, cannot)
    verdict = Verdict.PASS if tally.good else Verdict.PENDING
    return tally.judgement(verdict, _in_a_row(guard, tally) if tally.streak else "watched")


def _in_a_row(guard: GuardSpec, tally: _Tally) -> str:
    times = "once" if tally.streak == 1 else f"{tally.streak} times in a row"
    return f"breached {times}, {guard.failure_limit} in a row are tolerated"


def _timed_out(gate: GateSpec, tally: _Tally) -> Judgement:
    """It did not hold in time: bad if a breach was measured, else nobody can say."""
    tried = f"did not hold for {span(gate.for_s)} within {span(gate.within_s)}"
    if tally.breaches == 0:
        missing = "not measured long enough" if tally.last else "never measured"
        return tally.judgement(Verdict.INCONCLUSIVE, f"{tried}: {missing}")
    return tally.judgement(Verdict.FAIL, f"{tried}: held {span(tally.held_s)} at the end")


@dataclass(slots=True)
class _Tally:
    """What the samples so far add up to."""

    source: GateSource
    threshold: Threshold
    baseline: Baseline | None
    now_s: float
    elapsed_ms: float
    held_s: float = 0.0
    streak: int = 0  # breaches in a row
    breaches: int = 0
    gaps: int = 0  # samples without data in a row
    good: bool = False  # the last sample had data and keeps the limit
    last: Sample | None = None  # the last one with data
    gap: str = ""  # what the last sample without data says

    @property
    def not_judgeable(self) -> str:
        found = self._limit(self.now_s)
        return found.reason if isinstance(found, NotJudgeable) else ""

    def add(self, sample: Sample, interval_s: float) -> None:
        if sample.value is None or math.isnan(sample.value):
            self.gaps += 1
            self.good = False
            self.gap = sample.detail or "no reason given"
            return
        found = self._limit(sample.at_s)
        assert isinstance(found, Limit)
        kept = keeps(self.threshold.bound, sample.value, found.value)
        if kept and self.good and self.last:
            passed_s = max(0.0, sample.at_s - self.last.at_s)
            self.held_s += min(passed_s, WATCHED_INTERVALS * interval_s)
        elif not kept:
            self.held_s = 0.0
            self.breaches += 1
        self.streak = 0 if kept else self.streak + 1
        self.gaps, self.good, self.last = 0, kept, sample

    def cannot_measure(self, limit: int) -> str:
        times = "1 sample" if self.gaps == 1 else f"{self.gaps} samples in a row"
        return f"cannot be measured: {times} without data ({self.gap}), {limit} are tolerated"

    def judgement(self, verdict: Verdict, ending: str) -> Judgement:
        """The sentence: what, its value, the limit, then `ending`."""
        what, unit_name = subject(self.source), unit(self.source)
        parts = [f"{what}: no data yet"]
        if self.last and self.last.value is not None:
            found = self._limit(self.last.at_s)
            asked = found.text if isinstance(found, Limit) else found.reason
            detail = f" ({self.last.detail})" if self.last.detail else ""
            value = figure(self.last.value, unit_name)
            parts = [f"{what}: {value}{detail}, to be {asked}"]
        return Judgement(
            verdict=verdict,
            sentence="; ".join((*parts, ending)),
            held_for_s=self.held_s,
            breaches=self.breaches,
        )

    def _limit(self, at_s: float) -> Limit | NotJudgeable:
        """The limit at a moment; one that grows with time is that of the moment, not of now."""
        elapsed_ms = max(0.0, self.elapsed_ms - (self.now_s - at_s) * 1000.0)
        return limit(self.threshold, self.baseline, elapsed_ms, unit(self.source))
