"""A preview on a terminal: the symbol, the object, the reason, the undo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout_kit.execution.preview import Preview, PreviewOperation, PreviewStep
from rollout_kit.model.duration import span
from rollout_kit.model.operation import ChangeKind
from rollout_kit.planning.api import Problem
from rollout_kit.reporters.text import Printer, Style, one_line

if TYPE_CHECKING:
    from rollout_kit.policy.evaluate import Finding

SYMBOLS = {
    ChangeKind.UPDATE: ("~", Style.CHANGE),
    ChangeKind.CHECK: ("?", Style.NONE),
    ChangeKind.NO_OP: ("=", Style.FAINT),
    ChangeKind.BLOCKED: ("✗", Style.BAD),
}
LEGEND = "~ changes   ? waits or judges   = already so   ✗ blocked"
NOT_READ_SHOWN = 10


def print_preview(preview: Preview, plan_file: str, printer: Printer) -> None:
    """Everything a reviewer needs, in the order in which it would happen."""
    printer.line(f"Preview of {preview.plan} on {preview.target}", Style.STRONG)
    printer.line(summary(preview))
    width = max((len(i.operation.id) for s in preview.steps for i in s.operations), default=0)
    for step in preview.steps:
        printer.line()
        _print_step(step, min(width, 44), printer)
    if any(step.operations for step in preview.steps):
        printer.line()
        printer.line(LEGEND, Style.FAINT)
    _print_notes(preview, printer)
    for problem in preview.problems:
        printer.line()
        _print_problem(problem, plan_file, printer)
    for finding in preview.findings:
        printer.line()
        _print_finding(finding, plan_file, printer)
    printer.line()
    symbol, text, style = verdict(preview)
    printer.line(f"{symbol} {text}", style)


def summary(preview: Preview) -> str:
    """The plan in one line of figures."""
    parts = (
        f"plan {preview.digest[:12]}",
        f"fleet {preview.fingerprint[:12]}",
        _count(len(preview.steps), "step"),
        _count(preview.changes, "change"),
        f"about {span(preview.estimate_s)}",
    )
    return " · ".join(parts)


def verdict(preview: Preview) -> tuple[str, str, Style]:
    """What `apply` would answer to this."""
    if preview.problems:
        blockers = _count(len(preview.problems), "problem")
        return "✗", f"{blockers} before the first write: apply would refuse.", Style.BAD
    if preview.beyond:
        return "✗", "It reaches further than its operations may: apply would refuse.", Style.BAD
    if preview.refused:
        return "✗", "A mandatory policy refuses this plan: apply would refuse.", Style.BAD
    if preview.changes == 0:
        return "✓", "Nothing to do: the fleet is already there.", Style.GOOD
    irreversible = [i for s in preview.steps for i in s.operations if i.change.irreversible]
    if irreversible:
        names = ", ".join(item.operation.id for item in irreversible)
        text = f"{_count(preview.changes, 'change')}; no rollback is offered after {names}."
        return "!", text, Style.CHANGE
    return "✓", f"{_count(preview.changes, 'change')}, each with its undo.", Style.GOOD


def place(plan_file: str, line: int, column: int) -> str:
    """`file:line:column`, or the file alone."""
    return f"{plan_file}:{line}:{column}" if line else plan_file


def _print_step(step: PreviewStep, width: int, printer: Printer) -> None:
    title = f": {step.title}" if step.title and step.title != step.id else ""
    estimate = f"  about {span(step.estimate_s)}" if step.estimate_s else ""
    printer.line(f"{step.id} ({step.uses}){title}{estimate}", Style.STRONG)
    for note in step.notes:
        printer.line(f"    {one_line(note)}", Style.FAINT)
    kinds = {item.change.kind for item in step.operations}
    if kinds == {ChangeKind.NO_OP}:
        printer.line(f"  = already so ({_count(len(step.operations), 'operation')})", Style.FAINT)
        return
    for item in step.operations:
        _print_operation(item, width, printer)


def _print_operation(item: PreviewOperation, width: int, printer: Printer) -> None:
    symbol, style = SYMBOLS[item.change.kind]
    undo = f"   undo: {one_line(item.undo)}" if item.undo else ""
    mark = printer.paint(symbol, style)
    text = printer.paint(one_line(item.change.sentence), Style.NONE)
    printer.raw(f"  {mark} {printer.paint(f'{item.operation.id:<{width}}', Style.NONE)}  {text}")
    inset = " " * 6
    if undo:
        printer.line(f"{inset}{undo.strip()}", Style.FAINT)
    for detail in item.change.details:
        printer.line(f"{inset}{one_line(detail)}", Style.FAINT)
    for missing in item.change.not_judged:
        printer.line(f"{inset}not judged: {one_line(missing)}", Style.CHANGE)
    if item.change.irreversible:
        printer.line(f"{inset}cannot be undone: {one_line(item.change.irreversible)}", Style.BAD)
    if item.change.hint:
        printer.line(f"{inset}hint: {one_line(item.change.hint)}")


def _print_notes(preview: Preview, printer: Printer) -> None:
    for pin in preview.unserved_before:
        printer.line(f"unserved even now: {one_line(pin)}", Style.CHANGE)
    unread = list(preview.not_read.items())
    for name, reason in unread[:NOT_READ_SHOWN]:
        printer.line(f"not read: {one_line(name)}: {one_line(reason)}", Style.FAINT)
    if len(unread) > NOT_READ_SHOWN:
        printer.line(f"not read: {len(unread) - NOT_READ_SHOWN} more", Style.FAINT)


def _print_problem(problem: Problem, plan_file: str, printer: Printer) -> None:
    where = place(plan_file, problem.line, problem.column)
    step = f"step {problem.step}, " if problem.step else ""
    printer.line(f"error: {one_line(problem.summary)}    {step}{where}", Style.BAD)
    printer.line(f"  {one_line(problem.detail, 1000)}")
    if problem.rule is not None:
        printer.line(f"  It would break safety rule {problem.rule}.")
    if problem.accept:
        printer.line(f'  `target.accept: {{{problem.accept}: "reason"}}` lets it pass.')
    if problem.hint:
        printer.line(f"hint: {one_line(problem.hint)}")


def _print_finding(finding: Finding, plan_file: str, printer: Printer) -> None:
    where = place(plan_file, finding.line, finding.column)
    level, style = ("error", Style.BAD) if finding.mandatory else ("warning", Style.CHANGE)
    printer.line(f"{level}: Policy {one_line(finding.rule)}    {where}", style)
    printer.line(f"  {one_line(finding.sentence, 1000)}")
    if finding.hint:
        printer.line(f"hint: {one_line(finding.hint)}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
