"""How long a line says that something is waited for: what the plan says, not what bounds it."""

from __future__ import annotations

import json

import pytest

from rollout_kit.model import codec
from rollout_kit.model.events import OperationAwaited
from rollout_kit.model.execution_plan import Scope
from rollout_kit.model.gate import Bound, GateSpec, ReadinessSource, Threshold
from rollout_kit.model.operation import Operation
from rollout_kit.operations.kinds.bake import BakeArguments
from rollout_kit.operations.kinds.judge_gate import JudgeGateArguments
from rollout_kit.reporters.sentences import sentence

SCOPE = Scope(target="prod", namespace="orders", nodes=(), namespaces=(), queues=())
READY = GateSpec(
    name="all-ready",
    source=ReadinessSource(node=None),
    threshold=Threshold(bound=Bound.AT_MOST, value=0),
    for_s=2.0,
    within_s=15.0,
)


@pytest.mark.parametrize(
    ("arguments", "bound_s", "words"),
    [
        (JudgeGateArguments(gate=READY, scope=SCOPE), 78.0, "waiting, at most 15s"),
        (BakeArguments(bake_s=1.0), 604.0, "waiting, for 1s"),
        (None, 78.0, "waiting, at most 1m18s"),
    ],
    ids=["a gate", "a bake", "anything else"],
)
def test_a_wait_is_shown_as_the_plan_gives_it_without_the_room_on_top(
    arguments: object, bound_s: float, words: str
) -> None:
    journaled = {} if arguments is None else json.loads(json.dumps(codec.to_json(arguments)))
    op = Operation(id="a/b", kind="any", step="a", arguments=journaled, within_s=bound_s)
    assert sentence(OperationAwaited(operation=op, attempt=1)).text == words
