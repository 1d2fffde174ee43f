"""Judge a plan by a pack. Pure: the plan, what it expands to, and the time come in as arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import assert_never

from rollout_kit.document.plan import (
    CohortSource,
    GateDeclaration,
    MetricSource,
    PlanDocument,
    Position,
    ReadinessSource,
    Step,
)
from rollout_kit.model import codec
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.gate import Bound
from rollout_kit.operations.node_acts import AttachNodeArguments, DetachNodeArguments
from rollout_kit.policy.pack import (
    AllowedTargets,
    Enforcement,
    Freeze,
    NodesOut,
    PolicyPack,
    RequiredGate,
    RequiredGates,
    Rule,
)
from rollout_kit.policy.windows import frozen_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule has against a plan. `line` and `column` are the plan's; 0: the whole plan."""

    rule: str  # <pack>/<rule>
    mandatory: bool
    sentence: str
    hint: str = ""
    line: int = 0
    column: int = 0
    policy: str = ""  # where the rule stands: file:line:column


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objection:
    sentence: str
    hint: str
    at: Position | None = None


def evaluate(
    pack: PolicyPack, document: PlanDocument, execution_plan: ExecutionPlan, now: datetime
) -> tuple[Finding, ...]:
    """Everything that the pack has against this plan at this moment; nothing where it is not meant.

    Args:
        now: with a time zone.
    """
    if not pack.concerns(document.target.name):
        return ()
    return tuple(
        Finding(
            rule=f"{pack.name}/{rule.id}",
            mandatory=rule.enforcement is Enforcement.MANDATORY,
            sentence=objection.sentence,
            hint=rule.hint or objection.hint,
            line=objection.at.line if objection.at else 0,
            column=objection.at.column if objection.at else 0,
            policy=f"{pack.file}:{rule.position.line}:{rule.position.column}",
        )
        for rule in pack.rules
        for objection in _objections(rule, document, execution_plan, now)
    )


def _objections(
    rule: Rule, document: PlanDocument, execution_plan: ExecutionPlan, now: datetime
) -> Iterator[_Objection]:
    match rule.body:
        case AllowedTargets() as body:
            yield from _targets(body, document)
        case RequiredGates() as body:
            yield from _gates(body, document)
        case NodesOut() as body:
            yield from _nodes_out(body, execution_plan)
        case Freeze() as body:
            yield from _freeze(body, now)
        case _:
            assert_never(rule.body)


def _targets(body: AllowedTargets, document: PlanDocument) -> Iterator[_Objection]:
    name = document.target.name
    if not any(fnmatchcase(name, pattern) for pattern in body.names):
        yield _Objection(
            sentence=f"target {name} is none of those allowed: {', '.join(body.names)}",
            hint="have the target added to the policy, or check the plan's target.name",
        )


def _gates(body: RequiredGates, document: PlanDocument) -> Iterator[_Objection]:
    for step in document.steps:
        for required in body.gates:
            if step.uses is required.uses and not _has(step, required, document):
                yield _Objection(
                    sentence=f"step {step.id} ({step.uses.value}) lacks {required.label}",
                    hint="declare it under `gates` and name it in the step",
                    at=step.position,
                )


def _has(step: Step, required: RequiredGate, document: PlanDocument) -> bool:
    return any(_is(document.gate(name), required) for name in step.gates)


def _is(gate: GateDeclaration, required: RequiredGate) -> bool:
    limit = gate.threshold
    if required.at_most is not None:
        strict = limit.bound is Bound.AT_MOST and limit.value <= required.at_most
        if not strict or limit.percent:
            return False
    if required.gate is not None:
        return gate.name == required.gate
    match gate.source:
        case MetricSource(path=path):
            return path == required.metric
        case CohortSource(measure=measure):
            return measure is required.cohort
        case ReadinessSource():
            return required.readiness
        case _:
            return False


def _nodes_out(body: NodesOut, execution_plan: ExecutionPlan) -> Iterator[_Objection]:
    total = len(execution_plan.scope.nodes)
    allowed = body.of(total)
    out: set[str] = set()
    for operation in execution_plan.operations:
        match operation.kind:
            case "attach_node":
                attach: AttachNodeArguments = codec.from_json(
                    AttachNodeArguments, operation.arguments
                )
                out.discard(attach.rotation.node)
            case "detach_node":
                detach: DetachNodeArguments = codec.from_json(
                    DetachNodeArguments, operation.arguments
                )
                out.add(detach.rotation.node)
        if len(out) > allowed:
            names = ", ".join(sorted(out))
            yield _Objection(
                sentence=f"{operation.id} leaves {len(out)} of {total} nodes out of rotation"
                f" ({names}); at most {body.label} are allowed, which is {allowed}",
                hint="a larger fleet loses a smaller share; a smaller one needs a limit of its own",
                at=Position(line=operation.line, column=operation.column),
            )
            return


def _freeze(body: Freeze, now: datetime) -> Iterator[_Objection]:
    until = frozen_until(body, now)
    if until is not None:
        here = now.astimezone(until.tzinfo)
        yield _Objection(
            sentence=f"rollouts are frozen until {until:%Y-%m-%d %H:%M} {body.time_zone}"
            f" (it is {here:%a %Y-%m-%d %H:%M} there)",
            hint="apply it then; preview works at any time",
        )
