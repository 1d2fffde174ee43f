"""A preview for programs. The shape is versioned by `schema_version`; nothing in it ticks needlessly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout_kit.execution.preview import Preview, PreviewOperation, PreviewStep
from rollout_kit.model import codec
from rollout_kit.model.operation import Announcement
from rollout_kit.planning.api import Problem
from rollout_kit.reporters.json_document import document

if TYPE_CHECKING:
    from rollout_kit.policy.evaluate import Finding


def preview_json(preview: Preview, plan_file: str) -> str:
    """The preview as one JSON document."""
    return document(
        "preview",
        {
            "plan": preview.plan,
            "plan_file": plan_file,
            "target": preview.target,
            "digest": preview.digest,
            "fingerprint": preview.fingerprint,
            "changes": preview.changes,
            "estimate_s": preview.estimate_s,
            "blocked": bool(preview.problems),
            "refused": preview.refused,
            "steps": [_step(step) for step in preview.steps],
            "problems": [_problem(problem) for problem in preview.problems],
            "findings": [_finding(finding) for finding in preview.findings],
            "unserved_before": list(preview.unserved_before),
            "not_read": dict(preview.not_read),
            "announced": [_announced(one) for one in preview.announced],
            "bound": dict(preview.bound),
        },
    )


def _step(step: PreviewStep) -> dict[str, object]:
    return {
        "id": step.id,
        "title": step.title,
        "uses": step.uses,
        "notes": list(step.notes),
        "changes": step.changes,
        "estimate_s": step.estimate_s,
        "operations": [_operation(item) for item in step.operations],
    }


def _operation(item: PreviewOperation) -> dict[str, object]:
    change = item.change
    return {
        "id": item.operation.id,
        "kind": item.operation.kind,
        "change": change.kind.value,
        "sentence": change.sentence,
        "details": list(change.details),
        "hint": change.hint,
        "estimate_s": change.estimate_s,
        "irreversible": change.irreversible,
        "not_judged": list(change.not_judged),
        "undo": item.undo,
        "request": codec.to_json(item.request),
    }


def _announced(one: Announcement) -> dict[str, object]:
    """What one operation would do, resource by resource; of no operation: what would come by itself."""
    return {
        "operation": one.operation,
        "resources": [
            {"name": name, "does": kind, "sentence": sentence}
            for name, kind, sentence in zip(one.resources, one.kinds, one.changed, strict=False)
        ],
        "beyond": list(one.beyond),
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "summary": problem.summary,
        "detail": problem.detail,
        "hint": problem.hint,
        "step": problem.step,
        "line": problem.line,
        "column": problem.column,
        "rule": problem.rule,
        "accept": problem.accept,
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "mandatory": finding.mandatory,
        "sentence": finding.sentence,
        "hint": finding.hint,
        "line": finding.line,
        "column": finding.column,
    }
