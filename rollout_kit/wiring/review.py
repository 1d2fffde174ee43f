"""A preview with what the policies say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rollout_kit.document.diagnostics import Diagnostic
from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.operations.api import Readers
from rollout_kit.policy.evaluate import Finding, evaluate
from rollout_kit.ports.clock import Clock


class BadPolicy(Exception):
    """A policy pack cannot be read: half a pack would refuse nothing."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("a policy pack is not valid")
        self.diagnostics = diagnostics


def review(
    document: PlanDocument,
    readers: Readers,
    clock: Clock,
    policies: tuple[Path, ...],
) -> Preview:
    """Observe, plan and judge.

    Raises:
        OutsideError: nothing answers at all.
        BadPolicy: a pack has errors; all of them at once.
    """
    readers.engine.queues(document.target.namespace)  # a wrong token or address has its own exit code
    found = preview(document, readers, clock.monotonic_s())
    if found.execution_plan is None:
        return found
    findings: list[Finding] = []
    wrong: list[Diagnostic] = []
    for path in policies:
        from rollout_kit.policy.read import read_pack

        reading = read_pack(path.read_text(encoding="utf-8"), file=str(path))
        if reading.pack is None:
            wrong += reading.diagnostics
        else:
            findings += evaluate(reading.pack, document, found.execution_plan, clock.now())
    if wrong:
        raise BadPolicy(tuple(wrong))
    return replace(found, findings=tuple(findings))
