"""See that every node which serves now still does, after something that all of them share changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.check import Check
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged, read_presence
from rollout_kit.operations.rotation import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitNodesArguments:
    nodes: tuple[str, ...]


class AwaitNodes(Check):
    kind = "await_nodes"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        nodes = _arguments(op).nodes
        return merged((read_presence(node, readers, now_s) for node in nodes), now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        nodes = _arguments(op).nodes
        sentence = f"see that {', '.join(nodes)} are still ready"
        return Change(kind=ChangeKind.CHECK, sentence=sentence, estimate_s=1.0)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Rule 5: "this node is not ready" is told apart from "nothing is ready"."""
        seen = history[-1]
        nodes = tuple(
            node
            for node in _arguments(op).nodes
            if seen.observation.node(node, "attached") is not False
        )
        lacking = tuple(node for node in nodes if not seen.situation.node(node).ready)
        if not nodes:
            return Waiting(retry_after_s=pace(ctx), progress="no node is in rotation")
        if not lacking:
            return Done(sentence=f"{', '.join(nodes)} are ready")
        text = standing(lacking, seen)
        if lacking == nodes:
            text = f"nothing is ready ({text}): look at what all nodes share, database and cache"
        return Waiting(retry_after_s=pace(ctx), progress=text)


def _arguments(op: Operation) -> AwaitNodesArguments:
    return arguments_of(AwaitNodesArguments, op)
