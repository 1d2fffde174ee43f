"""Whether a node is what the plan says it is. Rule 4 is judged here, forward and in undos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout_kit.model.observation import Absent, Facts, Observation, node_fact, show
from rollout_kit.model.situation import Situation
from rollout_kit.operations import skew
from rollout_kit.operations.skew import Protocols
from rollout_kit.operations.specs import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """What a node must show before it returns.

    `shows`: attribute of the node's facts -> value; what tells it from the one before. `topology` and
    `server_id`: None is not judged. The protocol sets: None is undeclared, then what it speaks has to
    overlap with its fellows, and where it has none with `beside`, the node as it was before.
    """

    shows: Mapping[str, str | None] = field(default_factory=dict)
    topology: str | None = None
    server_id: str | None = None
    control_plane: tuple[str, ...] | None = None
    worker_protocol: tuple[str, ...] | None = None
    beside: Protocols | None = None


def identity_before(node: str, before: Facts) -> NodeIdentity:
    """The identity that puts `before` back: what the node showed then, as far as it was read."""
    seen = Observation(facts=before)
    shows: dict[str, str | None] = {}
    for attribute in ("version", "ref", "image", "marker"):
        value = seen.node(node, attribute)
        if isinstance(value, str) or (attribute == "marker" and value is None):
            shows[attribute] = value
    topology = seen.node(node, "topology")
    spec = parse(seen.node(node, "spec_json"))
    return NodeIdentity(
        shows=shows,
        topology=topology if isinstance(topology, str) else None,
        server_id=spec.server_id if spec else None,
        beside=skew.protocols_of(seen, node),
    )


def not_as_planned(
    identity: NodeIdentity, node: str, observation: Observation, situation: Situation
) -> tuple[str, ...]:
    """Rule 4: what of the node is not what the plan says, with both values; () when all of it is.

    Only what was read is judged: a value without an answer is in `unanswered`.
    """
    found = [
        f"{attribute} is {show(value)}, expected {show(wanted)}"
        for attribute, wanted in _wanted(identity).items()
        if not isinstance(value := observation.node(node, attribute), Absent) and value != wanted
    ]
    numbers = situation.node(node)
    marker = identity.shows.get("marker")
    asked = "marker" in identity.shows and numbers.required_marker is not None
    if asked and (numbers.required_marker or None) != marker:
        pinned = show(numbers.required_marker or None)
        text = f"it pins new runs to {pinned}, expected {show(marker)}"
        found.append(text)
    return (*found, *_protocols(identity, node, observation))


def unanswered(identity: NodeIdentity, node: str, observation: Observation) -> tuple[str, ...]:
    """Which evidence gives no answer. What tells the node apart has to be read, whatever the reason."""
    wanted = (*_wanted(identity), "control_plane")
    absent = {
        attribute: value
        for attribute in wanted
        if isinstance(value := observation.node(node, attribute), Absent)
    }
    return tuple(
        f"{attribute}: {show(value)}"
        for attribute, value in absent.items()
        if attribute in identity.shows or value is not Absent.NOT_READ
    )


def identity_facts(identity: NodeIdentity, node: str) -> dict[str, str | None]:
    """The facts by which a group knows that this node is there already."""
    return {node_fact(node, attribute): value for attribute, value in identity.shows.items()}


def _wanted(identity: NodeIdentity) -> dict[str, str | None]:
    wanted = dict(identity.shows)
    if identity.topology is not None:
        wanted["topology"] = identity.topology
    if identity.server_id is not None:
        wanted["server_id"] = identity.server_id
    return wanted


def _protocols(identity: NodeIdentity, node: str, observation: Observation) -> tuple[str, ...]:
    own = skew.protocols_of(observation, node)
    if own is None:
        return ()
    found: list[str] = []
    if identity.control_plane is not None and own.control_plane not in identity.control_plane:
        wanted = ", ".join(identity.control_plane)
        found.append(f"it speaks control plane {own.control_plane}, declared {wanted}")
    if identity.worker_protocol is not None and own.worker_protocol not in identity.worker_protocol:
        wanted = ", ".join(identity.worker_protocol)
        found.append(f"it speaks worker protocol {own.worker_protocol}, declared {wanted}")
    others = [item for item in skew.live_protocols(observation) if item.holder != node]
    if not others and identity.beside is not None:
        others = [identity.beside]
    return (*found, *(text for other in others if (text := skew.overlap(own, other))))
