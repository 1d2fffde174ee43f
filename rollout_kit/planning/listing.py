"""An execution plan as text, one line per operation: what tests compare and people paste."""

from __future__ import annotations

from collections.abc import Iterable

from rollout_kit.model.duration import span
from rollout_kit.model.execution_plan import ExecutionPlan
from rollout_kit.model.operation import ChangeKind, Operation
from rollout_kit.planning.api import Problem
from rollout_kit.planning.draft import Stage

_MARKS = {
    ChangeKind.UPDATE: "~",
    ChangeKind.NO_OP: "=",
    ChangeKind.CHECK: "?",
    ChangeKind.BLOCKED: "!",
}


def text(plan: ExecutionPlan) -> str:
    """The operations in order; a group's are indented below its name."""
    lines: list[str] = []
    group = ""
    for operation in plan.operations:
        own = operation.group.id if operation.group else ""
        if own and own != group:
            lines.append(f"group {own}")
        group = own
        lines.append(f"{'  ' if own else ''}{_line(operation)}")
    lines += [f"guard {guard.name}" for guard in plan.guards]
    return "\n".join(lines)


def changes(stages: Iterable[Stage]) -> str:
    """What each operation would do: `~` changes, `=` is done already, `?` judges, `!` is blocked."""
    return "\n".join(
        f"{_MARKS[stage.change.kind]} {stage.operation.id}: {stage.change.sentence}"
        for stage in stages
    )


def problems(found: Iterable[Problem]) -> str:
    """Each problem with its rule and place, so that a test reads like the refusal."""
    lines = []
    for problem in found:
        rule = f" (rule {problem.rule})" if problem.rule is not None else ""
        step = f" [{problem.step}]" if problem.step else ""
        lines.append(f"{problem.summary}{rule}{step}: {problem.detail}")
    return "\n".join(lines)


def _line(operation: Operation) -> str:
    parts = [operation.id, operation.kind, f"within {span(operation.within_s)}"]
    if operation.requires is not None:
        parts.append(f"requires {operation.requires.value}")
    return "  ".join(parts)
