"""Looking at a node that is about to return: itself first, its fellows as far as they are needed."""

from __future__ import annotations

from dataclasses import replace

from rollout_kit.model.identity import QueueRef
from rollout_kit.model.observation import node_fact
from rollout_kit.operations.api import Readers, Seen
from rollout_kit.operations.asking import Missing, ask
from rollout_kit.operations.node_identity import NodeIdentity, not_as_planned, unanswered
from rollout_kit.operations.reading import (
    merged,
    read_a_ready_one,
    read_node,
    read_protocols,
)
from rollout_kit.operations.rotation import Rotation, through_node, through_target, unruled
from rollout_kit.ports.engine import CohortTable


def look_at_returning_node(
    rotation: Rotation, identity: NodeIdentity, readers: Readers, now_s: float
) -> Seen:
    """The node; its fellows too while it is not ready (rule 5). Once it is, and still out of rotation,
    it is asked for its marker and compared with a fellow: what takes long is asked once."""
    node = rotation.node
    own = read_node(node, readers, now_s, unready=False)
    if not own.situation.node(node).ready:
        return merged((read_a_ready_one(rotation.others, readers, now_s), own), now_s)
    if unruled(node, own.situation):
        own = _through_target(own, node, identity, readers)
    unproved = own.observation.node(node, "attached") is not True
    if not unproved or unanswered(identity, node, own.observation):
        return own
    if not_as_planned(identity, node, own.observation, own.situation):
        return own
    if "marker" in identity.shows and readers.engine.has_admin():
        own = _with_marker(own, node, readers)
    others = read_a_ready_one(rotation.others, readers, now_s)
    seen = merged((others, own), now_s)
    fellow = next((n for n in rotation.others if others.situation.node(n).ready), None)
    if fellow is not None:
        # Only what a comparison needs: facts of a fellow are not this operation's to compare.
        seen = merged((seen, read_protocols(fellow, readers, now_s)), now_s)
    differing = _differing(node, fellow, readers)
    return _noted(seen, through_node(node), differing) if differing else seen


def _through_target(seen: Seen, node: str, identity: NodeIdentity, readers: Readers) -> Seen:
    """Where nobody says who is in rotation, a node is in when the target's address answers with it."""
    if identity.server_id is None:
        return seen
    info = ask(lambda: readers.engine.cluster_info(None))
    key = through_target(node)
    if isinstance(info, Missing):
        return _noted(seen, key, info.reason)
    if info.server_id == identity.server_id:
        return seen
    return _noted(seen, key, f"the target's address answered as {info.server_id}")


def _with_marker(seen: Seen, node: str, readers: Readers) -> Seen:
    """What the node itself says it pins new runs to; it checks what the driver's spec says."""
    metrics = ask(lambda: readers.engine.operator_metrics(readers.scope.namespace, node))
    if isinstance(metrics, Missing):
        return _noted(seen, node_fact(node, "required_marker"), metrics.reason)
    numbers = replace(seen.situation.node(node), required_marker=metrics.required_marker or "")
    return replace(seen, situation=replace(seen.situation, nodes={node: numbers}))


def _noted(seen: Seen, key: str, reason: str) -> Seen:
    unread = {**seen.situation.unread, key: reason}
    return replace(seen, situation=replace(seen.situation, unread=unread))


def _differing(node: str, fellow: str | None, readers: Readers) -> str:
    """What the namespaces' build ids show through the node and not through its fellow; "" nothing."""
    for queue in readers.scope.queues:
        own = _builds(queue, node, readers)
        if isinstance(own, Missing):
            return f"{queue.task_queue} gives no answer through {node}: {own.reason}"
        other = _builds(queue, fellow, readers) if fellow else own
        if not isinstance(other, Missing) and own != other:
            shown = f"{sorted(own) or 'none'} through {node}, {sorted(other) or 'none'} through {fellow}"
            return f"build ids of {queue.task_queue} differ: {shown}"
    return ""


def _builds(queue: QueueRef, node: str, readers: Readers) -> frozenset[str] | Missing:
    table: CohortTable | Missing = ask(lambda: readers.engine.cohorts(queue, node))
    if isinstance(table, Missing):
        return table
    return frozenset(row.cohort.build_id or "(unversioned)" for row in table.rows)
