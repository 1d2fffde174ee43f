"""The stack contract: what an infrastructure program reads and gives so that a rollout can change it.

A program reads five configuration keys in the namespace `fleet`, each one JSON value, and gives one
stack output of the same name. It takes a key that is not set for "as the program itself says". The
keys say what is wanted; the output says where each thing is, and which resources make it up, so
that an update which would reach further than its operation is refused before it is sent. Programs
of any language can meet it; those in Python may import this module for its names alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

from rollout_kit.model.codec import from_json

VERSION = 1
NAMESPACE = "fleet"
"""Of the configuration keys (`fleet:nodes`), and the name of the stack output."""


class Key(StrEnum):
    """The configuration keys. Each holds a JSON object; `scheduler` alone may hold null."""

    NODES = "nodes"
    SCHEDULER = "scheduler"
    MAINTENANCE = "maintenance"
    COHORTS = "cohorts"
    JOBS = "jobs"

    @property
    def full(self) -> str:
        """As the configuration spells it: `fleet:nodes`."""
        return f"{NAMESPACE}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWanted:
    """`fleet:nodes`, one entry a node: its name to this.

    `marker`: the compatibility marker, absent or null for none. `attached`: whether the front sends
    it traffic; changing that alone must not restart it. `environment`: plain values that a rollout
    was given; what else the process needs, and every secret, is the program's own.
    """

    image: str
    marker: str | None = None
    attached: bool = True
    server_id: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SingletonWanted:
    """`fleet:scheduler`, and one entry of `fleet:maintenance`.

    `running: false` stops it and keeps what it ran: never two schedulers, also while one is replaced.
    """

    image: str
    marker: str | None = None
    running: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortWanted:
    """`fleet:cohorts`, one entry a cohort: its path (`model.identity.CohortRef.path`) to this.

    The path's three parts stand here once more, decoded: `build_id` null is the unversioned cohort.
    `replicas: 0` stops it. Where an autoscaler owns the count, `at_least` and `at_most` are its bounds.
    """

    namespace: str
    task_queue: str
    build_id: str | None
    image: str
    replicas: int
    at_least: int | None = None
    at_most: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWanted:
    """`fleet:jobs`, `bootstrap` and `migrate-status`: run once for each `run`, its exit awaited.

    `run` names this one run (it is in the job's own name); `revision` is the schema's.
    """

    image: str
    run: str
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """All of the configuration. None: the key is not set, the program's own values hold."""

    nodes: Mapping[str, NodeWanted] | None = None
    scheduler: SingletonWanted | None = None
    maintenance: Mapping[str, SingletonWanted] | None = None
    cohorts: Mapping[str, CohortWanted] | None = None
    jobs: Mapping[str, JobWanted] | None = None


def read_wanted(values: Mapping[str, object]) -> Wanted:
    """What a program was asked for: `values` maps each key that is set to its decoded JSON.

    A null scheduler reads as None, as a key that is not set does: who tells them apart asks `values`.

    Raises:
        ValueError: names the place (`fleet:nodes.api-1.image`) and what was found there.
    """
    found: dict[str, object] = {}
    for item in fields(Wanted):
        value = values.get(item.name)
        if value is not None:
            found[item.name] = from_json(_SHAPES[Key(item.name)], value, Key(item.name).full)
    return Wanted(**found)  # type: ignore[arg-type]  # each read as its own field's type


_SHAPES: Mapping[Key, object] = {
    Key.NODES: Mapping[str, NodeWanted],
    Key.SCHEDULER: SingletonWanted,
    Key.MAINTENANCE: Mapping[str, SingletonWanted],
    Key.COHORTS: Mapping[str, CohortWanted],
    Key.JOBS: Mapping[str, JobWanted],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InCluster:
    """Where a thing lives on Kubernetes, for looking at the live object and reaching its pods.

    `kind`: `StatefulSet`, `Deployment` or `Job`. `container`: the one whose image counts.
    `marker_variable`: the environment variable that carries the marker. `port`: of the API, for
    nodes. `membership_label`: the pod label that the front selects by, for nodes.
    """

    kind: str
    namespace: str
    name: str
    container: str
    marker_variable: str = ""
    port: int | None = None
    membership_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One thing of the output: its resources (URNs), what it was given, and where to look for it.

    `runs` echoes what the program made of the configuration, its own values filled in, so that a
    first rollout knows what stands there before it writes any key: the entry of its configuration key.
    `membership`: of a node, the resources that attaching and detaching it may update.
    `printed`: of a job, what its last run wrote to standard output; empty where the cluster tells.
    `url`: of a node, its own address; empty where it is reached through the cluster.
    """

    resources: tuple[str, ...]
    runs: Mapping[str, object] = field(default_factory=dict)
    membership: tuple[str, ...] = ()
    url: str = ""
    in_cluster: InCluster | None = None
    printed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The stack output `fleet`. `reads`: the configuration keys that the program heeds.

    `repeatable`: types of resources of which a create that failed, or whose end nobody saw, may be
    sent again: asked twice, their provider makes one, whatever the first time left. `cohorts` are
    keyed by path, `jobs` by name. `scheduler` None: the program has none.
    """

    contract: int
    reads: tuple[Key, ...]
    nodes: Mapping[str, Placed] = field(default_factory=dict)
    scheduler: Placed | None = None
    maintenance: Mapping[str, Placed] = field(default_factory=dict)
    cohorts: Mapping[str, Placed] = field(default_factory=dict)
    jobs: Mapping[str, Placed] = field(default_factory=dict)
    repeatable: tuple[str, ...] = ()


def as_output(value: object) -> object:
    """`Given`, or a part of it, as the program exports it.

    Values that are none of the contract's own, such as the engine's promises of a URN, stay as they
    are: the engine resolves them.
    """
    match value:
        case (
            Given()
            | Placed()
            | InCluster()
            | NodeWanted()
            | SingletonWanted()
            | CohortWanted()
            | JobWanted()
        ):
            return {item.name: as_output(getattr(value, item.name)) for item in fields(value)}
        case StrEnum():
            return value.value
        case Mapping():
            return {name: as_output(item) for name, item in value.items()}
        case tuple():
            return [as_output(item) for item in value]
        case _:
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a plan asks of a program: a key it must read, or a thing it must give."""

    what: str  # `reads nodes`, `nodes/api-1`, `nodes/api-1/url or in_cluster`
    why: str  # the step or section that asks for it


def needs_of_node(name: str, why: str) -> tuple[Need, ...]:
    """What changing one API node asks for."""
    return (
        Need(what=f"reads {Key.NODES.value}", why=why),
        Need(what=f"nodes/{name}", why=why),
        Need(what=f"nodes/{name}/resources", why=why),
        Need(what=f"nodes/{name}/membership", why=why),
    )


def missing(given: Given | None, needs: tuple[Need, ...]) -> tuple[Need, ...]:
    """The needs that this output does not meet, each once, in order; all of them without one."""
    if given is None:
        return tuple(dict.fromkeys(needs))
    return tuple(need for need in dict.fromkeys(needs) if not _met(given, need.what))


def _met(given: Given, what: str) -> bool:
    if what.startswith("reads "):
        return what.removeprefix("reads ") in [key.value for key in given.reads]
    kind, _, rest = what.partition("/")
    if kind == "scheduler":
        return given.scheduler is not None and _has(given.scheduler, rest)
    things: Mapping[str, Placed] = {
        "nodes": given.nodes,
        "maintenance": given.maintenance,
        "cohorts": given.cohorts,
        "jobs": given.jobs,
    }.get(kind, {})
    placed = things.get(rest)
    if placed is not None:
        return True
    name, _, part = rest.rpartition("/")
    placed = things.get(name)
    return placed is not None and _has(placed, part)


def _has(placed: Placed, part: str) -> bool:
    match part:
        case "":
            return True
        case "resources":
            return bool(placed.resources)
        case "membership":
            return bool(placed.membership)
        case "url or in_cluster":
            return bool(placed.url) or placed.in_cluster is not None
        case _:
            return False
