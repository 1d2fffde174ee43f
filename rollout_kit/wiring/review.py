"""A preview with what the policies say of it."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rollout_kit.document.diagnostics import Diagnostic
from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.operations.api import Readers
from rollout_kit.ports.clock import Clock
from rollout_kit.wiring import announcing

if TYPE_CHECKING:
    from rollout_kit.policy.evaluate import Finding
    from rollout_kit.policy.read import PackReading


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
    """Read the packs, then observe, plan and judge.

    Raises:
        OutsideError: nothing answers at all.
        BadPolicy: a pack has errors; all of them at once.
        OSError: a pack cannot be read.
    """
    packs = [_pack(path) for path in policies]
    wrong = tuple(diagnostic for pack in packs if not pack.pack for diagnostic in pack.diagnostics)
    if wrong:
        raise BadPolicy(wrong)
    # A wrong token or address has its own exit code.
    announcing.landed(
        lambda: readers.engine.queues(document.target.namespace),
        clock,
        within_s=announcing.FIRST_ANSWER_S,
    )
    announcing.await_answers(readers.infra, clock)
    found = preview(document, readers, clock.monotonic_s())
    if found.execution_plan is None:
        return found
    execution_plan = found.execution_plan
    found = announcing.announced(found, readers, clock)
    findings: list[Finding] = []
    for reading in packs:
        from rollout_kit.policy.evaluate import evaluate

        if reading.pack is not None:
            findings += evaluate(reading.pack, document, execution_plan, clock.now())
    return replace(found, findings=tuple(findings))


def _pack(path: Path) -> PackReading:
    from rollout_kit.policy.read import read_pack

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, "it is not UTF-8", str(path)) from error
    return read_pack(text, file=str(path))
