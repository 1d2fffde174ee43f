"""bake and await_approval: time under watch passes, and a person is asked."""

from __future__ import annotations

import pytest

from rollout_kit.model import codec
from rollout_kit.model.operation import ChangeKind, Done, Keep, NeedsPerson, Operation, Waiting
from rollout_kit.operations.api import Context
from rollout_kit.operations.kinds.await_approval import AwaitApproval, AwaitApprovalArguments
from rollout_kit.operations.kinds.bake import Bake, BakeArguments
from tests.operations.measured import readers

BAKE = Operation(
    id="api/api-1/bake",
    kind="bake",
    step="api",
    arguments=codec.to_json(BakeArguments(bake_s=30.0)),
)
ASK = Operation(
    id="approve/ask",
    kind="await_approval",
    step="approve",
    arguments=codec.to_json(AwaitApprovalArguments(prompt="Drain it?", within_s=14400.0)),
)


@pytest.mark.parametrize(
    ("now_s", "retry_after_s"), [(100.0, 10.0), (115.0, 10.0), (125.0, 5.0), (129.5, 0.5)]
)
def test_a_bake_waits_until_its_time_is_over(now_s: float, retry_after_s: float) -> None:
    ctx = Context(now_s=now_s, since_s=100.0, key="k")
    found = Bake().verify(BAKE, [], ctx)
    assert isinstance(found, Waiting)
    assert found.retry_after_s == pytest.approx(retry_after_s)


def test_a_bake_is_done_after_its_seconds_under_watch() -> None:
    ctx = Context(now_s=130.0, since_s=100.0, key="k")
    assert Bake().verify(BAKE, [], ctx) == Done(sentence="baked for 30s")


def test_a_bake_starts_again_for_who_attaches() -> None:
    ctx = Context(now_s=131.0, since_s=128.0, key="k")
    assert isinstance(Bake().verify(BAKE, [], ctx), Waiting)


def test_both_only_judge() -> None:
    for kind, op, sentence in (
        (Bake(), BAKE, "bake for 30s"),
        (AwaitApproval(), ASK, 'ask a person: "Drain it?" (at most 4h)'),
    ):
        seen = kind.observe(op, readers(), 1.0)
        change = kind.preview(op, seen.observation, seen.situation)
        assert (change.kind, change.sentence) == (ChangeKind.CHECK, sentence)
        assert kind.touches(op) == ()
        assert isinstance(kind.compensate(op, {}), Keep)


def test_an_approval_asks_and_names_the_command() -> None:
    found = AwaitApproval().verify(ASK, [], Context(now_s=1.0, since_s=1.0, key="k"))
    assert isinstance(found, NeedsPerson)
    assert found.reason == "Drain it?"
    assert "rollout-kit approve approve/ask" in found.hint
