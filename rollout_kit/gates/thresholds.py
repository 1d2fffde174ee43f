"""One value against one threshold: the limit that applies, and whether it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from rollout_kit.gates.words import figure
from rollout_kit.model.gate import Baseline, Bound, Threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a value is held against, in the source's unit, and the words that say so."""

    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotJudgeable:
    """This threshold has nothing to be held against; that is never "bad"."""

    reason: str


def limit(
    threshold: Threshold, baseline: Baseline | None, elapsed_ms: float, unit: str
) -> Limit | NotJudgeable:
    """The limit `elapsed_ms` milliseconds after the baseline was taken."""
    grown_ms = elapsed_ms if threshold.plus_elapsed_ms else 0.0
    grown = f" plus the {figure(round(grown_ms), 'ms')} elapsed" if grown_ms else ""
    if not is_relative(threshold):
        value = threshold.value + grown_ms
        asked = figure(threshold.value, unit)
        return Limit(value=value, text=f"{_words(threshold.bound)} {asked}{grown}")
    mean = baseline.mean if baseline else None
    if mean is None:
        return NotJudgeable(reason="there is no baseline to compare with")
    if threshold.percent and mean == 0:
        return NotJudgeable(
            reason=f"{threshold.value:g}% of a baseline of 0 says nothing; "
            "give the threshold in units"
        )
    value = _from_mean(threshold, mean) + grown_ms
    share = f"{threshold.value:g}%" if threshold.percent else figure(threshold.value, unit)
    relation = "above" if threshold.bound is Bound.INCREASE_AT_MOST else "of"
    return Limit(
        value=value,
        text=f"{_words(threshold.bound)} {share} {relation} the baseline {figure(mean, unit)}"
        f"{grown} ({figure(value, unit)})",
    )


def keeps(bound: Bound, value: float, limit_value: float) -> bool:
    """Whether the value is within the limit."""
    match bound:
        case Bound.AT_MOST | Bound.INCREASE_AT_MOST:
            return value <= limit_value
        case Bound.AT_LEAST:
            return value >= limit_value
        case Bound.EQUALS:
            return value == limit_value
        case _:
            assert_never(bound)


def is_relative(threshold: Threshold) -> bool:
    """Whether it is judged against a baseline."""
    return threshold.percent or threshold.bound is Bound.INCREASE_AT_MOST


def _from_mean(threshold: Threshold, mean: float) -> float:
    increase = threshold.bound is Bound.INCREASE_AT_MOST
    if not threshold.percent:
        return mean + threshold.value
    share = abs(mean) * threshold.value / 100
    return mean + share if increase else share if mean > 0 else -share


def _words(bound: Bound) -> str:
    match bound:
        case Bound.AT_MOST | Bound.INCREASE_AT_MOST:
            return "at most"
        case Bound.AT_LEAST:
            return "at least"
        case Bound.EQUALS:
            return "exactly"
        case _:
            assert_never(bound)
