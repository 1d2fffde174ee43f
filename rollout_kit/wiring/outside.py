"""The ports of one target, built from its document and the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout_kit.document.plan import PlanDocument
from rollout_kit.operations.api import Readers, Writers
from rollout_kit.planning.scope import scope_of
from rollout_kit.wiring.clock import SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything outside that one target has."""

    readers: Readers
    writers: Writers


@contextmanager
def connect(
    document: PlanDocument, plan_folder: Path, environment: Mapping[str, str], clock: SystemClock
) -> Iterator[Outside]:
    """Build engine, driver and metrics for this document; close them at the end."""
    raise NotImplementedError
    yield Outside(readers=Readers(scope=scope_of(document)), writers=Writers())
