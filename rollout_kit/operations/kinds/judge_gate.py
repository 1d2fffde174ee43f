"""Judge one gate after a unit of a step. A decided gate is not judged again within its attempt."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import GateSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeGateArguments:
    """The gate, and what of the world its source may count."""

    gate: GateSpec
    scope: Scope
