"""A small plan, what it expands to, and packs to hold it to."""

from __future__ import annotations

from datetime import UTC, datetime

from rollout_kit.document.plan import PlanDocument
from rollout_kit.model import codec
from rollout_kit.model.execution_plan import ExecutionPlan, Scope
from rollout_kit.model.operation import JsonValue, Operation
from rollout_kit.operations.node_acts import AttachNodeArguments, DetachNodeArguments
from rollout_kit.operations.node_identity import NodeIdentity
from rollout_kit.operations.rotation import Rotation
from rollout_kit.policy.evaluate import Finding, evaluate
from rollout_kit.policy.pack import PolicyPack
from rollout_kit.policy.read import read_pack
from tests.document.plans import ENVIRONMENT, changed, read

MONDAY = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def document(*replacements: tuple[str, str]) -> PlanDocument:
    found = read(changed(*replacements), environment=ENVIRONMENT).document
    assert found is not None
    return found


def arguments(act: str, node: str) -> dict[str, JsonValue]:
    rotation = Rotation(node=node, others=())
    identity = NodeIdentity(shows={})
    given: object = DetachNodeArguments(rotation=rotation)
    if act == "attach":
        given = AttachNodeArguments(rotation=rotation, identity=identity)
    found: dict[str, JsonValue] = codec.to_json(given)
    return found


def execution_plan(nodes: int = 2, acts: tuple[str, ...] = ()) -> ExecutionPlan:
    """`acts` as in `detach api-1`."""
    operations = tuple(
        Operation(
            id=f"api/{act.split()[1]}/{act.split()[0]}",
            kind=f"{act.split()[0]}_node",
            step="api",
            arguments=arguments(*act.split()),
            line=23,
            column=5,
        )
        for act in acts
    )
    names = tuple(f"api-{n}" for n in range(1, nodes + 1))
    scope = Scope(
        target="orders-prod", namespace="orders", nodes=names, namespaces=("orders",), queues=()
    )
    return ExecutionPlan(scope=scope, operations=operations)


def pack(rule: str, *, head: str = "version: 1\nname: p\n") -> PolicyPack:
    """A pack of one rule, given as the inside of its YAML flow mapping."""
    reading = read_pack(f"{head}rules:\n  - {{id: r, {rule}}}\n", file="p.yaml")
    assert reading.pack is not None, reading.diagnostics
    return reading.pack


def findings(
    rule: str,
    *,
    plan: PlanDocument | None = None,
    execution: ExecutionPlan | None = None,
    now: datetime = MONDAY,
    head: str = "version: 1\nname: p\n",
) -> tuple[Finding, ...]:
    return evaluate(pack(rule, head=head), plan or document(), execution or execution_plan(), now)
