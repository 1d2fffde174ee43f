"""Take a node out of rotation and wait until the front holds no connection to it."""

from __future__ import annotations

from collections.abc import Sequence

from rollout_kit.model.duration import span
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
from rollout_kit.operations.node_identity import identity_before
from rollout_kit.operations.pace import pace
from rollout_kit.operations.reading import merged, read_node, read_others
from rollout_kit.operations.rotation import may_leave, unheard, unruled, why_not_ready
from rollout_kit.operations.specs import parse, runs_something
from rollout_kit.operations.supporters import may_carry, read_supporters
from rollout_kit.operations.work import read_work, unfinished, work_lost
from rollout_kit.ports.infra import SetAttached

POLL_TIMEOUT_S = 30.0
"""The server's own default, for a node that does not show its own."""


class DetachNode:
    """Its undo attaches the node again, once it is what it was: each operation restores its own."""

    kind = "detach_node"

    def observe(self, op: Operation, readers: Readers, now_s: float) -> Seen:
        work = read_work(op, readers)
        args = _arguments(op)
        looks = [
            read_node(args.rotation.node, readers, now_s),
            read_others(args.rotation.others, readers, now_s),
        ]
        if args.pins is not None:
            looks.append(read_supporters(args.marker, readers, now_s))
        return merged(looks, now_s).beside(work)

    def preview(self, op: Operation, observation: Observation, situation: Situation) -> Change:
        node = _arguments(op).rotation.node
        if goal_reached(op, observation):
            return nothing_to_do(f"{node} is there already")
        attached = observation.node(node, "attached")
        if unruled(node, situation):
            return nothing_to_do(f"the driver has no say in rotation: its restart takes {node} out")
        if attached is False and not work_lost(op, situation):
            return nothing_to_do(f"{node} is out of rotation")
        spec, version = observation.node(node, "spec_json"), observation.node(node, "version")
        if not runs_something(parse(spec)) and isinstance(version, Absent):
            return Change(
                kind=ChangeKind.BLOCKED,
                sentence=f"nobody says what {node} runs now, so nothing could put it back",
                hint="let the driver or the node itself answer first",
            )
        held = situation.node(node).connections
        unread = (f"whether {node} is in rotation",) if isinstance(attached, Absent) else ()
        return Change(
            kind=ChangeKind.UPDATE,
            sentence=f"take {node} out of rotation",
            details=(f"the front holds {held} connections to it",) if held else (),
            estimate_s=_poll_timeout_s(node, observation) if held is None else 1.0,
            not_judged=unread,
        )

    def touches(self, op: Operation) -> tuple[str, ...]:
        return (node_fact(_arguments(op).rotation.node, ""),)

    def relies_on(self, op: Operation) -> tuple[str, ...]:
        return tuple(node_fact(other, "attached") for other in _arguments(op).rotation.others)

    def expect(self, op: Operation, observation: Observation) -> Observation:
        if goal_reached(op, observation):
            return observation
        fact = node_fact(_arguments(op).rotation.node, "attached")
        return observation.with_facts({fact: False})

    def ready_to_apply(self, op: Operation, seen: Seen, ctx: Context) -> Verification:
        """Others serve without it (rule 3), and it will be able to return with its marker (rule 19)."""
        args = _arguments(op)
        rotation = args.rotation
        if isinstance(seen.observation.node(rotation.node, "spec_json"), Absent):
            reason = seen.situation.unread.get(node_fact(rotation.node, "spec"), "not read")
            progress = f"the driver must say what {rotation.node} runs, to put it back: {reason}"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        verdict = unheard(rotation.node, seen, ctx) or may_leave(rotation, seen, ctx)
        if isinstance(verdict, Done) and args.pins is not None:
            return may_carry(args.marker, rotation.node, args.pins, seen, ctx)
        return verdict

    def apply(self, op: Operation, key: str, writers: Writers) -> None:
        node = _arguments(op).rotation.node
        writers.infra.begin(key, SetAttached(node=node, attached=False))

    def verify(self, op: Operation, history: Sequence[Seen], ctx: Context) -> Verification:
        """Connections are waited for, but at most one poll timeout: a poll that hangs comes back."""
        rotation = _arguments(op).rotation
        node, seen = rotation.node, history[-1]
        if goal_reached(op, seen.observation):
            if seen.situation.node(node).ready:
                return Done(sentence=f"{node} is there already, attached and ready")
            return Waiting(retry_after_s=pace(ctx), progress=why_not_ready(rotation, seen))
        waiting = unfinished(op, seen.situation, ctx)
        if waiting is not None:
            return waiting
        if unruled(node, seen.situation):
            return Done(sentence=f"the restart takes {node} out of rotation")
        if seen.observation.node(node, "attached") is not False:
            progress = f"{node} is still in rotation"
            return Waiting(retry_after_s=pace(ctx), progress=progress)
        held = seen.situation.node(node).connections
        if held == 0:
            return Done(sentence=f"{node} is out of rotation and holds no connection")
        left_s = _poll_timeout_s(node, seen.observation) - (ctx.now_s - ctx.since_s)
        count = "nothing counts its connections" if held is None else f"{held} connections are left"
        if left_s <= 0:
            return Done(sentence=f"{node} is out of rotation for one poll timeout ({count})")
        return Waiting(
            retry_after_s=min(left_s, pace(ctx)),
            progress=f"{node} is out of rotation; {count}, at most {span(left_s)} more",
        )

    def compensate(self, op: Operation, before: Facts) -> Compensation:
        rotation = _arguments(op).rotation
        identity = identity_before(rotation.node, before)
        attach = AttachNodeArguments(rotation=rotation, identity=identity)
        return Undo(restore=(undoing(op, "attach_node", attach),))


def _arguments(op: Operation) -> DetachNodeArguments:
    return arguments_of(DetachNodeArguments, op)


def _poll_timeout_s(node: str, observation: Observation) -> float:
    shown = observation.node(node, "poll_timeout_s")
    return float(shown) if isinstance(shown, int | float) else POLL_TIMEOUT_S
