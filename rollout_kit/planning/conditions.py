"""Gates and guards as the plan declares them, turned into values that need no plan."""

from __future__ import annotations

from typing import assert_never

from rollout_kit.document import plan as language
from rollout_kit.document.plan import (
    AddedGuard,
    BuiltInGuard,
    GateDeclaration,
    GuardName,
    PinnedRuns,
    PlanDocument,
)
from rollout_kit.model.gate import (
    Bound,
    CohortMeasure,
    CohortSource,
    GateSource,
    GateSpec,
    GuardSpec,
    HttpSource,
    MetricSource,
    ReadinessSource,
    SupportersSource,
    Threshold,
)
from rollout_kit.planning.scope import cohort_in, queues_named

NONE = Threshold(bound=Bound.AT_MOST, value=0)
NO_MORE = Threshold(bound=Bound.INCREASE_AT_MOST, value=0)
NO_OLDER = Threshold(bound=Bound.INCREASE_AT_MOST, value=0, plus_elapsed_ms=True)
REPAIR_COUNT = "runs.repair_needed"
REPAIR_AGE = "runs.max_repair_needed_age_ms"


def gate_spec(declaration: GateDeclaration, document: PlanDocument) -> GateSpec:
    """A declared gate, complete without the document."""
    return GateSpec(
        name=declaration.name,
        source=gate_source(declaration.source, document),
        threshold=declaration.threshold,
        for_s=declaration.for_s,
        within_s=declaration.within_s,
        interval_s=declaration.interval_s,
        no_data_limit=declaration.no_data_limit,
    )


def gate_source(source: language.Source, document: PlanDocument) -> GateSource:
    match source:
        case language.MetricSource():
            return MetricSource(path=source.path, namespace=document.target.namespace)
        case language.CohortSource():
            return _cohort_source(source, document)
        case language.ReadinessSource():
            return ReadinessSource(node=source.node)
        case language.HttpSource():
            headers = {name: text.template for name, text in source.headers}
            return HttpSource(url=source.url, pointer=source.pointer, headers=headers)
        case _:
            assert_never(source)


def guard_specs(document: PlanDocument) -> tuple[tuple[GuardSpec, ...], tuple[str, ...]]:
    """Every guard of the plan, and a note for each that does not decide anything, with the reason."""
    specs: list[GuardSpec] = []
    notes: list[str] = []
    for declared in document.guards:
        match declared:
            case AddedGuard():
                source = gate_source(declared.source, document)
                specs.append(_guard(declared, declared.name, source, declared.threshold))
            case BuiltInGuard(off=str() as reason):
                notes.append(f"guard {declared.name} is off: {reason}")
            case BuiltInGuard():
                found, why_not = _built_in(declared, document)
                specs += found
                notes += [f"guard {declared.name} is off: {why_not}"] if why_not else []
    return tuple(specs), tuple(notes)


def pins_that_decide_nothing(document: PlanDocument) -> tuple[str, ...]:
    """Builds whose open runs the author gave up: stranded, or left behind by a forward-only fix.

    The unversioned cohort's label stands for unpinned runs.
    """
    given_up = [
        step.with_.cohort
        for step in document.steps
        if isinstance(step.with_, language.DrainStep)
        and step.with_.pinned_runs is PinnedRuns.STRAND
    ]
    given_up += [
        step.with_.bad
        for step in document.steps
        if isinstance(step.with_, language.RestoreStep)
        and step.with_.pinned_runs is PinnedRuns.STRAND
    ]
    if document.rollback.forward_only is not None:
        given_up += [entry.from_ for entry in document.release.workers if entry.from_ is not None]
    return tuple(dict.fromkeys(build.label for build in given_up))


def _built_in(
    declared: BuiltInGuard, document: PlanDocument
) -> tuple[tuple[GuardSpec, ...], str | None]:
    ignoring = pins_that_decide_nothing(document)
    match declared.guard:
        case GuardName.SERVED:
            served = CohortSource(measure=CohortMeasure.UNSERVED_PINS, ignoring=ignoring)
            return (_guard(declared, declared.name, served, declared.threshold or NONE),), None
        case GuardName.SUPPORTERS:
            supporters = SupportersSource(ignoring=ignoring)
            return (_guard(declared, declared.name, supporters, declared.threshold or NONE),), None
        case GuardName.ATTACHED_READY:
            ready = ReadinessSource()
            return (_guard(declared, declared.name, ready, declared.threshold or NONE),), None
        case GuardName.REPAIR_NEAR_BASELINE:
            return _repair_guards(declared, document)
        case _:
            assert_never(declared.guard)


def _repair_guards(
    declared: BuiltInGuard, document: PlanDocument
) -> tuple[tuple[GuardSpec, ...], str | None]:
    """Two figures in each declared namespace: how many runs need repair, and since when."""
    if document.rollback.forward_only is not None:
        return (), "the plan is forward only, so what was broken before decides nothing"
    if document.target.credentials.admin is None:
        return (), "it reads operator metrics, and the plan has no credentials.admin"
    specs: list[GuardSpec] = []
    for namespace in document.target.namespaces:
        name = declared.name
        if namespace != document.target.namespace:
            name = f"{name}@{namespace}"
        count = MetricSource(path=REPAIR_COUNT, namespace=namespace)
        age = MetricSource(path=REPAIR_AGE, namespace=namespace)
        specs.append(_guard(declared, name, count, declared.threshold or NO_MORE))
        specs.append(_guard(declared, f"{name}-age", age, NO_OLDER))
    return tuple(specs), None


def _guard(
    declared: BuiltInGuard | AddedGuard, name: str, source: GateSource, threshold: Threshold
) -> GuardSpec:
    return GuardSpec(
        name=name,
        source=source,
        threshold=threshold,
        interval_s=declared.interval_s,
        failure_limit=declared.failure_limit,
        no_data_limit=declared.no_data_limit,
    )


def _cohort_source(source: language.CohortSource, document: PlanDocument) -> CohortSource:
    ignoring = (
        pins_that_decide_nothing(document) if source.measure is CohortMeasure.UNSERVED_PINS else ()
    )
    if source.task_queue is None:
        return CohortSource(measure=source.measure, ignoring=ignoring)
    queue = queues_named(document, source.task_queue)[0]
    if source.build is None:
        return CohortSource(measure=source.measure, queue=queue, ignoring=ignoring)
    return CohortSource(
        measure=source.measure, cohort=cohort_in(queue, source.build), ignoring=ignoring
    )
