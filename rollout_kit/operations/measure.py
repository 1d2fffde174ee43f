"""From a gate's source to one sample: what to look at, and what the look says.

No data is a sample of its own, with the reason; it never becomes 0 (rule 14). Unserved pins are judged
on what was read and say "k of n"; any other count that was cut off proves a breach, but not that
there is none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import (
    CohortMeasure,
    CohortSource,
    GateSource,
    HttpSource,
    MetricSource,
    ReadinessSource,
    Sample,
    StandingSource,
    SupportersSource,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import Observation
from rollout_kit.model.situation import Count, Situation
from rollout_kit.operations import pins, reading
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.queues import NAMESPACES, RUNS, read_queue, read_runs
from rollout_kit.operations.standing import judge_standing, observe_standing, why_unread
from rollout_kit.operations.survey import QUEUES, read_pins, read_routes


def observe_source(source: GateSource, readers: Readers, now_s: float) -> Seen:
    """One look at what the source counts. Errors of reading become reasons, never values."""
    match source:
        case MetricSource():
            return _one(metric_key(source), _metric(source, readers), now_s)
        case HttpSource():
            answer = ask(lambda: readers.metrics.http_number(source))
            return _one(http_key(source), answer, now_s)
        case ReadinessSource():
            names = (source.node,) if source.node else readers.scope.nodes
            looks = (reading.read_presence(node, readers, now_s) for node in names)
            return reading.merged(looks, now_s)
        case CohortSource(measure=CohortMeasure.UNSERVED_PINS):
            return read_pins(readers, now_s)
        case CohortSource():
            return _observe_cohort(source.measure, _named(source), readers, now_s)
        case SupportersSource():
            return read_routes(readers, now_s)
        case StandingSource():
            return observe_standing(source, readers, now_s)
        case _:
            assert_never(source)


def sample(
    source: GateSource,
    seen: Seen,
    *,
    scope: Scope,
    unserved_before: Collection[str] = (),
    out_of_rotation: Collection[str] = (),
) -> Sample:
    """What the look says, as one measurement.

    Rule 14: what was not counted has no value and says why; it never becomes zero.

    Args:
        unserved_before: labels of pins that nobody served before the rollout; they decide nothing.
        out_of_rotation: nodes that an open group has detached; `attached-ready` leaves them out.
    """
    match source:
        case MetricSource():
            return _number(metric_key(source), seen)
        case HttpSource():
            return _number(http_key(source), seen)
        case ReadinessSource():
            return _not_ready(source, seen, scope, out_of_rotation)
        case CohortSource(measure=CohortMeasure.UNSERVED_PINS):
            return _unserved(source, seen, scope, unserved_before)
        case CohortSource():
            return _cohort(source.measure, _named(source), seen)
        case SupportersSource():
            return _supporters(source, seen, scope)
        case StandingSource():
            value, detail = judge_standing(source, seen)
            return Sample(at_s=seen.at_s, value=value, detail=detail)
        case _:
            assert_never(source)


def metric_key(source: MetricSource) -> str:
    """The metric's name in a situation."""
    return f"{source.namespace}:{source.path}"


def http_key(source: HttpSource) -> str:
    """The number's name in a situation; the URL as the plan writes it, so never a secret."""
    return f"{source.url}#{source.pointer}"


def _named(source: CohortSource) -> CohortRef:
    assert source.cohort is not None, "only unserved pins are counted without a cohort"
    return source.cohort


def _metric(source: MetricSource, readers: Readers) -> float | str | Missing:
    if not readers.engine.has_admin():
        return "operator metrics need the admin token"
    answer = ask(lambda: readers.engine.operator_metrics(source.namespace))
    if isinstance(answer, Missing):
        return answer
    if source.path not in answer.values:
        return f"the server's metrics have no {source.path}"
    value = answer.values[source.path]
    return f"{source.path} is null: the server did not measure it" if value is None else value


def _one(key: str, answer: float | str | Missing, now_s: float) -> Seen:
    """A situation with this number, or with the reason why there is none."""
    match answer:
        case Missing():
            situation = Situation(unread={key: answer.reason})
        case str():
            situation = Situation(unread={key: answer})
        case _:
            situation = Situation(metrics={key: float(answer)})
    return Seen(observation=Observation(), situation=situation, at_s=now_s)


def _number(key: str, seen: Seen) -> Sample:
    value = seen.situation.metrics.get(key)
    detail = "" if value is not None else seen.situation.unread.get(key, "nobody looked")
    return Sample(at_s=seen.at_s, value=value, detail=detail)


def _not_ready(
    source: ReadinessSource, seen: Seen, scope: Scope, out_of_rotation: Collection[str]
) -> Sample:
    """Rule 5: which nodes are not ready, told apart from "nothing is ready".

    A node without an answer is not known to be bad, and the others cannot speak for it.
    """
    numbers = seen.situation
    if source.node:
        judged = [source.node]
    else:
        judged = [node for node in scope.nodes if _in_rotation(node, seen, out_of_rotation)]
    bad = {n: numbers.node(n).diagnosis or "not ready" for n in judged if _is_bad(n, seen)}
    silent = {
        n: numbers.node(n).error or "no answer" for n in judged if numbers.node(n).ready is None
    }
    why = "; ".join(f"{node}: {text}" for node, text in (*bad.items(), *silent.items()))
    if len(bad) == len(judged) > 1:
        why = f"nothing is ready, so look at what the nodes share: {why}"
    value = None if silent and not bad else float(len(bad))
    return Sample(at_s=seen.at_s, value=value, detail=why, partial=bool(silent))


def _is_bad(node: str, seen: Seen) -> bool:
    return seen.situation.node(node).ready is False


def _in_rotation(node: str, seen: Seen, out_of_rotation: Collection[str]) -> bool:
    return node not in out_of_rotation and seen.observation.node(node, "attached") is not False


def _unserved(
    source: CohortSource, seen: Seen, scope: Scope, unserved_before: Collection[str]
) -> Sample:
    found = [
        pin
        for pin in pins.unserved(seen.observation, seen.situation, scope)
        if pin.label not in unserved_before
        and pin.build not in source.ignoring
        and (source.queue is None or pin.queue == source.queue)
        and (source.cohort is None or _is(pin, source.cohort))
    ]
    coverage = pins.coverage(seen.observation, seen.situation, scope)
    unread = [f"{what}: {why}" for what, why in seen.situation.unread.items() if _hides(what)]
    gaps = list(dict.fromkeys((*coverage.unmeasured, *unread)))
    read = [coverage.text] if coverage.described < coverage.listed else []
    if not found and (gaps or (read and coverage.described == 0)):
        detail = "not measured: " + "; ".join((*gaps, *read))
        return Sample(at_s=seen.at_s, value=None, detail=detail, partial=True)
    detail = "; ".join((*(f"{pin.label}: {pin.count}" for pin in found), *read, *gaps))
    count = float(sum(pin.count for pin in found))
    return Sample(at_s=seen.at_s, value=count, detail=detail, partial=bool(gaps or read))


def _is(pin: pins.UnservedPin, cohort: CohortRef) -> bool:
    return pin.queue == cohort.queue and pin.pin == cohort.build_id


def _hides(unread: str) -> bool:
    """Whether unserved pins could hide in what was not read."""
    return unread.startswith((RUNS, NAMESPACES, QUEUES)) or unread.endswith("/build-ids")


def _observe_cohort(
    measure: CohortMeasure, cohort: CohortRef, readers: Readers, now_s: float
) -> Seen:
    if measure is CohortMeasure.OPEN_PINNED_RUNS:
        return read_runs(cohort.namespace, readers, now_s)
    return read_queue(cohort.queue, readers, now_s, (cohort,))


def _cohort(measure: CohortMeasure, cohort: CohortRef, seen: Seen) -> Sample:
    numbers = seen.situation.cohort(cohort)
    match measure:
        case CohortMeasure.ACTIVE_WORKERS:
            return _plain(numbers.active, cohort, seen)
        case CohortMeasure.DRAINING_WORKERS:
            return _plain(numbers.draining, cohort, seen)
        case CohortMeasure.LEASES:
            return _counted(numbers.leases, cohort, seen, "the list of leases was cut off")
        case CohortMeasure.OPEN_PINNED_RUNS:
            return _open_runs(cohort, seen)
        case CohortMeasure.UNSERVED_PINS:
            raise AssertionError("unserved pins are counted over queues")
        case _:
            assert_never(measure)


def _open_runs(cohort: CohortRef, seen: Seen) -> Sample:
    """Open runs of the cohort's own queue that are pinned to its build."""
    listing = seen.situation.open_runs.get(cohort.namespace)
    if listing is None:
        return Sample(at_s=seen.at_s, value=None, detail=why_unread(cohort, seen))
    pinned = pins.pinned_runs(seen.situation, cohort.build_id)
    found = sum(1 for run in pinned if (run.namespace, run.task_queue) == _place(cohort))
    count = Count(at_least=found, complete=listing.complete)
    return _counted(count, cohort, seen, listing.progress)


def _place(cohort: CohortRef) -> tuple[str, str]:
    return cohort.namespace, cohort.task_queue


def _plain(value: int | None, cohort: CohortRef, seen: Seen) -> Sample:
    if value is None:
        return Sample(at_s=seen.at_s, value=None, detail=why_unread(cohort, seen))
    return Sample(at_s=seen.at_s, value=float(value))


def _counted(count: Count | None, cohort: CohortRef, seen: Seen, cut: str) -> Sample:
    if count is None:
        return Sample(at_s=seen.at_s, value=None, detail=why_unread(cohort, seen))
    if count.complete:
        return Sample(at_s=seen.at_s, value=float(count.at_least))
    value = float(count.at_least) if count.at_least else None
    return Sample(at_s=seen.at_s, value=value, detail=f"{count.text}: {cut}", partial=True)


def _supporters(source: SupportersSource, seen: Seen, scope: Scope) -> Sample:
    found = [
        item
        for item in pins.unserved_markers(seen.observation, seen.situation, scope)
        if item.marker not in source.ignoring
    ]
    unknown = pins.unmeasured_markers(seen.observation, seen.situation, scope)
    told = "; ".join(f"{item.holder}: {item.marker}" for item in found or unknown)
    # Whoever serves it may be on a queue that was not read.
    hidden = [f"{what}: {why}" for what, why in seen.situation.unread.items() if _hides(what)]
    if (found and hidden) or (unknown and not found):
        why = "; ".join((f"whether anybody serves {told} could not be measured", *hidden))
        return Sample(at_s=seen.at_s, value=None, detail=why)
    return Sample(at_s=seen.at_s, value=float(len(found)), detail=told, partial=bool(unknown))
