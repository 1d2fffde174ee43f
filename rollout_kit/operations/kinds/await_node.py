"""Wait until a node is ready and is what the plan says it is, before anybody is sent to it."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import Observation
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Done,
    Failed,
    Operation,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.check import Check
from rollout_kit.operations.endings import BETWEEN_LOOKS_S, LOOKS, ended_by_itself
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.node_acts import AwaitNodeArguments
from rollout_kit.operations.node_identity import not_as_planned
from rollout_kit.operations.node_looks import look_at_returning_node
from rollout_kit.operations.rotation import may_return


class AwaitNode(Check):
    """Follows the replacement, so the driver has finished: a wrong identity is no longer the old one's."""

    kind = "await_node"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        args = _arguments(op)
        return look_at_returning_node(args.rotation, args.identity, readers, now_s)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:  # noqa: ARG002
        args = _arguments(op)
        node = args.rotation.node
        if goal_reached(op, observation):
            return nothing_to_do(f"{node} is there already")
        wanted = ", ".join(f"{name} {value}" for name, value in args.identity.shows.items())
        sentence = f"wait until {node} is ready and shows {wanted}"
        return Change(kind=ChangeKind.CHECK, sentence=sentence, estimate_s=10.0)

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Rule 4's failure: ready with the wrong identity in two looks after the driver settled."""
        args = _arguments(op)
        verdict = may_return(args.rotation, args.identity, history[-1], ctx)
        if isinstance(verdict, Done):
            return verdict
        node = args.rotation.node
        ended = ended_by_itself(f"node/{node}", f"{node}'s program", history)
        if ended is not None and not history[-1].situation.node(node).ready:
            return ended
        last = [_ready_but_wrong(args, look) for look in history[-LOOKS:]]
        if len(last) == LOOKS and all(last):
            return Failed(
                reason=f"{node} came up ready, but is not what the plan says:"
                f" {'; '.join(last[-1])}",
                hint="see which image and environment it was given; `identity` names the evidence",
            )
        if isinstance(verdict, Waiting) and last[-1]:
            return Waiting(retry_after_s=BETWEEN_LOOKS_S, progress=verdict.progress)
        return verdict


def _arguments(op: Operation) -> AwaitNodeArguments:
    return arguments_of(AwaitNodeArguments, op)


def _ready_but_wrong(args: AwaitNodeArguments, look: Seen) -> tuple[str, ...]:
    node = args.rotation.node
    numbers = look.situation.node(node)
    if not numbers.ready or not numbers.settled:
        return ()
    return not_as_planned(args.identity, node, look.observation, look.situation)
