"""Let time pass under watch before a unit is judged. Seconds without a watcher do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.model import codec
from rollout_kit.model.duration import span
from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import Change, ChangeKind, Done, Operation, Verification, Waiting
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.check import Check

# An upper bound of one sleep, so that a long bake still shows signs of life.
LOOK_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BakeArguments:
    """`bake_s`: seconds under watch; they start again when somebody attaches."""

    bake_s: float


class Bake(Check):
    """Reads nothing: the guards are what watches."""

    kind = "bake"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:  # noqa: ARG002
        return Seen(observation=Observation(), situation=Situation(), at_s=now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        bake_s = _arguments(op).bake_s
        return Change(kind=ChangeKind.CHECK, sentence=f"bake for {span(bake_s)}", estimate_s=bake_s)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:  # noqa: ARG002
        bake_s = _arguments(op).bake_s
        left_s = ctx.since_s + bake_s - ctx.now_s
        if left_s <= 0:
            return Done(sentence=f"baked for {span(bake_s)}")
        return Waiting(
            retry_after_s=min(left_s, LOOK_AGAIN_S),
            progress=f"baking, {span(left_s)} of {span(bake_s)} left",
        )


def _arguments(op: Operation) -> BakeArguments:
    return codec.from_json(BakeArguments, op.arguments)
