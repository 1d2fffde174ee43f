"""What a plan would do to the live fleet, step by step. Reads only; the operator token is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.asked_in_preview import with_requests
from rollout_kit.execution.observe import capabilities, observe_fleet, observe_for
from rollout_kit.gates.evaluate import watch
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.gate import Baseline, Verdict
from rollout_kit.model.observation import Absent, Observation
from rollout_kit.model.operation import (
    Announcement,
    Change,
    ChangeKind,
    Irreversible,
    Keep,
    Operation,
    Undo,
)
from rollout_kit.model.request import Request
from rollout_kit.operations import pins
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.measure import sample
from rollout_kit.operations.registry import KINDS
from rollout_kit.planning.api import Problem
from rollout_kit.planning.planner import plan

if TYPE_CHECKING:
    from rollout_kit.policy.evaluate import Finding

DRIVER_FACTS = frozenset({"image", "attached", "spec", "spec_json", "replicas", "running"})
"""Facts that the driver answers, by attribute: a driver that is away blocks no preview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOperation:
    """One operation against the world that the ones before it will have left."""

    operation: Operation
    change: Change
    undo: str  # in words; "" for what writes nothing
    request: Request | None = None  # what a person is asked, where somebody else changes the fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewStep:
    id: str
    title: str
    uses: str
    notes: tuple[str, ...]
    operations: tuple[PreviewOperation, ...]

    @property
    def changes(self) -> int:
        return sum(1 for item in self.operations if item.change.kind is ChangeKind.UPDATE)

    @property
    def estimate_s(self) -> float:
        return sum(item.change.estimate_s for item in self.operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Everything a reviewer reads. `problems` block; a mandatory finding refuses."""

    target: str
    plan: str
    digest: str
    fingerprint: str
    steps: tuple[PreviewStep, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...] = ()
    unserved_before: tuple[str, ...] = ()
    not_read: Mapping[str, str] = field(default_factory=dict)
    announced: tuple[Announcement, ...] = ()
    bound: Mapping[str, str] = field(default_factory=dict)  # beside the fleet: a stack's state, ...
    seen: Seen | None = field(default=None, repr=False)
    execution_plan: ExecutionPlan | None = field(default=None, repr=False)

    @property
    def changes(self) -> int:
        return sum(step.changes for step in self.steps)

    @property
    def estimate_s(self) -> float:
        return sum(step.estimate_s for step in self.steps)

    @property
    def beyond(self) -> tuple[str, ...]:
        """What would reach further than its operation may, in words."""
        return tuple(f"{one.operation}: {text}" for one in self.announced for text in one.beyond)

    @property
    def refused(self) -> bool:
        return bool(self.beyond) or any(finding.mandatory for finding in self.findings)


def preview(document: PlanDocument, readers: Readers, now_s: float) -> Preview:
    """Observe the fleet once, plan, and run every operation's own preview over the expected worlds."""
    seen = observe_fleet(readers, now_s, images=images_of(document))
    planning = plan(document, seen.observation, seen.situation, capabilities(seen.observation))
    steps, problems = _chain(planning.plan, seen, planning.notes, document)
    guards = _breached(planning.plan, readers, now_s, seen) if any(s.changes for s in steps) else ()
    return Preview(
        target=document.target.name,
        plan=document.name,
        digest=document.digest,
        fingerprint=seen.observation.fingerprint(),
        steps=with_requests(steps, readers.infra),
        problems=(*planning.problems, *problems, *guards),
        unserved_before=_unserved(seen, planning.plan),
        not_read=_not_read(seen),
        seen=seen,
        execution_plan=planning.plan,
    )


def images_of(document: PlanDocument) -> tuple[str, ...]:
    """Every image that the plan may ask the driver to run."""
    server = document.release.server
    named = [server.image] if server else []
    named += [worker.image for worker in document.release.workers if worker.image]
    return tuple(dict.fromkeys(named))


def _chain(
    execution_plan: ExecutionPlan,
    seen: Seen,
    notes: Mapping[str, tuple[str, ...]],
    document: PlanDocument,
) -> tuple[tuple[PreviewStep, ...], tuple[Problem, ...]]:
    world = seen.observation
    would_write: set[str] = set()
    by_step: dict[str, list[PreviewOperation]] = {}
    problems: list[Problem] = []
    for op in execution_plan.operations:
        kind = KINDS[op.kind]
        change = kind.preview(op, world, seen.situation)
        if change.kind is ChangeKind.CHECK and _idle(op, would_write):
            change = Change(kind=ChangeKind.NO_OP, sentence=f"{change.sentence}: nothing to judge")
        if change.kind is ChangeKind.BLOCKED and not _only_unread(op, world):
            problems.append(_problem(op, change))
        undo = ""
        if change.kind is ChangeKind.UPDATE:
            would_write.add(op.id)
            undo = _in_words(op, world)
            world = kind.expect(op, world)
        by_step.setdefault(op.step, []).append(
            PreviewOperation(operation=op, change=change, undo=undo)
        )
    by_step = {step: _approvals(step, ops, by_step) for step, ops in by_step.items()}
    steps = tuple(
        PreviewStep(
            id=step.id,
            title=step.name,
            uses=step.uses.value,
            notes=tuple(notes.get(step.id, ())),
            operations=tuple(by_step.get(step.id, ())),
        )
        for step in document.steps
    )
    return steps, tuple(problems)


def _idle(op: Operation, would_write: set[str]) -> bool:
    if op.follows_plan:
        return not would_write
    return bool(op.follows) and not any(item in would_write for item in op.follows)


def _approvals(
    step: str, operations: list[PreviewOperation], by_step: Mapping[str, list[PreviewOperation]]
) -> list[PreviewOperation]:
    """An approval is skipped when nothing after it would write."""
    after = list(by_step)[list(by_step).index(step) + 1 :]
    later = any(o.change.kind is ChangeKind.UPDATE for name in after for o in by_step[name])
    if later:
        return operations
    return [
        PreviewOperation(
            operation=item.operation,
            change=Change(
                kind=ChangeKind.NO_OP, sentence="nothing after it would write: not asked"
            ),
            undo="",
        )
        if item.operation.kind == "await_approval"
        else item
        for item in operations
    ]


def _only_unread(op: Operation, world: Observation) -> bool:
    """Blocked for want of a credential or a driver's answer: "judged at apply", never a blocker."""
    kind = KINDS[op.kind]
    paths = (*kind.touches(op), *kind.relies_on(op))
    return any(_unread(path, world) for path in paths if not path.endswith("/"))


def _unread(path: str, world: Observation) -> bool:
    value = world.facts.get(path)
    from_driver = path.rpartition("/")[2] in DRIVER_FACTS
    return value is Absent.NOT_READ or (value is Absent.NO_ANSWER and from_driver)


def _problem(op: Operation, change: Change) -> Problem:
    return Problem(
        summary=f"{op.id} is blocked",
        detail=change.sentence,
        hint=change.hint,
        step=op.step,
        line=op.line,
        column=op.column,
    )


def _in_words(op: Operation, world: Observation) -> str:
    match KINDS[op.kind].compensate(op, world.facts):
        case Undo() as undo:
            names = [item.kind.replace("_", " ") for item in (*undo.restore, *undo.retire)]
            return ", ".join(dict.fromkeys(names))
        case Keep(reason=reason):
            return f"stays: {reason}"
        case Irreversible(reason=reason):
            return f"cannot be undone: {reason}"


def _unserved(seen: Seen, execution_plan: ExecutionPlan) -> tuple[str, ...]:
    found = pins.unserved(seen.observation, seen.situation, execution_plan.scope)
    return tuple(pin.label for pin in found)


def _breached(
    execution_plan: ExecutionPlan, readers: Readers, now_s: float, seen: Seen
) -> tuple[Problem, ...]:
    """Guards that are breached even now block the start."""
    problems = []
    unserved = _unserved(seen, execution_plan)
    for guard in execution_plan.guards:
        taken = sample(
            guard.source,
            observe_for(guard.source, seen, readers, now_s),
            scope=execution_plan.scope,
            unserved_before=unserved,
            out_of_rotation=(),
        )
        values = () if taken.value is None else (taken.value,)
        judged = watch(
            guard,
            (taken,) * (guard.failure_limit + 1),
            now_s,
            Baseline(name=guard.name, values=values),
            0.0,
        )
        if judged.verdict is Verdict.FAIL:
            problems.append(
                Problem(
                    summary=f"guard {guard.name} is breached before the rollout",
                    detail=judged.sentence,
                    hint="mend that first: this rollout could not tell its own harm from it",
                )
            )
    return tuple(problems)


def _not_read(seen: Seen) -> Mapping[str, str]:
    unread = dict(seen.situation.unread)
    for fact, value in seen.facts.items():
        if value is Absent.NOT_READ:
            unread.setdefault(fact, "not read in this session: judged at apply")
    return unread
