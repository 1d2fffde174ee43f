"""Judge one gate after a unit of a step. A decided gate is not judged again within its attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.gates.evaluate import evaluate
from rollout_kit.gates.words import subject
from rollout_kit.model import codec
from rollout_kit.model.duration import span
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import Baseline, GateSpec, Judgement, Sample, StandingSource, Verdict
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Failed,
    NeedsPerson,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check
from rollout_kit.operations.measure import observe_source, sample
from rollout_kit.operations.symptoms import hint_for


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeGateArguments:
    """The gate, and what of the world its source may count."""

    gate: GateSpec
    scope: Scope


class JudgeGate(Check):
    """Every look since the wait began is one sample; what they add up to is the gate's business."""

    kind = "judge_gate"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        return observe_source(_arguments(op).gate.source, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        gate = _arguments(op).gate
        if isinstance(gate.source, StandingSource) and gate.source.why_not:
            sentence = f"{gate.name}: {gate.source.why_not}"
            return Change(kind=ChangeKind.CHECK, sentence=sentence)
        return Change(kind=ChangeKind.CHECK, sentence=_sentence(gate), estimate_s=gate.for_s)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        args = _arguments(op)
        if isinstance(args.gate.source, StandingSource) and args.gate.source.why_not:
            return Done(sentence=args.gate.source.why_not)
        samples = samples_of(args, history, ctx)
        judged = evaluate(
            args.gate,
            samples,
            ctx.now_s,
            _baseline(args.gate, ctx),
            since_s=ctx.since_s,
            elapsed_ms=ctx.elapsed_attended_s * 1000.0,
        )
        return _verification(args.gate, judged, samples, ctx)


def samples_of(
    args: JudgeGateArguments, history: Sequence[Seen], ctx: Context
) -> tuple[Sample, ...]:
    """The looks since the wait began as measurements: what was before proves nothing."""
    return tuple(
        sample(args.gate.source, seen, scope=args.scope, unserved_before=ctx.unserved_before)
        for seen in history
        if seen.at_s >= ctx.since_s
    )


def _verification(
    gate: GateSpec, judged: Judgement, samples: Sequence[Sample], ctx: Context
) -> Verification:
    match judged.verdict:
        case Verdict.PASS:
            return Done(sentence=judged.sentence)
        case Verdict.FAIL:
            reason = f"gate {gate.name}: {judged.sentence}"
            look = "look at what the gate measures before this plan is tried again"
            return Failed(reason=reason, hint=hint_for(JudgeGate.kind, reason, look))
        case Verdict.INCONCLUSIVE:
            return NeedsPerson(
                reason=f"gate {gate.name}: {judged.sentence}",
                hint="it is not bad, it could not be measured: mend the source and `resume`,"
                " which judges it anew, or `rollback`",
            )
        case _:
            return Waiting(
                retry_after_s=_next(gate, samples, ctx),
                progress=judged.sentence,
                unmeasured=judged.breaches == 0,
            )


def _next(gate: GateSpec, samples: Sequence[Sample], ctx: Context) -> float:
    """Until the next sample is due; not later than the moment at which the gate may pass."""
    due_s = samples[-1].at_s + gate.interval_s if samples else ctx.now_s
    held = gate.for_s and gate.for_s < gate.interval_s
    return max(0.05, min(due_s - ctx.now_s, gate.for_s if held else gate.interval_s))


def _sentence(gate: GateSpec) -> str:
    if isinstance(gate.source, StandingSource):
        return f"see that {gate.name} holds, within {span(gate.within_s)}"
    threshold = gate.threshold
    asked = f"{threshold.bound.value.replace('_', ' ')} {threshold.value:g}"
    asked += "%" if threshold.percent else ""
    held = f" for {span(gate.for_s)}" if gate.for_s else ""
    wait = f", within {span(gate.within_s)}"
    return f"gate {gate.name}: {subject(gate.source)} {asked}{held}{wait}"


def _baseline(gate: GateSpec, ctx: Context) -> Baseline | None:
    return next((taken for taken in ctx.baselines if taken.name == gate.name), None)


def _arguments(op: Operation) -> JudgeGateArguments:
    return codec.from_json(JudgeGateArguments, op.arguments)
