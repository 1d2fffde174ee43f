"""Which versions may live together: everything alive shows `from` or `to`, and the protocols overlap.

Rule 2 is judged here, by the planner beforehand and by `check_skew` just before the first write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from urllib.parse import unquote

from rollout_kit.document.terms import Identity
from rollout_kit.model.observation import Absent, FactValue, Observation, show
from rollout_kit.model.situation import Situation

_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:[.\-+].*)?$")
_PROTOCOL = re.compile(r"^(\d+)\.(\d+)$")
REMEDY = "stop-the-world"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChange:
    """The server's way from one version to another, as the release declares it.

    `control_plane` and `worker_protocol` are the sets that `to` speaks, None where undeclared.
    `workers`: the protocol that each live or coming cohort speaks, by label; None where undeclared.
    """

    from_: str
    to: str
    image: str
    identity: Identity
    from_image: str | None = None
    control_plane: tuple[str, ...] | None = None
    worker_protocol: tuple[str, ...] | None = None
    workers: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocols:
    """What one node speaks. `accepts_lower_minors`: `M.m` takes `M.0` to `M.m`, else just itself."""

    holder: str
    control_plane: str
    worker_protocol: str
    accepts_lower_minors: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """Rule 2's answer. Refusals stop the plan; what was not judged is shown, never passed over.

    `unproved`: what would be refused on the evidence of its image, were all nodes read; a silent one
    may show that this is the image of `from`.
    """

    refusals: tuple[str, ...]
    not_judged: tuple[str, ...]
    unproved: tuple[str, ...] = ()


def judge_skew(observation: Observation, situation: Situation, change: ServerChange) -> Skew:
    """Rule 2: adjacent versions, everything live shows `from` or `to`, and protocol sets overlap."""
    refusals: list[str] = []
    unjudged: list[str] = []
    unproved: list[str] = []
    told = adjacency(change.from_, change.to)
    refusals += [told] if told else []
    for node, wrong in _shown_versions(observation, change):
        refusals += [f"{node} {wrong}"] if wrong else []
    by_image = unproved if _may_be_of_a_silent_node(observation, change) else refusals
    for holder, verdict in _shown_images(observation, change):
        if verdict is None:
            unjudged.append(f"{holder}: {_why(situation, holder)}")
        elif verdict:
            by_image.append(f"{holder} {verdict}")
    live = live_protocols(observation)
    for one, other in combinations(live, 2):
        refusals += [text] if (text := overlap(one, other)) else []
    refusals += _declared(change, live)
    refusals += _workers(change, live)
    if change.control_plane is None or change.worker_protocol is None:
        unjudged.append(
            f"protocols of {change.to}: not declared, so its first node is looked at first"
        )
    unjudged += [
        f"the protocol of {label}: not declared"
        for label, said in change.workers.items()
        if not said
    ]
    return Skew(refusals=tuple(refusals), not_judged=tuple(unjudged), unproved=tuple(unproved))


def is_silent(observation: Observation, node: str) -> bool:
    """Whether it was asked what it is, and has not answered yet."""
    return observation.node(node, "version") in (Absent.NO_ANSWER, Absent.PENDING)


def _may_be_of_a_silent_node(observation: Observation, change: ServerChange) -> bool:
    by_nodes = change.from_image is None and change.identity is not Identity.INFRA
    return by_nodes and any(is_silent(observation, node) for node in observation.nodes())


def adjacency(from_: str, to: str) -> str:
    """Why these two are not adjacent (same major, at most one minor apart); "" when they are.

    What is not spelled like a version cannot be ordered and is left to the protocols.
    """
    old, new = _VERSION.match(from_), _VERSION.match(to)
    if not old or not new or from_ == to:
        return ""
    if old[1] == new[1] and abs(int(old[2]) - int(new[2])) <= 1:
        return ""
    return f"{from_} and {to} are not adjacent: they may not run side by side ({REMEDY})"


def shown(observation: Observation, node: str, identity: Identity) -> FactValue:
    """What the node shows as evidence of its identity."""
    attribute = {Identity.VERSION: "version", Identity.PROVENANCE: "ref", Identity.INFRA: "image"}
    return observation.node(node, attribute[identity])


def old_images(observation: Observation, change: ServerChange) -> frozenset[str]:
    """The image of `from`: declared, else that of every node which shows `from`."""
    if change.from_image is not None:
        return frozenset({change.from_image})
    if change.identity is Identity.INFRA:
        return frozenset()
    return frozenset(
        image
        for node in observation.nodes()
        if shown(observation, node, change.identity) == change.from_
        and isinstance(image := observation.node(node, "image"), str)
    )


def live_protocols(observation: Observation) -> tuple[Protocols, ...]:
    """Of every node whose protocols were read."""
    found = (protocols_of(observation, node) for node in observation.nodes())
    return tuple(item for item in found if item is not None)


def protocols_of(observation: Observation, node: str) -> Protocols | None:
    control = observation.node(node, "control_plane")
    worker = observation.node(node, "worker_protocol")
    if not isinstance(control, str) or not isinstance(worker, str):
        return None
    lower = observation.node(node, "accepts_lower_minors") is True
    return Protocols(
        holder=node, control_plane=control, worker_protocol=worker, accepts_lower_minors=lower
    )


def overlap(one: Protocols, other: Protocols) -> str:
    """Why these two have no protocol in common; "" when they do. A malformed version has none."""
    if one.control_plane != other.control_plane:
        return (
            f"{one.holder} speaks control plane {one.control_plane},"
            f" {other.holder} {other.control_plane}: no client can use both ({REMEDY})"
        )
    if one.worker_protocol == other.worker_protocol:
        return ""
    ours, theirs = _PROTOCOL.match(one.worker_protocol), _PROTOCOL.match(other.worker_protocol)
    lower = one.accepts_lower_minors and other.accepts_lower_minors
    if lower and ours and theirs and ours[1] == theirs[1]:
        return ""
    return (
        f"{one.holder} speaks worker protocol {one.worker_protocol},"
        f" {other.holder} {other.worker_protocol}: no worker can use both ({REMEDY})"
    )


def _shows_itself(observation: Observation, node: str, change: ServerChange) -> bool:
    by_itself = change.identity is not Identity.INFRA
    return by_itself and isinstance(shown(observation, node, change.identity), str)


def _shown_versions(observation: Observation, change: ServerChange) -> Iterator[tuple[str, str]]:
    """Each node that says what it is, with what is wrong with that; "" nothing."""
    for node in observation.nodes():
        if _shows_itself(observation, node, change):
            evidence = shown(observation, node, change.identity)
            good = evidence in (change.from_, change.to)
            text = f"shows {show(evidence)}, neither from {change.from_} nor to {change.to}"
            yield f"node {node}", "" if good else f"{text} ({REMEDY})"


def _shown_images(
    observation: Observation, change: ServerChange
) -> Iterator[tuple[str, str | None]]:
    """Each other live process with what is wrong with its image: "" nothing, None not judged."""
    old = old_images(observation, change)
    for node in observation.nodes():
        if not _shows_itself(observation, node, change):
            yield f"node {node}", _image_standing(observation.node(node, "image"), old, change)
    scheduler = observation.get("scheduler/image")
    if scheduler is not None:
        yield "scheduler", _image_standing(scheduler, old, change)
    for name in observation.maintenance():
        image = observation.get(f"maintenance/{_encoded(observation, name)}/image")
        yield f"maintenance {name}", _image_standing(image, old, change)


def _image_standing(image: FactValue, old: frozenset[str], change: ServerChange) -> str | None:
    if isinstance(image, Absent) or image is None:
        return None
    if image == change.image or image in old:
        return ""
    known = " or ".join(f'"{item}"' for item in sorted(old)) or "not known: declare from_image"
    return (
        f"runs image {show(image)}, neither that of {change.to} ({show(change.image)})"
        f" nor that of {change.from_} ({known})"
    )


def _declared(change: ServerChange, live: tuple[Protocols, ...]) -> Iterator[str]:
    for node in live:
        controls, workers = change.control_plane, change.worker_protocol
        if controls is not None and node.control_plane not in controls:
            yield (
                f"{change.to} speaks control plane {', '.join(controls)},"
                f" {node.holder} {node.control_plane} ({REMEDY})"
            )
        if workers is not None and not any(_meets(node, said) for said in workers):
            yield (
                f"{change.to} speaks worker protocol {', '.join(workers)},"
                f" {node.holder} {node.worker_protocol} ({REMEDY})"
            )


def _meets(node: Protocols, said: str) -> bool:
    if said == node.worker_protocol:
        return True
    ours, theirs = _PROTOCOL.match(node.worker_protocol), _PROTOCOL.match(said)
    return bool(node.accepts_lower_minors and ours and theirs and ours[1] == theirs[1])


def _workers(change: ServerChange, live: tuple[Protocols, ...]) -> Iterator[str]:
    """A worker that some node refuses gets its polls refused now and then: worse than always."""
    for label, said in change.workers.items():
        for node in live:
            if said and not _accepts(node, said):
                yield (
                    f"{label} speaks worker protocol {said}, which node {node.holder}"
                    f" ({node.worker_protocol}) refuses ({REMEDY})"
                )


def _accepts(node: Protocols, said: str) -> bool:
    if said == node.worker_protocol:
        return True
    ours, theirs = _PROTOCOL.match(node.worker_protocol), _PROTOCOL.match(said)
    if not (node.accepts_lower_minors and ours and theirs):
        return False
    return ours[1] == theirs[1] and int(theirs[2]) <= int(ours[2])


def _encoded(observation: Observation, name: str) -> str:
    """The name as fact paths spell it."""
    found = (k.split("/")[1] for k in observation.facts if k.startswith("maintenance/"))
    return next(item for item in found if unquote(item) == name)


def _why(situation: Situation, holder: str) -> str:
    kind, _, name = holder.partition(" ")
    keys = (f"{kind}/{name}/version", f"{kind}/{name}/spec", f"{kind}/spec")
    reasons = [situation.unread[key] for key in keys if key in situation.unread]
    return reasons[0] if reasons else "what it runs was not read"
