"""What is looked at beside the operation in hand: people, guards, drift, the baseline, the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rollout_kit.execution import drift, skew_window
from rollout_kit.execution.decide import next_operation
from rollout_kit.execution.observe import observe_fleet, observe_for
from rollout_kit.gates.evaluate import watch
from rollout_kit.gates.thresholds import is_relative
from rollout_kit.model import codec
from rollout_kit.model.events import (
    BaselineTaken,
    GuardBreached,
    HoldKind,
    Outcome,
    RolloutFinished,
    RolloutHeld,
)
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.gate import (
    Baseline,
    GateSource,
    GateSpec,
    GuardSpec,
    HttpSource,
    MetricSource,
    Sample,
    Verdict,
)
from rollout_kit.model.observation import Absent
from rollout_kit.model.state import Standing
from rollout_kit.operations import pins
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.kinds.judge_gate import JudgeGateArguments
from rollout_kit.operations.measure import sample
from rollout_kit.operations.one_look import in_one_look
from rollout_kit.operations.symptoms import hint_for

if TYPE_CHECKING:
    from rollout_kit.execution.executor import Executor

GUARD_HISTORY = 200
LOOK_S = 10.0
"""How often the fleet is looked at where no guard asks for more."""
SOONEST_S = 0.2
BASELINE = "baseline"
"""What holds where it cannot be taken."""
MEASURED_AGAIN_S = 1.0


def skip_while_open(run: Executor) -> None:
    """On attach an open group is closed or undone first, then guards are judged."""
    if run.state.started and drift.open_group(run.state):
        operation = next_operation(run.state)
        run.live = replace(
            run.live,
            guards_due_s=run.now_s() + 10.0,
            checked_step=operation.step if operation else "",
        )


def take_baseline(run: Executor) -> None:
    """Picture facts and figures before the first write; a guard breached by then ends it here.

    A figure that something is to be compared with is waited for as long as silence may last: without it
    nothing of that name could ever be judged. Then it holds, with nothing begun.
    """
    assert run.state.started is not None
    plan = run.state.started.execution_plan
    until_s = run.now_s() + plan.no_answer_for_s
    while True:
        look = _look_for_baseline(run, plan)
        missing = _not_measured(plan, look.samples)
        if not missing:
            break
        if run.shell.clock.interrupted():
            return
        if run.now_s() >= until_s:
            hint = "see why it cannot be measured; `resume` looks again, nothing has begun"
            run.append(
                RolloutHeld(
                    kind=HoldKind.INCONCLUSIVE, operation=BASELINE, reason=missing, hint=hint
                )
            )
            return
        run.progress(BASELINE, missing)
        run.shell.clock.sleep(MEASURED_AGAIN_S)
    baselines = tuple(
        Baseline(
            name=name,
            values=() if found.value is None else (found.value,),
            attended_s=run.live.attended_s(run.now_s()),
        )
        for name, found in look.samples.items()
    )
    run.append(
        BaselineTaken(
            observation=look.seen.observation, baselines=baselines, unserved_pins=look.unserved
        )
    )
    _begin_to_watch(run, plan, look.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a baseline is made of: the fleet, a sample by guard and gate, pins that nobody serves."""

    seen: Seen
    samples: dict[str, Sample]
    unserved: tuple[str, ...]


def _look_for_baseline(run: Executor, plan: ExecutionPlan) -> _Look:
    readers = in_one_look(run.shell.readers)
    seen = observe_fleet(readers, run.now_s())
    sources: dict[str, GateSource] = {guard.name: guard.source for guard in plan.guards}
    sources |= {gate.name: gate.source for gate in _gates(plan)}
    unserved = tuple(
        pin.label for pin in pins.unserved(seen.observation, seen.situation, plan.scope)
    )
    context = Context(now_s=seen.at_s, since_s=seen.at_s, key="", unserved_before=unserved)
    samples = {
        name: _sample(run, source, context, seen, readers) for name, source in sources.items()
    }
    return _Look(seen=seen, samples=samples, unserved=unserved)


def _gates(plan: ExecutionPlan) -> Iterator[GateSpec]:
    for op in plan.operations:
        if op.kind == "judge_gate":
            yield codec.from_json(JudgeGateArguments, op.arguments).gate


def _not_measured(plan: ExecutionPlan, samples: dict[str, Sample]) -> str:
    """The guards and gates that need a baseline and have none; "" where all is known.

    A cohort's figure may have none before the cohort is there.
    """
    needing = [guard.name for guard in plan.guards if is_relative(guard.threshold)]
    needing += [
        gate.name
        for gate in _gates(plan)
        if is_relative(gate.threshold) and isinstance(gate.source, MetricSource | HttpSource)
    ]
    missing = [name for name in dict.fromkeys(needing) if samples[name].value is None]
    if not missing:
        return ""
    why = "; ".join(f"{name}: {samples[name].detail or 'no data'}" for name in missing)
    return f"no baseline before the first write: {why}"


def _begin_to_watch(run: Executor, plan: ExecutionPlan, samples: dict[str, Sample]) -> None:
    due_s = {guard.name: run.now_s() + guard.interval_s for guard in plan.guards}
    soonest_s = min(due_s.values(), default=run.now_s() + LOOK_S)
    first = next_operation(run.state)  # what it will be held against is what was just seen
    checked = first.step if first else run.live.checked_step
    run.live = replace(run.live, guard_due_s=due_s, guards_due_s=soonest_s, checked_step=checked)
    for guard in plan.guards:
        once = replace(guard, failure_limit=0)
        judged = watch(once, (samples[guard.name],), run.now_s(), _baseline(run, guard.name), 0.0)
        if judged.verdict is Verdict.FAIL:
            sentence = f"guard {guard.name} is breached before the first write: {judged.sentence}"
            run.append(RolloutFinished(outcome=Outcome.FAILED, sentence=sentence))
            return


def watch_fleet(run: Executor) -> None:
    """Sample the guards, and hold the whole fleet against what is expected of it (rule 17)."""
    assert run.state.started is not None
    plan = run.state.started.execution_plan
    now_s = run.now_s()
    operation = next_operation(run.state)
    run.live = replace(
        run.live, checked_step=operation.step if operation else run.live.checked_step
    )
    readers = in_one_look(run.shell.readers)
    seen = observe_fleet(readers, now_s)
    if run.state.rollback is None:
        found = drift.drift(run.state, seen.facts)
        where = operation.id if operation else ""
        run.live = replace(run.live, drift=found, drift_at=where)
        _watch_silence(run, seen)
        over = skew_window.exceeded(run.state, seen.facts, run.live.attended_s(now_s))
        run.live = replace(run.live, skew=over)
    breached = _watch_guards(run, plan.guards, seen, readers)
    if breached and run.state.rollback is None:
        run.append(breached)


def _watch_guards(
    run: Executor, guards: tuple[GuardSpec, ...], fleet: Seen, readers: Readers
) -> GuardBreached | None:
    context = Context(
        now_s=run.now_s(),
        since_s=run.live.attached_at_s,
        key="",
        unserved_before=run.state.baseline.unserved_pins if run.state.baseline else (),
        elapsed_attended_s=run.live.attended_s(run.now_s()) - run.state.baseline_attended_s,
    )
    breached: GuardBreached | None = None
    for guard in guards:
        if run.live.guard_due_s.get(guard.name, 0.0) > context.now_s:
            continue  # each guard at its own interval: a streak must not fill faster than planned
        due_s = {**run.live.guard_due_s, guard.name: context.now_s + guard.interval_s}
        run.live = replace(run.live, guard_due_s=due_s)
        taken = _sample(run, guard.source, context, fleet, readers)
        samples = (*run.live.guard_samples.get(guard.name, ()), taken)[-GUARD_HISTORY:]
        run.live = replace(run.live, guard_samples={**run.live.guard_samples, guard.name: samples})
        elapsed_ms = context.elapsed_attended_s * 1000.0
        judged = watch(guard, samples, run.now_s(), _baseline(run, guard.name), elapsed_ms)
        run.progress(f"guard/{guard.name}", judged.sentence)
        if judged.verdict is Verdict.FAIL and breached is None:
            breached = GuardBreached(
                guard=f"guard/{guard.name}",
                sentence=judged.sentence,
                hint=hint_for("guard", judged.sentence),
            )
        if judged.verdict is Verdict.INCONCLUSIVE:
            unmeasured = (f"guard/{guard.name}", judged.sentence)
            run.live = replace(run.live, unmeasured=unmeasured)
    soonest_s = min(run.live.guard_due_s.values(), default=context.now_s + LOOK_S)
    run.live = replace(run.live, guards_due_s=max(soonest_s, context.now_s + SOONEST_S))
    return breached


def _sample(
    run: Executor, source: GateSource, context: Context, fleet: Seen, readers: Readers
) -> Sample:
    """One measurement, in the same look as the fleet and of its time."""
    assert run.state.started is not None
    seen = observe_for(source, fleet, readers, fleet.at_s)
    return sample(
        source,
        seen,
        scope=run.state.started.execution_plan.scope,
        unserved_before=context.unserved_before,
        out_of_rotation=_out_of_rotation(run),
    )


def _out_of_rotation(run: Executor) -> tuple[str, ...]:
    """Nodes that an open group or an undo in flight has taken out: not for `attached-ready` to judge."""
    out = []
    for found in run.state.operations.values():
        over = found.standing in (Standing.COMPLETED, Standing.SKIPPED)
        if found.intended and found.operation and not over:
            out += [
                unquote(fact.split("/")[1])
                for fact in found.intended.touches
                if fact.startswith("node/")
            ]
    group = drift.open_group(run.state)
    for member in drift.group_members(run.state, group) if group else ():
        intended = run.state.operations[member].intended if member in run.state.operations else None
        touched = intended.touches if intended else ()
        out += [unquote(fact.split("/")[1]) for fact in touched if fact.startswith("node/")]
    return tuple(dict.fromkeys(out))


def _baseline(run: Executor, name: str) -> Baseline | None:
    taken = run.state.baseline.baselines if run.state.baseline else ()
    return next((item for item in taken if item.name == name), None)


def _watch_silence(run: Executor, seen: Seen) -> None:
    """Facts without an answer for longer than `no_answer_for`, as a look shows while no group is open.

    An open group may have taken the only node that answers: once it is closed, a fresh look tells.
    """
    assert run.state.started is not None
    limit_s = run.state.started.execution_plan.no_answer_for_s
    expected = drift.expected_facts(run.state)
    silent = {k for k, v in seen.facts.items() if v is Absent.NO_ANSWER and k in expected}
    since = {k: run.live.no_answer_since_s.get(k, seen.at_s) for k in silent}
    late = tuple(sorted(k for k, at in since.items() if seen.at_s - at > limit_s))
    late = () if drift.open_group(run.state) else late
    run.live = replace(run.live, no_answer_since_s=since, silent=late)
