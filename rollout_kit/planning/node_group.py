"""The group that replaces one node: detach, replace, ready and known again, attach. Pure.

`api-cutover` builds it for a new image, a walk of markers for a new marker; both give the group the
goal that tells a node which is there already. Each operation's undo restores what that operation
moved, so the undos in reverse order give the node back from wherever the group was left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rollout_kit.document.plan import Identity, Step, TopologyDeclaration
from rollout_kit.model.observation import FactValue, node_fact
from rollout_kit.model.operation import Group, Operation
from rollout_kit.operations.node_acts import (
    AttachNodeArguments,
    AwaitNodeArguments,
    DetachNodeArguments,
    ReplaceNodeArguments,
)
from rollout_kit.operations.node_identity import NodeIdentity, identity_facts
from rollout_kit.operations.pins import PinRules
from rollout_kit.operations.rotation import Rotation, unruled
from rollout_kit.operations.skew import protocols_of
from rollout_kit.operations.specs import parse
from rollout_kit.planning.api import Problem, World
from rollout_kit.planning.unit import operation, part

OUTAGE = "outage"
"""The name under `target.accept` that lets a fleet of one node be without it for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """What a node is to become. `image=None` keeps it; `marker` counts where `set_marker`.

    `within_s` bounds each wait on the way there.
    """

    within_s: float
    image: str | None = None
    set_marker: bool = False
    marker: str | None = None


def node_group(
    step: Step,
    world: World,
    node: str,
    change: NodeChange,
    *,
    subject: str | None = None,
    between: tuple[Operation, ...] = (),
) -> tuple[Operation, ...]:
    """The operations that replace one node, in order, as one group.

    Args:
        subject: path of the group below the step's id, parts encoded; None: the node's name.
        between: what happens while the node is ready, but not yet in rotation.
    """
    subject = part(node) if subject is None else subject
    rotation = rotation_of(world, node)
    identity = identity_after(world, node, change)
    goal: dict[str, FactValue] = {**identity_facts(identity, node)}
    if not unruled(node, world.situation):
        goal[node_fact(node, "attached")] = True
    group = Group(id=f"{step.id}/{subject}", goal=goal)

    def act(name: str, kind: str, arguments: object) -> Operation:
        path = f"{subject}/{name}"
        return operation(
            step, world.document, path, kind, arguments, within_s=change.within_s, group=group
        )

    before = parse(world.observation.node(node, "spec_json"))
    changes = change.set_marker and before is not None and before.marker != change.marker
    pins = PinRules.of(world.scope) if changes else None
    detach = DetachNodeArguments(
        rotation=rotation, marker=change.marker if changes else None, pins=pins
    )
    attach = AttachNodeArguments(
        rotation=rotation,
        identity=identity,
        marker_before=before.marker if changes and before else None,
        pins=pins,
    )
    return (
        act("detach", "detach_node", detach),
        act("replace", "replace_node", _replacement(world, rotation, identity, change)),
        act("ready", "await_node", AwaitNodeArguments(rotation=rotation, identity=identity)),
        *(replace(item, group=group) for item in between),
        act("attach", "attach_node", attach),
    )


def rotation_of(world: World, node: str) -> Rotation:
    accepted = {entry.precondition: entry.reason for entry in world.document.target.accept}
    others = tuple(name for name in world.scope.nodes if name != node)
    return Rotation(node=node, others=others, accept_outage=accepted.get(OUTAGE))


def identity_after(world: World, node: str, change: NodeChange) -> NodeIdentity:
    """What the node must show afterwards: by the release's evidence, by the marker, or by both."""
    server = world.document.release.server
    shows: dict[str, str | None] = {}
    if change.image is not None and server is not None:
        match server.identity:
            case Identity.VERSION:
                shows["version"] = server.to
            case Identity.PROVENANCE:
                shows["ref"] = server.to
            case Identity.INFRA:
                shows["image"] = change.image
    if change.set_marker:
        shows["marker"] = change.marker
    declared = server if change.image is not None else None
    protocols = declared.protocols if declared else None
    base = parse(world.observation.node(node, "spec_json"))
    topology = world.observation.node(node, "topology")
    return NodeIdentity(
        shows=shows,
        topology=topology_after(topology, declared.topology if declared else None),
        server_id=base.server_id if base else None,
        control_plane=protocols.control_plane if protocols else None,
        worker_protocol=protocols.worker if protocols else None,
        beside=protocols_of(world.live, node),
    )


def topology_after(before: FactValue, declared: TopologyDeclaration | None) -> str | None:
    """The topology as before, with what the release declares put over it; None: not judged."""
    if not isinstance(before, str):
        return None
    if declared is None:
        return before
    shape, process_class, roles, matching = before.split("/", 3)
    fields = dict(item.partition("=")[::2] for item in re.split(r",(?=\w+=)", matching) if item)
    fields |= {name: str(value) for name, value in declared.matching_role}
    roles = "+".join(sorted(declared.roles)) if declared.roles is not None else roles
    role = ",".join(f"{name}={fields[name]}" for name in sorted(fields))
    return "/".join((declared.shape or shape, declared.process_class or process_class, roles, role))


def rotation_problems(step: Step, world: World, order: tuple[str, ...]) -> tuple[Problem, ...]:
    """Rule 3, beforehand: why these nodes cannot leave rotation one after the other."""
    found: list[Problem] = []
    known = world.scope.nodes
    if len(known) == 1:
        found.append(
            Problem(
                summary="The only node would be taken out",
                detail=f"{known[0]} is the only node: while it restarts nothing answers.",
                hint='add a node, or accept it with `target.accept: {outage: "reason"}`',
                rule=3,
                accept=OUTAGE,
            )
        )
    out = [node for node in known if world.observation.node(node, "attached") is False]
    for node in out:
        if node not in order[:1]:
            found.append(
                Problem(
                    summary="A node is out of rotation already",
                    detail=f"{node} is out of rotation, and only one node may be at a time:"
                    f" {order[0] if order else 'the first'} could not leave.",
                    hint=f"attach {node}, or put it first in `order` of step {step.id}",
                    rule=3,
                )
            )
    return tuple(found)


def _replacement(
    world: World, rotation: Rotation, identity: NodeIdentity, change: NodeChange
) -> ReplaceNodeArguments:
    server = world.document.release.server
    new_schema = change.image is not None and server is not None and not server.is_restart
    return ReplaceNodeArguments(
        rotation=rotation,
        image=change.image,
        set_marker=change.set_marker,
        marker=change.marker,
        base=parse(world.observation.node(rotation.node, "spec_json")),
        revision=server.revision if server is not None and new_schema else None,
        shows=dict(identity.shows),
        pins=PinRules.of(world.scope),
    )
