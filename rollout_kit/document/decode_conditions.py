"""Gates and guards out of a document that keeps to its schema."""

from __future__ import annotations

from rollout_kit.document.conditions import (
    AddedGuard,
    BuiltInGuard,
    CohortSource,
    GateDeclaration,
    GuardDeclaration,
    GuardName,
    HttpSource,
    MetricSource,
    ReadinessSource,
    Source,
)
from rollout_kit.document.defaults import (
    DEFAULT_GATE_WITHIN_S,
    DEFAULT_GUARD_FAILURE_LIMIT,
    DEFAULT_GUARD_NO_DATA_LIMIT,
    DEFAULT_INTERVAL_S,
    DEFAULT_NO_DATA_LIMIT,
)
from rollout_kit.document.fields import (
    Section,
    number,
    optional_cohort,
    optional_s,
    optional_text,
    section,
    text,
    whole,
)
from rollout_kit.document.position import Position
from rollout_kit.document.terms import SecretText
from rollout_kit.model.gate import Bound, CohortMeasure, Threshold


def decode_gate(name: str, entry: Section, at: Position | None) -> GateDeclaration:
    """Give one gate. Raises `UndecidedError`."""
    within_s, interval_s = optional_s(entry, "within"), optional_s(entry, "interval")
    return GateDeclaration(
        name=name,
        source=_source(entry),
        threshold=_threshold(entry) or Threshold(bound=Bound.AT_MOST, value=0.0),
        for_s=optional_s(entry, "for") or 0.0,
        within_s=within_s or DEFAULT_GATE_WITHIN_S,
        interval_s=interval_s or DEFAULT_INTERVAL_S,
        no_data_limit=whole(entry, "no_data_limit", DEFAULT_NO_DATA_LIMIT),
        position=at,
    )


def decode_guard(name: str, entry: Section, at: Position | None) -> GuardDeclaration:
    """Give one guard; a built-in one with an empty entry as it comes. Raises `UndecidedError`."""
    interval_s = optional_s(entry, "interval") or DEFAULT_INTERVAL_S
    failure_limit = whole(entry, "failure_limit", DEFAULT_GUARD_FAILURE_LIMIT)
    no_data_limit = whole(entry, "no_data_limit", DEFAULT_GUARD_NO_DATA_LIMIT)
    threshold = _threshold(entry)
    if name in set(GuardName):
        return BuiltInGuard(
            guard=GuardName(name),
            off=optional_text(entry, "off"),
            threshold=threshold,
            interval_s=interval_s,
            failure_limit=failure_limit,
            no_data_limit=no_data_limit,
            position=at,
        )
    return AddedGuard(
        name=name,
        source=_source(entry),
        threshold=threshold or Threshold(bound=Bound.AT_MOST, value=0.0),
        interval_s=interval_s,
        failure_limit=failure_limit,
        no_data_limit=no_data_limit,
        position=at,
    )


def _source(entry: Section) -> Source:
    if "metric" in entry:
        return MetricSource(path=text(entry, "metric"))
    if "cohort" in entry:
        return CohortSource(
            measure=CohortMeasure(text(entry, "cohort")),
            task_queue=optional_text(entry, "task_queue"),
            build=optional_cohort(entry, "build"),
        )
    if "readiness" in entry:
        everything = entry["readiness"] == "all"
        return ReadinessSource(
            node=None if everything else text(section(entry, "readiness"), "node")
        )
    http = section(entry, "http")
    headers = section(http, "headers")
    return HttpSource(
        url=text(http, "url"),
        pointer=text(http, "pointer"),
        headers=tuple((name, SecretText(text(headers, name))) for name in sorted(headers)),
    )


def _threshold(entry: Section) -> Threshold | None:
    """Give the threshold; readiness has none of its own: nothing may be missing."""
    for bound in Bound:
        if bound in entry:
            value, percent = number(entry, bound)
            return Threshold(bound=bound, value=value, percent=percent)
    return None
