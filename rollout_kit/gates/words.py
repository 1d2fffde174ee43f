"""What a source measures, its unit and its figures, as the sentences of gates print them."""

from __future__ import annotations

from typing import assert_never

from rollout_kit.model.gate import (
    CohortSource,
    GateSource,
    HttpSource,
    MetricSource,
    ReadinessSource,
    StandingSource,
    SupportersSource,
)

_SUFFIX_UNITS = (("_ms", "ms"), ("_milliseconds", "ms"), ("_seconds", "s"), ("_bytes", "bytes"))


def subject(source: GateSource) -> str:
    """What is measured, e.g. `leases of orders@build-1`."""
    match source:
        case MetricSource():
            return source.path
        case CohortSource(measure=measure, cohort=None):
            return measure.value.replace("_", " ")
        case CohortSource(measure=measure, cohort=cohort):
            assert cohort is not None
            return f"{measure.value.replace('_', ' ')} of {cohort.label}"
        case ReadinessSource(node=None):
            return "attached nodes that are not ready"
        case ReadinessSource(node=node):
            return f"readiness of {node}"
        case HttpSource():
            return f"the number at {source.pointer or 'the root'}"
        case SupportersSource():
            return "markers that no started cohort serves"
        case StandingSource():
            return source.row
        case _:
            assert_never(source)


def unit(source: GateSource) -> str:
    """The unit of its numbers; empty for counts, whose subject says what is counted."""
    if not isinstance(source, MetricSource):
        return ""
    found = (name for suffix, name in _SUFFIX_UNITS if source.path.endswith(suffix))
    return next(found, "")


def figure(value: float, unit_name: str) -> str:
    """`3`, `1.5 ms`, `12`: whole numbers without a fraction, others with what they need."""
    whole = value == int(value) if abs(value) < 1e15 else False
    number = str(int(value)) if whole else f"{value:.6g}"
    return f"{number} {unit_name}".rstrip()
