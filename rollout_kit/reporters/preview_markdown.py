"""A preview as a comment of a review or a job's summary."""

from __future__ import annotations

from rollout_kit.execution.preview import Preview, PreviewOperation, PreviewStep
from rollout_kit.model.duration import span
from rollout_kit.model.operation import ChangeKind
from rollout_kit.reporters.markdown import code, prose, truncated
from rollout_kit.reporters.preview_view import LEGEND, SYMBOLS, place, summary, verdict

COMMENT_BYTES = 65_000
"""A comment of a GitHub review holds 65,536 characters; job summaries (1 MiB) and GitLab take more."""


def preview_markdown(preview: Preview, plan_file: str, at_most_bytes: int = COMMENT_BYTES) -> str:
    """Problems first, then the steps. Text from outside can neither break the page nor notify people."""
    symbol, text, _ = verdict(preview)
    parts = [
        f"### Preview of {code(preview.plan)} on {code(preview.target)}",
        f"{symbol} **{prose(text)}**",
        prose(summary(preview)),
        *_problems(preview, plan_file),
        *[_step(step) for step in preview.steps],
        *_notes(preview),
    ]
    if any(step.operations for step in preview.steps):
        parts.append(f"<sub>{prose(LEGEND)}</sub>")
    notice = (
        f"**Cut here: the preview is longer than {at_most_bytes} bytes.** "
        f"See all of it with {code(f'rollout-kit preview {plan_file}')}."
    )
    return truncated("\n\n".join(parts) + "\n", at_most_bytes, notice)


def _problems(preview: Preview, plan_file: str) -> list[str]:
    found = []
    for problem in preview.problems:
        hint = f" Hint: {prose(problem.hint)}" if problem.hint else ""
        rule = f" (safety rule {problem.rule})" if problem.rule is not None else ""
        where = code(place(plan_file, problem.line, problem.column))
        text = f"**{prose(problem.summary)}**{rule} {where}: {prose(problem.detail)}{hint}"
        found.append(f"- ✗ {text}")
    for finding in preview.findings:
        symbol = "✗" if finding.mandatory else "!"
        hint = f" Hint: {prose(finding.hint)}" if finding.hint else ""
        where = code(place(plan_file, finding.line, finding.column))
        text = f"**Policy {prose(finding.rule)}** {where}: {prose(finding.sentence)}{hint}"
        found.append(f"- {symbol} {text}")
    return ["\n".join(found)] if found else []


def _step(step: PreviewStep) -> str:
    title = f": {prose(step.title)}" if step.title and step.title != step.id else ""
    estimate = f", about {span(step.estimate_s)}" if step.estimate_s else ""
    head = f"#### {code(step.id)} ({prose(step.uses)}){title}{estimate}"
    notes = "".join(f"\n- {prose(note)}" for note in step.notes)
    kinds = {item.change.kind for item in step.operations}
    if kinds == {ChangeKind.NO_OP}:
        return f"{head}\n{notes}\n\nAlready so: {len(step.operations)} operations."
    if not step.operations:
        return f"{head}\n{notes}"
    rows = "\n".join(_row(item) for item in step.operations)
    return f"{head}\n{notes}\n\n| | operation | what | undo |\n|---|---|---|---|\n{rows}"


def _row(item: PreviewOperation) -> str:
    change = item.change
    what = [
        prose(change.sentence),
        *(prose(detail) for detail in change.details),
        *(f"not judged: {prose(missing)}" for missing in change.not_judged),
    ]
    if change.irreversible:
        what.append(f"**cannot be undone:** {prose(change.irreversible)}")
    if change.hint:
        what.append(f"hint: {prose(change.hint)}")
    symbol = SYMBOLS[change.kind][0].replace("~", "&#126;")
    return f"| {symbol} | {code(item.operation.id)} | {'<br>'.join(what)} | {prose(item.undo)} |"


def _notes(preview: Preview) -> list[str]:
    lines = [f"- unserved even now: {prose(pin)}" for pin in preview.unserved_before]
    unread = [f"- {code(name)}: {prose(why)}" for name, why in preview.not_read.items()]
    found = ["\n".join(lines)] if lines else []
    if unread:
        body = "\n".join(unread)
        head = f"<summary>{len(unread)} facts not read: judged at apply</summary>"
        found.append(f"<details>{head}\n\n{body}\n\n</details>")
    return found
