"""`verify`: the step's gates, or the verification table by name; then smoke runs where asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rollout_kit.document.plan import (
    ApiCutoverStep,
    BootstrapStep,
    BuiltInGuard,
    DrainStep,
    GuardName,
    Identity,
    PinnedRuns,
    RestoreStep,
    SchedulerHandoverStep,
    Step,
    StepKind,
    VerifyStep,
)
from rollout_kit.model.gate import (
    Bound,
    CohortMeasure,
    CohortSource,
    GateSource,
    GateSpec,
    GuardSpec,
    MetricSource,
    StandingSource,
    SupportersSource,
    Threshold,
)
from rollout_kit.model.identity import CohortRef
from rollout_kit.model.observation import BOOTSTRAP_REVISION, node_fact
from rollout_kit.operations.standing import NOT_IN_PLAN
from rollout_kit.planning.api import Expansion, World
from rollout_kit.planning.conditions import NONE, guard_specs, pins_that_decide_nothing
from rollout_kit.planning.probe import probes
from rollout_kit.planning.scope import cohort_in, queues_named
from rollout_kit.planning.unit import after_unit, judge, part

WITHIN_S = 600.0
OVERDUE = "schedules.max_overdue_ms"
NOTHING_TO_PROBE = "smoke: the plan changes nothing, so no run is started to probe it"
NEEDS_ADMIN = "not judged: it reads operator metrics, and the plan has no credentials.admin"


class VerifyPlanner:
    uses = StepKind.VERIFY.value

    def expand(self, step: Step, world: World) -> Expansion:
        assert isinstance(step.with_, VerifyStep)
        if step.gates:
            checks = after_unit(step, "", world, bake_s=0, follows=())
        else:
            rows = _table(world)
            checks = tuple(judge(step, part(row.name), row, world, follows=()) for row in rows)
        checks = tuple(replace(check, follows_plan=True) for check in checks)
        if step.with_.smoke is None:
            return Expansion(operations=checks)
        if world.observation == world.live:
            return Expansion(operations=checks, notes=(NOTHING_TO_PROBE,))
        return Expansion(operations=(*probes(step, step.with_.smoke, world), *checks))


def _table(world: World) -> Iterator[GateSpec]:
    ignoring = pins_that_decide_nothing(world.document)
    served = CohortSource(measure=CohortMeasure.UNSERVED_PINS, ignoring=ignoring)
    yield _row("bootstrap-done", _bootstrap_done(world))
    yield _row("nodes-are-to", _nodes_are_to(world))
    yield _row("supporters", SupportersSource(ignoring=ignoring))
    yield _row("served", served)
    yield _row("drains-retired", _drains_retired(world))
    yield _schedules_caught_up(world)
    yield from _repair_near_baseline(world)


def _row(name: str, source: GateSource, threshold: Threshold = NONE) -> GateSpec:
    return GateSpec(name=name, source=source, threshold=threshold, for_s=0.0, within_s=WITHIN_S)


def _bootstrap_done(world: World) -> StandingSource:
    for step in world.document.steps:
        if isinstance(step.with_, BootstrapStep):
            subject = {BOOTSTRAP_REVISION: step.with_.revision}
            return StandingSource(row="bootstrap-done", subject=subject)
    return _absent("bootstrap-done")


def _nodes_are_to(world: World) -> StandingSource:
    """Every node that the plan replaces shows the new version, and the scheduler the new image."""
    server = world.document.release.server
    subject: dict[str, str] = {}
    for step in world.document.steps:
        if server is None:
            continue
        match step.with_:
            case ApiCutoverStep(order=order):
                subject |= {node_fact(node, "image"): server.image for node in order}
                if server.identity is Identity.VERSION:
                    subject |= {node_fact(node, "version"): server.to for node in order}
                if server.identity is Identity.PROVENANCE:
                    subject |= {node_fact(node, "ref"): server.to for node in order}
            case SchedulerHandoverStep():
                subject["scheduler/image"] = server.image
    if not subject:
        return _absent("nodes-are-to")
    return StandingSource(row="nodes-are-to", subject=subject)


def _drains_retired(world: World) -> StandingSource:
    """What the plan drains is gone; a cohort that may be kept for its runs satisfies the row."""
    gone: list[CohortRef] = []
    kept: list[CohortRef] = []
    for step in world.document.steps:
        match step.with_:
            case (
                DrainStep(task_queues=names, cohort=build, pinned_runs=policy)
                | RestoreStep(task_queues=names, bad=build, pinned_runs=policy)
            ):
                cohorts = [
                    cohort_in(queue, build)
                    for name in names
                    for queue in queues_named(world.document, name)
                ]
                (kept if policy is PinnedRuns.KEEP else gone).extend(cohorts)
    if gone:
        return StandingSource(row="drains-retired", retired=tuple(dict.fromkeys(gone)))
    why = "kept where open runs need it: " + ", ".join(c.label for c in kept) if kept else ""
    return _absent("drains-retired", why or NOT_IN_PLAN)


def _schedules_caught_up(world: World) -> GateSpec:
    name = "schedules-caught-up"
    for step in world.document.steps:
        if not isinstance(step.with_, SchedulerHandoverStep):
            continue
        if world.document.target.credentials.admin is None:
            return _row(name, _absent(name, NEEDS_ADMIN))
        overdue_ms = step.with_.overdue_at_most_s * 1000
        source = MetricSource(path=OVERDUE, namespace=world.document.target.namespace)
        return _row(name, source, Threshold(bound=Bound.AT_MOST, value=overdue_ms))
    return _row(name, _absent(name))


def _repair_near_baseline(world: World) -> Iterator[GateSpec]:
    """The guard's own figures, judged once more at the end."""
    name = GuardName.REPAIR_NEAR_BASELINE.value
    found = [guard for guard in guard_specs(world.document)[0] if _is_repair(guard)]
    for guard in found:
        yield _row(guard.name, guard.source, guard.threshold)
    if found:
        return
    off = next(
        (g.off for g in world.document.guards if isinstance(g, BuiltInGuard) and g.name == name),
        None,
    )
    forward_only = world.document.rollback.forward_only
    why = f"not judged: {off or forward_only}" if off or forward_only else NEEDS_ADMIN
    yield _row(name, _absent(name, why))


def _is_repair(guard: GuardSpec) -> bool:
    return guard.name.startswith(GuardName.REPAIR_NEAR_BASELINE.value)


def _absent(row: str, why_not: str = NOT_IN_PLAN) -> StandingSource:
    return StandingSource(row=row, why_not=why_not)
