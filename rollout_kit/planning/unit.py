"""How a step's operations are built, and what follows each of its units: bake, then its gates."""

from __future__ import annotations

from typing import TypedDict, Unpack
from urllib.parse import quote

from rollout_kit.document.plan import PlanDocument, Step
from rollout_kit.model import codec
from rollout_kit.model.capability import Capability
from rollout_kit.model.gate import GateSpec
from rollout_kit.model.operation import Group, Operation
from rollout_kit.operations.kinds.bake import BakeArguments
from rollout_kit.operations.kinds.judge_gate import JudgeGateArguments
from rollout_kit.planning.api import World
from rollout_kit.planning.conditions import gate_spec

# Its figures are the gate's own; this only bounds a gate that is never looked at.
GATE_SLACK_S = 60.0


class Extras(TypedDict, total=False):
    """What an operation may carry beside what every one has."""

    because: str
    follows: tuple[str, ...]
    follows_plan: bool
    group: Group | None
    wave: str
    requires: Capability | None


def part(text: str) -> str:
    """A name as one part of an operation's id."""
    return quote(text, safe="@~ +=,:")


def operation(
    step: Step,
    document: PlanDocument,
    path: str,
    kind: str,
    arguments: object,
    *,
    within_s: float,
    **extras: Unpack[Extras],
) -> Operation:
    """An operation of this step, complete without the document.

    Args:
        path: `<subject>/<act>` below the step's id; subjects encoded with `part`.
        arguments: the kind's own frozen dataclass.
        within_s: bounds its waiting, in attended seconds.
    """
    return Operation(
        id=f"{step.id}/{path}",
        kind=kind,
        step=step.id,
        arguments=codec.to_json(arguments),
        within_s=within_s,
        step_timeout_s=step.timeout_s,
        on_failure=step.on_failure,
        rollback=document.rollback,
        line=step.position.line if step.position else 0,
        column=step.position.column if step.position else 0,
        **extras,
    )


def after_unit(
    step: Step, subject: str, world: World, *, bake_s: float, follows: tuple[str, ...]
) -> tuple[Operation, ...]:
    """What follows one unit of a step (a node, a stage): its bake, then every gate of the step.

    Args:
        subject: names the unit; may be a path (`share-2/orders`), each part encoded by the caller.
        follows: ids of the unit's operations; where none of them wrote, this is skipped.
    """
    operations: list[Operation] = []
    below = f"{subject}/" if subject else ""
    if bake_s > 0:
        operations.append(
            operation(
                step,
                world.document,
                f"{below}bake",
                "bake",
                BakeArguments(bake_s=bake_s),
                within_s=bake_within_s(bake_s),
                follows=follows,
            )
        )
    gates = (gate_spec(world.document.gate(name), world.document) for name in step.gates)
    operations += (
        judge(step, f"{below}gate/{part(gate.name)}", gate, world, follows=follows)
        for gate in gates
    )
    return tuple(operations)


def judge(
    step: Step, path: str, gate: GateSpec, world: World, *, follows: tuple[str, ...]
) -> Operation:
    """The operation that judges one gate."""
    return operation(
        step,
        world.document,
        path,
        "judge_gate",
        JudgeGateArguments(gate=gate, scope=world.scope),
        within_s=gate.within_s + gate.for_s + gate.interval_s + GATE_SLACK_S,
        follows=follows,
        wave=f"{step.id}/{path.rpartition('/')[0]}",
    )


def bake_within_s(bake_s: float) -> float:
    """Room for a bake that starts again whenever somebody attaches."""
    return 4 * bake_s + 600.0
