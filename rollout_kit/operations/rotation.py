"""Who may leave rotation, who may be restarted, who may return. Rule 3 is judged here, undos included."""

from __future__ import annotations

from dataclasses import dataclass

from rollout_kit.model.observation import Absent, node_fact
from rollout_kit.model.operation import Done, Failed, Verification, Waiting
from rollout_kit.model.situation import Situation
from rollout_kit.operations.api import Context, Seen
from rollout_kit.operations.asking import CANNOT
from rollout_kit.operations.node_identity import NodeIdentity, not_as_planned, unanswered
from rollout_kit.operations.pace import pace, prompt


def through_node(node: str) -> str:
    """Key in `unread`: why the namespace does not answer through this node as through the others."""
    return node_fact(node, "namespace")


def through_target(node: str) -> str:
    """Key in `unread`: why the node was not seen through the target's own address in this look."""
    return node_fact(node, "through_target")


def unruled(node: str, situation: Situation) -> bool:
    """Whether the driver has no say in who is in rotation: a restart takes the node out by itself,
    and whatever spreads the traffic lets it in again."""
    return situation.unread.get(node_fact(node, "attached"), "").startswith(CANNOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A node among its fellows. `accept_outage`: the author's reason, for a fleet of one node."""

    node: str
    others: tuple[str, ...]
    accept_outage: str | None = None


def unheard(node: str, seen: Seen, ctx: Context) -> Waiting | None:
    """Why nobody knows whether it is in rotation."""
    if seen.observation.node(node, "attached") not in (Absent.NO_ANSWER, Absent.PENDING):
        return None
    progress = f"whether {node} is in rotation has no answer"
    return Waiting(retry_after_s=pace(ctx), progress=progress)


def may_leave(rotation: Rotation, seen: Seen, ctx: Context) -> Verification:
    """Rule 3: one node out of rotation at a time, and never one whose loss leaves none ready.

    In an undo a node that is not ready itself may leave: its loss takes nothing away.
    """
    wait_s = pace(ctx)
    if not rotation.others:
        if rotation.accept_outage:
            return Done()
        return Failed(
            reason=f"{rotation.node} is the only node: without it nothing answers",
            hint='accept it with `target.accept: {outage: "reason"}`, or add a node',
        )
    for other in rotation.others:
        attached = seen.observation.node(other, "attached")
        if attached is False:
            progress = f"{other} is out of rotation, and only one node may be at a time"
            return Waiting(retry_after_s=wait_s, progress=progress)
        if silent := unheard(other, seen, ctx):
            return silent
    if any(seen.situation.node(other).ready for other in rotation.others):
        return Done()
    own = seen.situation.node(rotation.node)
    if ctx.undoing and (own.ready is False or own.answers is False):
        return Done()
    return Waiting(
        retry_after_s=wait_s,
        progress=f"no other node is ready ({standing(rotation.others, seen)}):"
        f" without {rotation.node} nothing would answer",
    )


def may_restart(rotation: Rotation, seen: Seen, ctx: Context) -> Verification:
    """Rule 3: a node is restarted only while it is out of rotation; else the restart takes it out."""
    if unruled(rotation.node, seen.situation):
        return may_leave(rotation, seen, ctx)
    attached = seen.observation.node(rotation.node, "attached")
    if attached is False:
        return Done()
    progress = f"{rotation.node} is still in rotation"
    if isinstance(attached, Absent):
        progress = f"whether {rotation.node} is out of rotation has no answer"
    return Waiting(retry_after_s=pace(ctx), progress=progress)


def may_return(
    rotation: Rotation, identity: NodeIdentity, seen: Seen, ctx: Context
) -> Verification:
    """Rule 4: a node returns only when it is ready and is what the plan says it is."""
    wait_s = prompt(ctx)
    node = rotation.node
    if not seen.situation.node(node).ready:
        return Waiting(retry_after_s=wait_s, progress=why_not_ready(rotation, seen))
    silent = unanswered(identity, node, seen.observation)
    if silent:
        progress = f"{node} is ready, but does not say what it is: {', '.join(silent)}"
        return Waiting(retry_after_s=wait_s, progress=progress)
    wrong = not_as_planned(identity, node, seen.observation, seen.situation)
    if wrong:
        progress = f"{node} is ready, but is not what the plan says: {'; '.join(wrong)}"
        return Waiting(retry_after_s=wait_s, progress=progress)
    differing = seen.situation.unread.get(through_node(node))
    if differing:
        progress = (
            f"{node} is ready, but its namespace does not answer as through the others: {differing}"
        )
        return Waiting(retry_after_s=wait_s, progress=progress)
    return Done(sentence=f"{node} is ready and shows {_evidence(identity)}")


def why_not_ready(rotation: Rotation, seen: Seen) -> str:
    """Rule 5: tell "this node is not ready" from "nothing is ready", with the diagnosis."""
    own = f"{rotation.node}: {state(rotation.node, seen)}"
    if not rotation.others:
        return own
    if any(seen.situation.node(other).ready for other in rotation.others):
        return f"{own} (the others are ready: it is this node)"
    return (
        f"nothing is ready ({own}; {standing(rotation.others, seen)}): look at what all nodes share,"
        " database and cache, before this node"
    )


def standing(nodes: tuple[str, ...], seen: Seen) -> str:
    return "; ".join(f"{node}: {state(node, seen)}" for node in nodes)


def state(node: str, seen: Seen) -> str:
    """One node's readiness in words."""
    numbers = seen.situation.node(node)
    if numbers.ready:
        return "ready"
    if numbers.ready is False:
        return f"not ready ({numbers.diagnosis or 'it names no failing check'})"
    if numbers.answers is False:
        return f"no answer ({numbers.error or 'no reason given'})"
    return "its readiness is still being asked"


def _evidence(identity: NodeIdentity) -> str:
    known = {name: value for name, value in identity.shows.items() if value is not None}
    shown = [f"{attribute} {value}" for attribute, value in known.items()]
    return ", ".join(shown) or "nothing that could be told apart"
