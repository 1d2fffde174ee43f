"""Give a node its place in rotation back, once it is ready and what the plan says it is."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.observation import Absent, Facts, Observation, node_fact
from rollout_kit.model.operation import (
    Change,
    ChangeKind,
    Compensation,
    Done,
    Operation,
    Undo,
    Verification,
    Waiting,
)
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Readers, Seen, Writers
from rollout_kit.operations.arguments import arguments_of
from rollout_kit.operations.goal import goal_reached, nothing_to_do
from rollout_kit.operations.node_acts import AttachNodeArguments, DetachNodeArguments, undoing
from rollout_kit.operations.node_looks import look_at_returning_node
from rollout_kit.operations.pace import pace
from rollout_kit.operations.rotation import may_return, through_target, unheard, unruled
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import SetAttached

PROBES = 3
BETWEEN_PROBES_S = 0.0


class AttachNode:
    """Rule 4 stands before the write, whoever asks: the way forward, an undo, a second attempt."""

    kind = "attach_node"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        args = _arguments(op)
        return look_at_returning_node(args.rotation, args.identity, readers, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        node = _arguments(op).rotation.node
        if unruled(node, situation):
            return nothing_to_do(f"the driver has no say in rotation: {node} returns by itself")
        attached = observation.node(node, "attached")
        there = goal_reached(op, observation) or attached is True
        if there and not work_lost(op, situation):
            return nothing_to_do(f"{node} is in rotation")
        unread = (f"whether {node} is in rotation",) if isinstance(attached, Absent) else ()
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"put {node} back into rotation",
            estimate_s=1.0,
            not_judged=unread,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        return (node_fact(_arguments(op).rotation.node, ""),)

    def relies_on(self, op: Operation) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def expect(self, op: Operation, observation: Observation) -> Observation:
        fact = node_fact(_arguments(op).rotation.node, "attached")
        return observation.with_facts({fact: True})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        args = _arguments(op)
        silent = unheard(args.rotation.node, seen, ctx)
        return silent or may_return(args.rotation, args.identity, seen, ctx)

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        node = _arguments(op).rotation.node
        writers.infra.begin(key, SetAttached(node=node, attached=True))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """The driver says so, then ready and right in three probes in a row."""
        args, seen = _arguments(op), history[-1]
        node = args.rotation.node
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        alone = unruled(node, seen.situation)
        if not alone and seen.observation.node(node, "attached") is not True:
            progress = f"{node} is not in rotation yet"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        verdict = may_return(args.rotation, args.identity, seen, ctx)
        if not isinstance(verdict, Done):
            return verdict
        if alone and all(through_target(node) in look.situation.unread for look in history):
            progress = f"{node} was not seen: {seen.situation.unread[through_target(node)]}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        good = _good_probes(node, history)
        if good < PROBES:
            progress = f"{node} is in rotation, ready in {good} of {PROBES} probes in a row"
            return Waiting(retry_after_s=BETWEEN_PROBES_S, progress=progress)
        return Done(sentence=f"{node} is in rotation, ready in {PROBES} probes in a row")

    def compensate(self, op: Operation, before: Facts) -> Compensation:  # noqa: ARG002
        args = _arguments(op)
        detach = DetachNodeArguments(
            rotation=args.rotation, marker=args.marker_before, pins=args.pins
        )
        return Undo(restore=(undoing(op, "detach_node", detach),))


def _good_probes(node: str, history: Sequence[Seen]) -> int:
    """How many of the last looks, in a row, saw it ready and not out of rotation."""
    good = 0
    for look in reversed(history):
        out = look.observation.node(node, "attached") is not True
        if not look.situation.node(node).ready or (out and not unruled(node, look.situation)):
            break
        good += 1
    return good


def _arguments(op: Operation) -> AttachNodeArguments:
    return arguments_of(AttachNodeArguments, op)
